"""Conditions, counts, progress and checkpoint of the next status."""

from datetime import datetime

import pytest
from msgspec.structs import replace

from orchestrator.api.status import CheckpointStatus, Condition, ConditionType, JobStatus, Phase, Progress
from orchestrator.core import status
from orchestrator.core.actions import Reason
from orchestrator.core.observed import ReplicaPhase
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import ProgramState
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job
from tests.unit.core.build import NOW, agent, attempt, later, replica, turn


def complete(turn: Turn, found: JobStatus) -> JobStatus:
    """With the conditions that stood there before."""
    return status.complete(turn, found, turn.seen.status.conditions)


def enter(before: JobStatus, phase: Phase, reason: Reason, now: datetime = NOW) -> JobStatus:
    return status.enter(before, phase, reason, "words", now)


def truths(of: JobStatus) -> dict[str, bool]:
    return {one.type.value: one.status for one in of.conditions}


def test_a_life_in_conditions() -> None:
    created = enter(JobStatus(), Phase.CREATED, Reason.CREATED)
    running = enter(created, Phase.RUNNING, Reason.RUNNING)
    assert truths(running) == {"Created": True, "Running": True}
    restarting = enter(running, Phase.RESTARTING, Reason.RESTARTING)
    assert truths(restarting) == {"Created": True, "Running": False, "Restarting": True}
    again = enter(restarting, Phase.RUNNING, Reason.RUNNING)
    done = enter(again, Phase.SUCCEEDED, Reason.SUCCEEDED, later(5))
    assert truths(done) == {"Created": True, "Running": False, "Restarting": False, "Succeeded": True}
    assert (running.completion_time, done.completion_time) == (None, later(5))
    assert (done.phase, done.reason, done.message) == (Phase.SUCCEEDED, "JobSucceeded", "words")


@pytest.mark.parametrize("phase", [one for one in Phase if one is not Phase.LOST])
def test_every_phase_that_is_written_makes_one_condition_true(phase: Phase) -> None:
    assert list(truths(enter(JobStatus(), phase, Reason.WAITING)).values()) == [True]


def condition(kind: ConditionType, message: str = "", value: bool = True, at: float = 0) -> Condition:
    return Condition(kind, value, "R", message, later(at))


def test_the_transition_time_changes_only_with_the_status() -> None:
    before = (condition(ConditionType.RUNNING), condition(ConditionType.CREATED))
    same = status.with_condition(before, condition(ConditionType.RUNNING, at=9))
    assert same is before
    reworded = status.with_condition(before, condition(ConditionType.RUNNING, "new", at=9))
    assert [one.type for one in reworded] == [ConditionType.CREATED, ConditionType.RUNNING]
    assert (reworded[-1].message, reworded[-1].last_transition_time) == ("new", NOW)
    turned = status.with_condition(before, condition(ConditionType.RUNNING, value=False, at=9))
    assert turned[-1].last_transition_time == later(9)


def test_counts_per_role() -> None:
    pods = (
        replica("chief-0"),
        replica("worker-0", phase=ReplicaPhase.PENDING),
        replica("worker-1", phase=ReplicaPhase.FAILED),
        replica("worker-2", deleting=True),
        replica("worker-3"),
    )
    agents = (agent("chief-0"), agent("worker-2"), agent("worker-3", connected=False))
    found = complete(turn(make_job(gang(4)), replicas=pods, agents=agents), JobStatus())
    worker = found.replica_statuses["worker"]
    assert (worker.desired, worker.ready, worker.active, worker.failed, worker.succeeded) == (4, 0, 2, 1, 0)
    assert found.ready == "1/5"
    assert (found.observed_generation, found.selector) == (1, "tf-orchestrator.io/job-name=job")


def test_without_agents_a_running_pod_is_ready() -> None:
    here = turn(make_job(recovery=WITHOUT_AGENTS), replicas=(replica("chief-0"),))
    assert complete(here, JobStatus()).ready == "1/3"


def test_a_job_without_a_generation() -> None:
    job = make_job()
    job = replace(job, metadata=replace(job.metadata, generation=None))
    assert complete(turn(job), JobStatus()).observed_generation == 0


