"""`tfo describe` and `tfo events`: the story of a job in a page, from what the server has."""

from typing import Any

from orchestrator.api.status import CheckpointStatus, ConditionType, JobStatus, Phase, Progress
from orchestrator.api.types import JsonObject
from orchestrator.cli.cluster_describe import describe
from tests.fixtures.scripted_api import page
from tests.fixtures.scripted_cluster import (
    EVENTS,
    JOB,
    PODS,
    ScriptedCluster,
    condition,
    document,
    moment,
    pod_of,
)
from tests.fixtures.scripted_cluster import scripted as scripted
from tests.fixtures.training_reports import build_attempt, build_ended, later

RESTARTED = JobStatus(
    phase=Phase.RUNNING,
    message="attempt 2 is running",
    restarts=1,
    attempt=build_attempt(2, restore_step=20),
    attempts=(build_ended(1),),
    conditions=(condition(ConditionType.RUNNING, "JobRunning", "attempt 2 is running", 60),),
    progress=Progress(step=40, total_steps=200, loss="0.5", examples_per_second=1234.5),
    checkpoint=CheckpointStatus(20, later(5)),
)


def event(reason: str, message: str, seconds: float | None, **more: Any) -> JsonObject:
    times = {} if seconds is None else {"lastTimestamp": moment(seconds)}
    return {"type": "Normal", "reason": reason, "message": message, **times, **more}


def story(job: JsonObject, *pods: JsonObject, events: tuple[JsonObject, ...] = ()) -> list[str]:
    return list(describe(job, list(pods), list(events), later(600)))


def test_the_whole_story_in_a_page() -> None:
    lines = story(
        document(status=RESTARTED),
        pod_of("chief-0"),
        pod_of("worker-1", {"phase": "Pending"}, node=""),
        events=(event("JobRunning", "attempt 1 is running", 10),),
    )
    assert lines == [
        "team/job: Running, attempt 2 is running",
        "  cnn, MultiWorkerMirrored, 1 chief + 2 worker, 10m old",
        "  restarts 1, disruptions 0, resizes 0",
        "  step 40/200, loss 0.5, examples/s 1234, checkpoint 20",
        "Conditions:",
        "  TYPE      STATUS   SINCE   REASON       MESSAGE",
        "  Running   True     9m      JobRunning   attempt 2 is running",
        "Attempts:",
        "  NUMBER   CAUSE           MEMBER      FROM STEP   MESSAGE",
        "  1        ProgramSignal   worker-1    0           worker-1 was killed by SIGKILL",
        "  2        open            3 members   20",
        "Pods:",
        "  NAME           PHASE     NODE     AGE",
        "  job-chief-0    Running   node-a   9m",
        "  job-worker-1   Pending   -        9m",
        "Events:",
        "  AGE   TYPE     REASON       MESSAGE",
        "  9m    Normal   JobRunning   attempt 1 is running",
    ]


def test_of_a_job_that_nobody_has_seen_only_what_is_asked_for_is_told() -> None:
    job = document(spec={"workload": None})
    assert story(job) == [
        "team/job: Created",
        "  own program, MultiWorkerMirrored, 1 chief + 2 worker, 10m old",
        "  restarts 0, disruptions 0, resizes 0",
    ]


def test_progress_without_a_known_end() -> None:
    lines = story(document(status=JobStatus(progress=Progress(step=40, epoch=2))))
    assert lines[3] == "  step 40, epoch 2"


def test_events_are_those_of_this_very_job_oldest_first(scripted: ScriptedCluster) -> None:
    newer = event("JobRunning", "attempt 1 is running", 20)
    older = event("JobCreated", "the job was accepted", None, eventTime="2026-11-23T12:00:05.000000Z")
    scripted.answer("GET", EVENTS, page(1, newer, older))
    code, out, _ = scripted.tfo("events", "job")
    assert (code, [line.split()[2] for line in out.splitlines()]) == (
        0,
        ["REASON", "JobCreated", "JobRunning"],
    )
    [request] = scripted.requests("GET", EVENTS)
    assert dict(request.query)["fieldSelector"] == "involvedObject.uid=uid-job"


def test_a_job_without_events_has_an_empty_story(scripted: ScriptedCluster) -> None:
    assert scripted.tfo("events", "job") == (0, "", "")


def test_describe_asks_for_the_jobs_pods(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOB, document(status=RESTARTED))
    scripted.answer("GET", PODS, page(1, pod_of("chief-0")))
    code, out, _ = scripted.tfo("describe", "job")
    assert (code, "job-chief-0" in out) == (0, True)
    [request] = scripted.requests("GET", PODS)
    assert dict(request.query)["labelSelector"] == "tf-orchestrator.io/job-name=job"


def test_a_status_of_another_version_is_refused_and_no_traceback(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOB, document(status={"phase": "Dreaming"}))
    code, _, err = scripted.tfo("describe", "job")
    assert (code, "the status of job was written by another version" in err) == (2, True)
