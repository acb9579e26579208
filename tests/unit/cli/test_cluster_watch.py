"""`tfo submit --watch` on a server that answers as it is told: what is shown, through everything that networks do."""

import json

import msgspec
import pytest

from orchestrator.api.status import Cause, ConditionType, EndedAttempt, JobStatus, Phase, Progress
from orchestrator.backends.kubernetes.api import ApiError, Unreachable
from tests.fixtures.scripted_api import CUT, page
from tests.fixtures.scripted_cluster import JOB, JOBS, PODS, ScriptedCluster, condition, document, pod_of
from tests.fixtures.scripted_cluster import scripted as scripted
from tests.fixtures.training_reports import build_attempt, later, replaced

WATCH = ("submit", "cnn", "--name", "job", "--workers", "2", "-n", "team", "--watch", "--output")
CREATED = condition(ConditionType.CREATED, "JobCreated", "the job was accepted", 0)
RUNNING = condition(ConditionType.RUNNING, "JobRunning", "attempt 1 is running", 4)
AGAIN = condition(ConditionType.RUNNING, "JobRunning", "attempt 2 is running", 24)
DONE = condition(ConditionType.SUCCEEDED, "JobSucceeded", "the job has succeeded", 72)
GONE = {"code": 410, "reason": "Expired", "message": "too old resource version"}
ACCEPTED = JobStatus(conditions=(CREATED,))
STARTED = replaced(
    ACCEPTED, phase=Phase.RUNNING, attempt=build_attempt(), conditions=(CREATED, RUNNING), start_time=later(0)
)
STEPPED = replaced(STARTED, progress=Progress(step=100, total_steps=400, loss="0.5", update_time=later(20)))
ENDED = EndedAttempt(
    1, Cause.PROGRAM_EXIT, later(0), later(20), "worker-1", 3, message="worker-1 exited with code 3"
)
RESTARTED = replaced(
    STARTED,
    attempt=msgspec.structs.replace(build_attempt(2), start_time=later(22)),
    attempts=(ENDED,),
    restarts=1,
    conditions=(CREATED, AGAIN),
)
SUCCEEDED = replaced(
    STEPPED,
    phase=Phase.SUCCEEDED,
    attempts=(ENDED,),
    restarts=1,
    conditions=(CREATED, AGAIN, DONE),
    completion_time=later(72),
)


def changes(*states: JobStatus) -> list[tuple[str, object]]:
    return [("MODIFIED", document(2 + number, status)) for number, status in enumerate(states)]


def watch(scripted: ScriptedCluster, output: str = "plain") -> tuple[int, list[str], str]:
    """Exit code; output without times of day; errors."""
    scripted.answer("POST", JOBS, document())
    scripted.script(PODS)  # open, and silent
    code, out, err = scripted.tfo(*WATCH, output)
    return code, [line[10:] if line[2:3] == ":" else line for line in out.splitlines()], err


def test_a_job_is_told_to_its_end_and_summed_up(scripted: ScriptedCluster) -> None:
    scripted.script(JOBS, *changes(ACCEPTED, STARTED, STEPPED, SUCCEEDED))
    code, lines, err = watch(scripted)
    assert lines == [
        "team/job created",
        "the job was accepted",
        "attempt 1 starts with 3 replicas",
        "attempt 1 is running",
        "100/400 steps (25 %)  loss 0.500",
        "warning: worker-1 exited with code 3",
        "attempt 2 is running",
        "the job has succeeded",
        "",
        "team/job succeeded after 1:12   loss 0.500   1 restart (worker-1 exited with code 3)",
        "",
        "next:",
        "  tfo logs job -n team",
    ]
    assert (code, err) == (0, "")


def test_a_failure_is_exit_code_1_and_says_where_to_look(scripted: ScriptedCluster) -> None:
    failed = condition(ConditionType.FAILED, "BackoffLimitExceeded", "no restart left", 20)
    status = replaced(ACCEPTED, phase=Phase.FAILED, reason="BackoffLimitExceeded", message="no restart left")
    scripted.script(JOBS, *changes(replaced(status, conditions=(CREATED, failed), completion_time=later(20))))
    code, lines, _ = watch(scripted)
    assert code == 1
    assert "warning: no restart left" in lines
    assert lines[lines.index("") + 1 :] == [
        "team/job failed after 0:20",
        "",
        "BackoffLimitExceeded: no restart left",
        "",
        "next:",
        "  tfo describe job -n team",
        "  tfo logs job -n team",
    ]


def test_programs_get_json_alone(scripted: ScriptedCluster) -> None:
    scripted.script(JOBS, *changes(ACCEPTED, STARTED, STEPPED, SUCCEEDED))
    code, lines, err = watch(scripted, "json")
    events = [json.loads(line) for line in lines]
    assert [one["event"] for one in events] == [
        "note",
        "jobCreated",
        "attemptStarting",
        "jobRunning",
        "progress",
        "memberLost",
        "jobRunning",
        "jobSucceeded",
        "summary",
    ]
    assert all((one["job"], one["namespace"]) == ("job", "team") for one in events)
    assert not any("number" in one for one in events[:-1]), "a job on a cluster has no number"
    assert (events[5]["member"], events[5]["exitCode"]) == ("worker-1", 3)
    assert (events[-1]["result"], events[-1]["exitCode"], events[-1]["paths"]) == ("succeeded", 0, {})
    assert (code, err) == (0, "")


