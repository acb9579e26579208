"""A job on a cluster as a view and as a summary: from status and pods, without a cluster."""

from typing import Any

import msgspec
import pytest

from orchestrator.api.status import (
    CheckpointStatus,
    ConditionType,
    EndedAttempt,
    Halted,
    JobStatus,
    Phase,
    Progress,
    Side,
)
from orchestrator.api.types import JsonObject, Role
from orchestrator.backends.kubernetes.objects import Pod
from orchestrator.cli import cluster_view
from orchestrator.cli.cluster_view import Pace, fold_pace, info_of, view_of
from orchestrator.cli.frame import Glyphs, render_frame
from orchestrator.cli.summary import render_summary
from orchestrator.cli.view import ReplicaRow, RunView
from tests.fixtures.scripted_cluster import condition, document, pod_of
from tests.fixtures.training_reports import RUNNING, build_attempt, build_ended, later, replaced

BARE = {"recovery": {"agent": "Disabled"}}
WITH_EVALUATOR = {"replicaSpecs": {"chief": {}, "evaluator": {"replicas": 1}}}
REACH = ("-n", "team")
NO_PACE = Pace()


def view(
    *pods: JsonObject, status: JobStatus = RUNNING, pace: Pace = NO_PACE, seconds: float = 65, **changes: Any
) -> RunView:
    found = [msgspec.json.decode(msgspec.json.encode(one), type=Pod) for one in pods]
    return view_of(info_of(document(**changes)), status, found, pace, later(seconds))


def row(pod: JsonObject, status: JobStatus = RUNNING, **changes: Any) -> ReplicaRow:
    name = pod["metadata"]["name"].removeprefix("job-")
    return next(one for one in view(pod, status=status, **changes).rows if one.name == name)


def ended(code: int, **more: Any) -> JsonObject:
    state = {"terminated": {"exitCode": code, **more}}
    return {
        "phase": "Failed" if code else "Succeeded",
        "containerStatuses": [{"name": "tensorflow", "state": state}],
    }


def waits(reason: str) -> JsonObject:
    state = {"waiting": {"reason": reason, "message": "the long story"}}
    return {"phase": "Pending", "containerStatuses": [{"name": "tensorflow", "state": state}]}


def unscheduled(reason: str) -> JsonObject:
    found = {
        "type": "PodScheduled",
        "status": "False",
        "reason": reason,
        "message": "0/3 nodes are available",
    }
    return {"phase": "Pending", "conditions": [found]}


@pytest.mark.parametrize(
    ("status", "node", "state"),
    [
        ({"phase": "Pending"}, "", "scheduling"),
        (unscheduled("Unschedulable"), "", "Unschedulable"),
        (unscheduled("SchedulingGated"), "", "SchedulingGated"),
        ({"phase": "Pending"}, "node-a", "creating"),
        (waits("ContainerCreating"), "node-a", "creating"),
        (waits("ImagePullBackOff"), "node-a", "image cannot be pulled"),
        (waits("CreateContainerConfigError"), "node-a", "CreateContainerConfigError"),
        (waits("InvalidImageName"), "node-a", "cannot start"),
        ({"phase": "Running"}, "node-a", "running"),
        (ended(0), "node-a", "done"),
        (ended(3), "node-a", "exited 3"),
        (ended(137), "node-a", "killed by SIGKILL"),
        (ended(137, reason="OOMKilled"), "node-a", "out of memory"),
        (ended(128, reason="StartError", message="no such file"), "node-a", "cannot start"),
        ({"phase": "Failed", "reason": "Evicted"}, "node-a", "evicted"),
        ({"phase": "Failed"}, "node-a", "failed"),
    ],
)
def test_what_a_pod_says_in_few_words(status: JsonObject, node: str, state: str) -> None:
    found = row(pod_of("worker-1", status, node=node))
    assert (found.state, found.node, found.pid) == (state, node, 0)


def test_replicas_without_pods_are_waited_for_or_suspended_or_gone() -> None:
    for phase, state in ((Phase.CREATED, "waiting"), (Phase.SUSPENDED, "suspended"), (Phase.FAILED, "gone")):
        rows = view(status=JobStatus(phase=phase)).rows
        assert [(one.name, one.state) for one in rows] == [
            ("chief-0", state),
            ("worker-0", state),
            ("worker-1", state),
        ]


def test_pods_that_are_not_to_be_seen_are_not_said_to_be_missing() -> None:
    seen = view_of(info_of(document()), RUNNING, None, Pace(), later(1))
    assert {one.state for one in seen.rows} == {"unknown"}


