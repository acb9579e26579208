"""What is told of a job on a cluster: from two states of its status, each thing once and in order."""

import msgspec
import pytest

from orchestrator.api.status import (
    Cause,
    Condition,
    ConditionType,
    EndedAttempt,
    Halted,
    JobStatus,
    Phase,
    Side,
)
from orchestrator.api.types import Role
from orchestrator.cli.cluster_news import news
from orchestrator.core.actions import Event, EventType, Reason
from tests.contract.full_status import FULL_STATUS
from tests.fixtures.scripted_cluster import condition
from tests.fixtures.training_reports import build_attempt, build_job, later, replaced

SPEC = build_job().spec
CREATED = condition(ConditionType.CREATED, "JobCreated", "the job was accepted", 0)
NOTHING = JobStatus()
ACCEPTED = JobStatus(conditions=(CREATED,))


def running(number: int, seconds: float) -> Condition:
    return condition(ConditionType.RUNNING, "JobRunning", f"attempt {number} is running", seconds)


def restarting(seconds: float, reason: str = "JobRestarting", message: str = "worker-1 ended") -> Condition:
    return condition(ConditionType.RESTARTING, reason, message, seconds)


def ended(number: int, seconds: float, cause: Cause = Cause.PROGRAM_EXIT, **more: object) -> EndedAttempt:
    found = EndedAttempt(
        number, cause, later(seconds - 5), later(seconds), "worker-1", message=f"end {number}"
    )
    return msgspec.structs.replace(found, **more)


def opened(number: int, seconds: float, **changes: object) -> JobStatus:
    attempt = msgspec.structs.replace(build_attempt(number), start_time=later(seconds))
    return replaced(ACCEPTED, attempt=attempt, **changes)


def told(before: JobStatus, after: JobStatus) -> list[tuple[str, str]]:
    return [(one.event.reason.value, one.event.message) for one in news(before, after, SPEC, later(100))]


def only(before: JobStatus, after: JobStatus) -> Event:
    [found] = news(before, after, SPEC, later(100))
    return found.event


def test_the_first_steps_of_a_job() -> None:
    starting = opened(1, 2)
    going = replaced(starting, phase=Phase.RUNNING, conditions=(CREATED, running(1, 4)))
    assert told(NOTHING, ACCEPTED) == [("JobCreated", "the job was accepted")]
    assert told(ACCEPTED, starting) == [("AttemptStarting", "attempt 1 starts with 3 replicas")]
    assert told(starting, going) == [("JobRunning", "attempt 1 is running")]
    assert told(going, going) == []


def test_an_end_of_an_attempt_is_told_with_all_that_is_known_of_it() -> None:
    before = opened(1, 2)
    end = ended(1, 20, exit_code=3, last_lines=("Traceback",))
    after = replaced(ACCEPTED, phase=Phase.RESTARTING, attempts=(end,), conditions=(CREATED, restarting(20)))
    event = only(before, after)
    assert (event.type, event.reason, event.message) == (EventType.WARNING, Reason.MEMBER_LOST, "end 1")
    assert (event.attempt, event.member, event.cause) == (1, "worker-1", Cause.PROGRAM_EXIT)
    assert (event.exit_code, event.last_lines) == (3, ("Traceback",))


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (Cause.RESIZE, Reason.RESIZED),
        (Cause.SUSPEND, Reason.SUSPENDED),
        (Cause.EVICTED, Reason.MEMBER_LOST),
    ],
)
def test_only_what_nobody_has_asked_for_is_a_warning(cause: Cause, reason: Reason) -> None:
    event = only(opened(1, 2), replaced(ACCEPTED, attempts=(ended(1, 20, cause),)))
    is_asked_for = cause is not Cause.EVICTED
    assert event.reason is reason
    assert event.type is (EventType.NORMAL if is_asked_for else EventType.WARNING)
    assert event.member == ("" if is_asked_for else "worker-1")


def test_what_happened_while_nobody_looked_is_told_in_the_order_of_time() -> None:
    before = replaced(opened(1, 2), phase=Phase.RUNNING, conditions=(CREATED, running(1, 4)))
    after = replaced(
        opened(3, 40),
        phase=Phase.RUNNING,
        attempts=(ended(1, 20), ended(2, 30)),
        conditions=(CREATED, running(3, 45)),
    )
    assert told(before, after) == [
        ("MemberLost", "end 1"),
        ("MemberLost", "end 2"),
        ("AttemptStarting", "attempt 3 starts with 3 replicas"),
        ("JobRunning", "attempt 3 is running"),
    ]


def test_ends_that_have_left_the_record_are_not_told_again() -> None:
    before = replaced(ACCEPTED, attempts=(ended(1, 10), ended(2, 20)))
    after = replaced(ACCEPTED, attempts=(ended(2, 20), ended(3, 30)))
    assert told(before, after) == [("MemberLost", "end 3")]