def test_a_condition_names_the_generation_that_it_was_set_for() -> None:
    job = make_job()
    later_job = replace(job, metadata=replace(job.metadata, generation=7))
    created = complete(turn(job), enter(JobStatus(), Phase.CREATED, Reason.CREATED))
    running = enter(created, Phase.RUNNING, Reason.RUNNING)
    found = complete(turn(later_job, status=created), running)
    assert {one.type.value: one.observed_generation for one in found.conditions} == {
        "Created": 1,
        "Running": 7,
    }


# --- progress


def progress(step: int, at: float, rate: float | None = None) -> Progress:
    return Progress(step=step, examples_per_second=rate, update_time=later(at))


def written(recorded: Progress, newest: Progress, seconds: float, after: JobStatus | None = None) -> Progress:
    before = JobStatus(progress=recorded)
    here = turn(status=before, progress=newest, seconds=seconds)
    return complete(here, after or before).progress


def test_the_first_progress_is_written_at_once() -> None:
    assert written(Progress(), progress(1, at=0), seconds=0).step == 1


def test_progress_alone_is_written_at_most_every_ten_seconds() -> None:
    old = progress(1, at=0)
    assert written(old, progress(9, at=9.9), seconds=9.9) is old
    assert written(old, progress(10, at=10), seconds=10).step == 10


def test_where_a_write_costs_little_progress_alone_is_written_more_often() -> None:
    before = JobStatus(progress=progress(1, at=0))
    for seconds, step in ((0.9, 1), (1.0, 9)):
        here = turn(status=before, progress=progress(9, at=0.9), progress_seconds=1.0, seconds=seconds)
        assert complete(here, before).progress.step == step


@pytest.mark.parametrize("total_steps", [None, 28, 900])
def test_what_is_reported_after_the_end_is_written_at_once(total_steps: int | None) -> None:
    """The chief may have ended before its peers have told of their last steps, which need not be the planned ones."""
    old = progress(27, at=0)
    new = replace(progress(28, at=1), total_steps=total_steps)
    before = JobStatus(progress=old, phase=Phase.SUCCEEDED)
    still_there = (
        agent("worker-0", state=ProgramState.RUNNING),
        agent("worker-1", state=ProgramState.EXITED),
    )
    here = turn(status=before, progress=new, seconds=1, agents=still_there)
    assert complete(here, before).progress is old, "a job of many members writes no status for each report"
    here = turn(status=before, progress=new, seconds=1, agents=still_there[1:])
    assert complete(here, before).progress is new


def test_a_sinking_rate_is_no_progress() -> None:
    old = progress(1, at=0, rate=100.0)
    assert written(old, progress(1, at=0, rate=3.0), seconds=60) is old
    assert written(old, Progress(), seconds=60) is old


def test_a_turn_of_events_takes_the_newest_progress_along() -> None:
    old, new = progress(1, at=0), progress(5, at=2)
    assert written(old, new, 2, JobStatus(progress=old, phase=Phase.RUNNING)) is new
    assert written(old, new, 2, JobStatus(progress=old, attempt=attempt("chief-0"))) is new


# --- checkpoint


def checkpoint(seen: int | None, recorded: int | None) -> CheckpointStatus | None:
    before = JobStatus(checkpoint=None if recorded is None else CheckpointStatus(recorded, NOW))
    here = turn(
        status=before,
        replicas=(replica("chief-0"),),
        agents=(agent("chief-0", checkpoint_step=seen),),
        seconds=5,
    )
    return complete(here, before).checkpoint


@pytest.mark.parametrize(
    ("seen", "recorded", "step", "at"),
    [(4, None, 4, 5), (4, 2, 4, 5), (2, 4, 4, 0), (4, 4, 4, 0), (None, 4, 4, 0)],
)
def test_the_recorded_checkpoint_never_decreases(
    seen: int | None, recorded: int | None, step: int, at: float
) -> None:
    assert checkpoint(seen, recorded) == CheckpointStatus(step, later(at))


def test_no_checkpoint_is_none() -> None:
    assert checkpoint(None, None) is None