def test_a_pod_that_runs_for_no_attempt_is_ready_but_its_program_does_not_run() -> None:
    pod = pod_of("worker-1")
    restarting = JobStatus(phase=Phase.RESTARTING)
    assert row(pod, restarting).state == "ready"
    assert row(pod, replaced(RUNNING, phase=Phase.RESTARTING)).state == "starting"
    assert row(pod, restarting, spec=BARE).state == "running", "without an agent the pod is the program"
    assert row(pod_of("worker-1", uid="another"), RUNNING).state == "ready"


def test_a_program_in_job_control_stop_and_a_pod_that_is_being_deleted() -> None:
    halted = msgspec.structs.replace(build_attempt(), halted=(Halted("worker-1", later(3)),))
    assert row(pod_of("worker-1"), replaced(RUNNING, attempt=halted)).state == "running, stopped"
    assert row(pod_of("worker-1", deletionTimestamp="2026-11-23T12:00:00Z")).state == "ending"


def test_who_has_done_his_work_stays_done_without_a_pod() -> None:
    first, *others = build_attempt().members
    members = (msgspec.structs.replace(first, succeeded=True), *others)
    status = replaced(RUNNING, attempt=msgspec.structs.replace(build_attempt(), members=members))
    assert [one.state for one in view(status=status).rows] == ["done", "waiting", "waiting"]


def test_a_replica_outside_the_gang_runs_while_it_has_its_seat() -> None:
    side = Side(role=Role.EVALUATOR, index=0, uid="a-evaluator-0", run=2, restarts=1)
    pod = pod_of("evaluator-0")
    found = row(pod, replaced(RUNNING, sides=(side,)), spec=WITH_EVALUATOR)
    assert (found.state, found.restarts) == ("running", 1)
    restarting = replaced(RUNNING, phase=Phase.RESTARTING, sides=(side,))
    assert row(pod, restarting, spec=WITH_EVALUATOR).state == "running", "whatever becomes of the gang"
    between = replaced(RUNNING, sides=(msgspec.structs.replace(side, uid=""),))
    assert row(pod, between, spec=WITH_EVALUATOR).state == "ready"


def test_a_pod_of_a_namesake_or_of_nobody_sits_nowhere() -> None:
    foreign = pod_of("worker-1", ownerReferences=[{"uid": "uid-of-the-job-before"}])
    unlabelled = pod_of("worker-0", labels={})
    assert {one.state for one in view(foreign, unlabelled).rows} == {"waiting"}


def test_a_job_that_this_version_cannot_read_has_no_replicas_and_its_message() -> None:
    seen = view(status=JobStatus(phase=Phase.FAILED, message="no"), spec={"strategy": "OfTheFuture"})
    assert (seen.rows, seen.info.title) == ((), "team/job")


def test_progress_is_the_jobs_and_the_time_left_is_counted_down_from_it() -> None:
    first = Progress(step=100, total_steps=400, loss="0.5", accuracy="0.75", update_time=later(10))
    second = msgspec.structs.replace(first, step=200, update_time=later(20))
    pace = fold_pace(fold_pace(Pace(), replaced(RUNNING, progress=first)), replaced(RUNNING, progress=second))
    seen = view(status=replaced(RUNNING, progress=second), pace=pace, seconds=25)
    assert (seen.progress.step, seen.metrics) == (200, {"loss": 0.5, "accuracy": 0.75})
    assert seen.eta_seconds == pytest.approx(15.0)
    assert view(status=replaced(RUNNING, progress=second), pace=pace, seconds=50).eta_seconds is None
    waiting = replaced(RUNNING, phase=Phase.RESTARTING, progress=second)
    assert view(status=waiting, pace=pace, seconds=25).eta_seconds is None


def test_what_is_no_number_is_left_out() -> None:
    for text in ("nan", "inf", "low"):
        seen = view(status=replaced(RUNNING, progress=Progress(step=1, loss=text, accuracy="0.5")))
        assert seen.metrics == {"accuracy": 0.5}


def test_a_new_attempt_has_no_speed_yet_and_the_same_progress_makes_none() -> None:
    first = replaced(RUNNING, progress=Progress(step=100, update_time=later(10)))
    second = replaced(RUNNING, progress=Progress(step=110, update_time=later(20)))
    pace = fold_pace(fold_pace(Pace(), first), second)
    assert pace.step_seconds == pytest.approx(1.0)
    assert fold_pace(pace, second) == pace
    assert fold_pace(pace, replaced(second, attempt=build_attempt(2))).step_seconds is None
    stuck = replaced(RUNNING, progress=Progress(step=110, update_time=later(30)))
    assert fold_pace(pace, stuck).step_seconds is None