def test_a_suspension_is_told_once_and_so_is_going_on() -> None:
    suspended = condition(ConditionType.SUSPENDED, "JobSuspended", "the job was suspended", 20)
    end = replaced(ACCEPTED, attempts=(ended(1, 20, Cause.SUSPEND),))
    after = replaced(end, phase=Phase.SUSPENDED, conditions=(CREATED, suspended))
    assert told(opened(1, 2), after) == [("JobSuspended", "end 1")]
    from_the_start = replaced(ACCEPTED, phase=Phase.SUSPENDED, conditions=(CREATED, suspended))
    assert told(ACCEPTED, from_the_start) == [("JobSuspended", "the job was suspended")]
    resumed = restarting(30, "JobResumed", "the job was resumed")
    assert told(after, replaced(end, conditions=(CREATED, resumed))) == [
        ("JobResumed", "the job was resumed")
    ]


def test_what_is_waited_for_is_told_once_for_each_reason() -> None:
    first = condition(ConditionType.WAITING, "WaitingForReplicas", "waits for worker-0, worker-1", 12)
    fewer = condition(ConditionType.WAITING, "WaitingForReplicas", "waits for worker-1", 12)
    other = condition(ConditionType.WAITING, "CreateRefused", "a quota", 12)
    before, after = (replaced(ACCEPTED, conditions=(CREATED, one)) for one in (first, fewer))
    event = only(ACCEPTED, before)
    assert (event.type, event.message, event.attempt) == (EventType.WARNING, first.message, 1)
    assert told(before, after) == []
    assert told(after, replaced(ACCEPTED, conditions=(CREATED, other))) == [("CreateRefused", "a quota")]


def test_a_failure_names_who_is_to_blame() -> None:
    failed = condition(ConditionType.FAILED, "BackoffLimitExceeded", "end 1; no restart left", 20)
    after = replaced(
        ACCEPTED,
        phase=Phase.FAILED,
        attempts=(ended(1, 20),),
        failure=ended(1, 20, exit_code=3),
        conditions=(CREATED, failed),
    )
    first, second = news(opened(1, 2), after, SPEC, later(100))
    assert first.event.reason is Reason.MEMBER_LOST
    assert (second.event.reason, second.event.type) == (Reason.BACKOFF_LIMIT, EventType.WARNING)
    assert (second.event.member, second.event.exit_code) == ("worker-1", 3)


def test_success_comes_last() -> None:
    done = condition(ConditionType.SUCCEEDED, "JobSucceeded", "the job has succeeded", 50)
    after = replaced(opened(1, 2), phase=Phase.SUCCEEDED, conditions=(CREATED, running(1, 4), done))
    assert [reason for reason, _ in told(NOTHING, after)] == [
        "JobCreated",
        "AttemptStarting",
        "JobRunning",
        "JobSucceeded",
    ]


def test_a_reason_of_a_newer_controller_is_told_in_its_words() -> None:
    strange = condition(ConditionType.FAILED, "BrokenByMoonlight", "the moon", 20)
    event = only(ACCEPTED, replaced(ACCEPTED, phase=Phase.FAILED, conditions=(CREATED, strange)))
    assert (event.reason, event.message) == (Reason.INVALID, "the moon")


def test_a_program_in_job_control_stop_is_told_once() -> None:
    before = opened(1, 2)
    assert before.attempt is not None
    halted = msgspec.structs.replace(before.attempt, halted=(Halted("worker-1", later(30)),))
    after = replaced(before, attempt=halted)
    [(reason, message)] = told(before, after)
    assert (reason, message.partition(" (")[0]) == (
        "ReplicaStopped",
        "the program of worker-1 is stopped by a signal",
    )
    assert told(after, after) == []


def evaluator(**changes: object) -> JobStatus:
    side = Side(role=Role.EVALUATOR, index=0, uid="a", run=1)
    return replaced(ACCEPTED, sides=(msgspec.structs.replace(side, **changes),))


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        (
            {"cause": Cause.PROGRAM_EXIT, "exit_code": 3},
            "Warning",
            "evaluator-0 exited with code 3; it restarts alone",
        ),
        (
            {"cause": Cause.PROGRAM_EXIT, "exit_code": 0},
            "Normal",
            "evaluator-0 exited with code 0; it restarts alone",
        ),
        ({"cause": Cause.PROGRAM_SIGNAL}, "Warning", "evaluator-0 was killed by a signal; it restarts alone"),
        ({"cause": Cause.EVICTED}, "Warning", "evaluator-0 was evicted; it restarts alone"),
    ],
)
def test_a_replica_outside_the_gang_restarts_alone(
    changes: dict[str, object], kind: str, message: str
) -> None:
    before, after = evaluator(), evaluator(restarts=1, run=2, **changes)
    event = only(before, after)
    assert (event.reason, event.type, event.message) == (Reason.SIDE_RESTART, kind, message)
    assert event.member == "evaluator-0"
    assert told(after, replaced(after, restarts=7)) == []


def test_an_evaluator_that_is_over_is_told() -> None:
    before = evaluator()
    after = evaluator(cause=Cause.PROGRAM_EXIT, exit_code=2, over=True)
    assert told(before, after) == [
        ("RestartPolicyForbids", "evaluator-0 exited with code 2; its restartPolicy forbids another start")
    ]


def test_whatever_a_status_holds_can_be_told() -> None:
    assert len(told(NOTHING, FULL_STATUS)) > 2
    assert told(FULL_STATUS, FULL_STATUS) == []