def test_a_job_that_somebody_deletes_has_not_succeeded(scripted: ScriptedCluster) -> None:
    scripted.script(JOBS, *changes(STARTED), ("DELETED", document(9, STARTED)))
    code, lines, _ = watch(scripted)
    assert (code, lines[-1]) == (1, "the job was deleted before it had ended")


def test_after_an_expired_watch_nothing_is_told_twice_and_nothing_is_left_out(
    scripted: ScriptedCluster,
) -> None:
    scripted.script(JOBS, *changes(STARTED), ("ERROR", GONE), *changes(SUCCEEDED))
    scripted.answer("GET", JOB, document(8, RESTARTED))
    code, lines, _ = watch(scripted)
    assert code == 0
    assert lines[: lines.index("")] == [
        "team/job created",
        "the job was accepted",
        "attempt 1 starts with 3 replicas",
        "attempt 1 is running",
        "warning: worker-1 exited with code 3",
        "attempt 2 starts with 3 replicas",
        "attempt 2 is running",
        "100/400 steps (25 %)  loss 0.500",
        "the job has succeeded",
    ], "its last progress comes before its end"
    assert [dict(one.query)["resourceVersion"] for one in scripted.watched if one.path == JOBS] == ["1", "8"]


def test_a_server_that_is_away_for_a_while_is_waited_for_and_that_is_said(scripted: ScriptedCluster) -> None:
    away, busy = Unreachable("no route to host"), ApiError(503, "ServiceUnavailable", "not well")
    scripted.script(JOBS, *changes(STARTED), CUT, *changes(SUCCEEDED))
    scripted.answer("GET", JOB, away, busy, away, document(8, STARTED))
    code, lines, err = watch(scripted)
    assert (code, err) == (0, "")
    lost = "the API server does not answer (no route to host); what is shown is how it was"
    at = lines.index(lost)
    assert lines[at : at + 2] == [lost, "the API server answers again"]
    assert lines.count(lost) == 1


def test_a_watch_that_ends_or_breaks_for_a_moment_is_no_news(scripted: ScriptedCluster) -> None:
    busy = ApiError(429, "TooManyRequests", "storage is (re)initializing")
    scripted.script(JOBS, *changes(STARTED), None, CUT, busy, *changes(SUCCEEDED))
    scripted.answer("GET", JOB, document(8, STARTED))
    code, lines, _ = watch(scripted)
    assert code == 0
    assert not any("API server" in line for line in lines)


def test_a_namesake_that_came_meanwhile_is_another_job(scripted: ScriptedCluster) -> None:
    scripted.script(JOBS, *changes(STARTED), CUT)
    scripted.answer("GET", JOB, document(8, SUCCEEDED, uid="another"))
    code, lines, _ = watch(scripted)
    assert (code, lines[-1]) == (1, "the job is gone; whether it had ended before was not seen")


def test_a_job_that_went_while_nothing_was_heard_may_have_ended_before(scripted: ScriptedCluster) -> None:
    """As with a ttlSecondsAfterFinished shorter than the sleep of a notebook."""
    scripted.script(JOBS, *changes(STEPPED), CUT)
    scripted.answer("GET", JOB, Unreachable("no route to host"), ApiError(404, "NotFound", "no"))
    code, lines, _ = watch(scripted)
    assert code == 1
    assert lines[lines.index("") + 1 :] == [
        "team/job gone after 0:05   loss 0.500   step 100",
        "",
        "the job is gone; whether it had ended before was not seen",
    ]


def test_who_may_not_watch_is_told_so(scripted: ScriptedCluster) -> None:
    scripted.refuse_watch(ApiError(403, "Forbidden", "you may not watch tensorflowjobs"))
    code, _, err = watch(scripted)
    assert (code, err) == (2, "tfo: the API server: you may not watch tensorflowjobs\n")


def test_who_may_not_see_pods_sees_the_job(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", PODS, ApiError(403, "Forbidden", "you may not list pods"))
    scripted.script(JOBS, None, None, None, *changes(SUCCEEDED))
    code, lines, _ = watch(scripted)
    assert code == 0
    assert lines.count("its pods cannot be seen: you may not list pods") == 1


def test_a_job_that_nobody_takes_up_is_said_to_be_so(
    scripted: ScriptedCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.script(JOBS, None, None, None, *changes(SUCCEEDED))
    monkeypatch.setattr("orchestrator.cli.cluster_watch.utc_now", lambda: later(16))
    _, lines, _ = watch(scripted)
    assert lines.count("no controller has looked at the job yet; does tfo-controller run?") == 1


def test_commands_that_are_printed_find_the_same_cluster(scripted: ScriptedCluster) -> None:
    scripted.answer("POST", JOBS, document())
    scripted.script(PODS)
    scripted.script(JOBS, *changes(SUCCEEDED))
    _, out, _ = scripted.tfo(*WATCH, "plain", "--context", "my context", "--kubeconfig", "k")
    assert out.splitlines()[-1] == "  tfo logs job -n team --context 'my context' --kubeconfig k"


def test_pods_are_watched_by_the_jobs_label(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", PODS, page(7, pod_of("chief-0")))
    scripted.script(JOBS, None, None, *changes(SUCCEEDED))
    watch(scripted)
    [listed] = scripted.requests("GET", PODS)
    assert dict(listed.query)["labelSelector"] == "tf-orchestrator.io/job-name=job"