def test_what_keeps_it_from_starting_is_said() -> None:
    assert view(status=JobStatus()).obstacle == "no controller has looked at the job yet"
    said = condition(ConditionType.WAITING, "WaitingForReplicas", "the attempt waits for worker-1", 12)
    assert view(status=JobStatus(conditions=(said,))).obstacle == "the attempt waits for worker-1"
    over = condition(ConditionType.WAITING, "AttemptStarting", "attempt 1 starts", 13, status=False)
    assert view(status=JobStatus(conditions=(over,))).obstacle == ""


def test_the_frame_of_a_job_on_a_cluster() -> None:
    status = replaced(
        RUNNING,
        attempt=build_attempt(2),
        attempts=(build_ended(1, steps_lost=14),),
        restarts=1,
        steps_lost=14,
        progress=Progress(step=210, total_steps=420, loss="0.0821", update_time=later(60)),
    )
    pods = [
        pod_of("chief-0"),
        pod_of("worker-0", node="node-b"),
        pod_of("worker-1", waits("ContainerCreating")),
    ]
    lines = [line.plain for line in render_frame(view(*pods, status=status), 120, 24, Glyphs())]
    assert lines[0] == (
        "team/job  Running  attempt 2  1:05  (restarted 1×: worker-1 was killed by SIGKILL, 14 steps lost)"
    )
    assert lines[1].endswith("210/420 steps  50 %   loss 0.082")
    assert lines[2:] == [
        "chief-0   running   on node-a",
        "worker-0  running   on node-b",
        "worker-1  creating  on node-a  restarted 1×",
    ]


def test_the_frame_of_a_job_that_was_suspended_from_the_start() -> None:
    said = condition(ConditionType.SUSPENDED, "JobSuspended", "the job was suspended", 1)
    status = JobStatus(phase=Phase.SUSPENDED, message="the job was suspended", conditions=(said,))
    lines = [line.plain for line in render_frame(view(status=status), 80, 24, Glyphs())]
    assert lines[:2] == ["team/job  Suspended  1:05", "the job was suspended"]


def test_the_summary_of_a_success() -> None:
    progress = Progress(step=420, total_steps=420, loss="0.042", accuracy="0.987", update_time=later(70))
    status = JobStatus(phase=Phase.SUCCEEDED, progress=progress, completion_time=later(72))
    found = cluster_view.summary_of(info_of(document()), status, REACH, later(90))
    assert (found.exit_code, found.result, found.step) == (0, "succeeded", 420)
    assert render_summary(found).splitlines() == [
        "team/job succeeded after 1:12   accuracy 0.987   loss 0.042",
        "",
        "next:",
        "  tfo logs job -n team",
    ]


def test_the_summary_of_a_failure_has_its_cause_and_what_is_left() -> None:
    cause: EndedAttempt = msgspec.structs.replace(build_ended(1), last_lines=("Traceback", "ValueError: no"))
    status = JobStatus(
        phase=Phase.FAILED,
        reason="BackoffLimitExceeded",
        message="worker-1 was killed by SIGKILL; no restart left",
        failure=cause,
        attempts=(cause,),
        progress=Progress(step=300),
        checkpoint=CheckpointStatus(200, later(50)),
        completion_time=later(72),
    )
    found = cluster_view.summary_of(info_of(document()), status, REACH, later(90))
    assert (found.exit_code, found.result) == (1, "failed")
    assert render_summary(found).splitlines() == [
        "team/job failed after 1:12   step 300, saved at 200",
        "",
        "BackoffLimitExceeded: worker-1 was killed by SIGKILL; no restart left",
        "last lines of worker-1, attempt 1:",
        "  Traceback",
        "  ValueError: no",
        "",
        "next:",
        "  tfo describe job -n team",
        "  tfo logs job -n team",
    ]


def test_no_logs_are_promised_where_all_pods_go() -> None:
    status = JobStatus(phase=Phase.SUCCEEDED, completion_time=later(72))
    info = info_of(document(spec={"runPolicy": {"cleanPodPolicy": "All"}}))
    assert cluster_view.summary_of(info, status, REACH, later(90)).next == ()


def test_the_summary_of_a_job_that_was_deleted_blames_nobody() -> None:
    status = replaced(
        RUNNING, message="attempt 1 is running", reason="JobRunning", progress=Progress(step=30)
    )
    found = cluster_view.summary_of_deleted(info_of(document()), status, later(90))
    assert found.exit_code == 1
    assert render_summary(found).splitlines() == [
        "team/job cancelled after 1:30   step 30",
        "",
        "the job was deleted before it had ended",
    ]


def test_of_a_job_whose_end_nobody_saw_no_end_is_told() -> None:
    found = cluster_view.summary_of_missed(info_of(document()), RUNNING, later(90))
    assert (found.exit_code, found.result, found.next) == (1, "gone", ())
    assert render_summary(found).splitlines() == [
        "team/job gone after 1:30",
        "",
        "the job is gone; whether it had ended before was not seen",
    ]
