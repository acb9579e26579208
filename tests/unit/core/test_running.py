"""An open attempt: started once, watched for hangs, slow starts, announced ends and resizes."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Cause, Phase
from orchestrator.api.types import Recovery, SuccessPolicy
from orchestrator.core.actions import CreateReplica, DeleteReplica, Reason
from orchestrator.core.observed import Disruption, ReplicaPhase
from orchestrator.protocol.messages import ProgramState, Run, SaveAndStop, Stop
from tests.simulation.jobs import WITHOUT_AGENTS, make_job
from tests.unit.core.build import World, with_workers, world_of


def steps(world: World, step: int = 1, silence: float = 0.0) -> None:
    """Everybody has done this step, so long ago."""
    for name in world.agents:
        world.tell(name, step=step, seconds_since_step=silence, reported=True)


def test_a_running_attempt_is_left_alone() -> None:
    world = world_of()
    decision = world.step()
    assert (decision.actions, decision.wanted, decision.events) == ((), (), ())
    assert world.reasons() == [Reason.CREATED, Reason.STARTING, Reason.RUNNING]


def test_running_is_when_every_program_lives() -> None:
    world = world_of()
    world.status = replace(world.status, phase=Phase.RESTARTING)
    world.tell("worker-1", attempt=0, state=ProgramState.IDLE)
    decision = world.step()
    assert world.phase() is Phase.RESTARTING
    assert isinstance(world.order(decision, "worker-1"), Run)
    assert world.order(decision, "worker-0") is None


def test_an_agent_that_still_runs_an_older_program_ends_it_first() -> None:
    world = world_of()
    world.tell("worker-1", attempt=0, state=ProgramState.RUNNING)
    assert world.order(world.step(), "worker-1") == Stop(0, 0.0)


def test_the_loss_is_recorded_and_survivors_killed_before_the_cause_is_sure() -> None:
    world = world_of()
    world.exit("worker-0")
    decision = world.step()
    assert world.opened().broken_since == world.now
    assert {world.order(decision, name) for name in world.pods} == {Stop(1, 0.0)}
    assert decision.requeue_after == 0.5
    first = world.now
    world.step(0.2)
    assert world.opened().broken_since == first
    world.step(0.3)
    assert world.causes() == [(Cause.PROGRAM_EXIT, "worker-0")]
    assert (world.status.restarts, world.status.phase) == (1, Phase.RESTARTING)


# --- hangs


def test_no_step_for_the_whole_time_is_a_hang_of_the_most_silent() -> None:
    world = world_of(hang_timeout_seconds=60)
    steps(world, silence=59)
    assert world.step().requeue_after == 1
    steps(world, silence=60)
    world.tell("worker-1", seconds_since_step=61.0)
    world.step()
    assert world.causes() == [(Cause.HANG, "worker-1")]


def test_a_halted_program_is_the_one_that_hangs() -> None:
    world = world_of(hang_timeout_seconds=60)
    steps(world, silence=60)
    world.tell("worker-0", stopped=True)
    world.step()
    assert world.causes() == [(Cause.HANG, "worker-0")]


def test_nobody_hangs_while_somebody_is_busy() -> None:
    world = world_of(hang_timeout_seconds=60)
    steps(world, silence=100)
    world.tell("worker-1", busy="saving")
    assert world.step().requeue_after == 1.0
    assert world.status.attempts == ()


@pytest.mark.parametrize("facts", [{"step": None}, {"step": 1, "seconds_since_step": None}])
def test_the_first_step_arms_the_hang(facts: dict[str, object]) -> None:
    world = world_of(hang_timeout_seconds=60, start_timeout_seconds=0)
    steps(world, silence=0)
    world.tell("worker-1", **{"seconds_since_step": 999.0, **facts})
    world.step(10_000)
    assert world.status.attempts == ()


def test_a_hang_timeout_of_0_is_off() -> None:
    world = world_of(hang_timeout_seconds=0)
    steps(world, silence=10_000_000)
    assert world.step(10_000).requeue_after is None
    assert world.status.attempts == ()


# --- slow starts


def test_no_first_step_in_time() -> None:
    world = world_of(start_timeout_seconds=60)
    world.tell("worker-1", reported=True)
    assert world.step(59).requeue_after == 1
    world.step(1)
    assert world.causes() == [(Cause.START_TIMEOUT, "worker-1")]


def test_a_program_that_is_not_even_alive_in_time() -> None:
    world = world_of(start_timeout_seconds=60)
    world.tell("worker-1", attempt=0, state=ProgramState.IDLE)
    world.step(60)
    assert world.causes() == [(Cause.START_TIMEOUT, "worker-1")]


def test_a_program_that_reports_nothing_has_started_when_it_lives() -> None:
    world = world_of(start_timeout_seconds=60)
    world.step(600)
    assert world.status.attempts == ()


def test_a_start_timeout_of_0_is_off() -> None:
    world = world_of(start_timeout_seconds=0)
    world.tell("worker-1", attempt=0, state=ProgramState.IDLE)
    world.step(10_000)
    assert world.status.attempts == ()


def test_a_new_leader_starts_the_start_timeout_anew() -> None:
    world = world_of(start_timeout_seconds=60)
    world.tell("worker-1", attempt=0, state=ProgramState.IDLE)
    world.step(40)
    world.others["leader_since"] = world.now
    world.step(59)
    assert world.status.attempts == ()
    world.step(1)
    assert world.causes() == [(Cause.START_TIMEOUT, "worker-1")]


def begun_without_worker_1(**recovery: object) -> World:
    """It became unreachable between the record of the attempt and its Run; the others have started."""
    world = World(make_job(recovery=replace(Recovery(), **recovery)))
    world.obedient = False
    world.go()
    world.cut("worker-1")
    for name in ("chief-0", "worker-0"):
        world.tell(name, attempt=1, state=ProgramState.RUNNING)
    return world


def test_a_member_that_cannot_be_told_to_run_starts_too_late() -> None:
    world = begun_without_worker_1(start_timeout_seconds=60)
    assert world.step(59).requeue_after == 1
    world.step(1)
    assert world.causes() == [(Cause.START_TIMEOUT, "worker-1")]


def test_a_member_that_no_controller_has_ever_heard_of_starts_too_late() -> None:
    world = begun_without_worker_1(start_timeout_seconds=60)
    del world.agents["worker-1"]
    world.step(60)
    assert world.causes() == [(Cause.START_TIMEOUT, "worker-1")]


def test_an_unreachable_member_has_started_if_it_said_so_or_somebody_makes_steps() -> None:
    world = begun_without_worker_1(start_timeout_seconds=60)
    world.tell("worker-1", attempt=1, state=ProgramState.RUNNING)
    world.step(600)
    assert world.causes() == []
    world = begun_without_worker_1(start_timeout_seconds=60)
    world.tell("chief-0", reported=True, step=1)
    world.step(600)
    assert world.causes() == []


def test_a_member_that_a_new_leader_has_not_heard_has_started_if_the_attempt_was_running() -> None:
    world = world_of(start_timeout_seconds=60)
    del world.agents["worker-1"]
    world.step(600)
    assert world.causes() == []


def test_an_overdue_program_is_looked_at_until_it_reports() -> None:
    """Reports wake nobody: without a look nobody would see that it has come so late, and without a step."""
    world = world_of(start_timeout_seconds=60, hang_timeout_seconds=0)
    assert world.step(59).requeue_after == 1
    assert world.step(1).requeue_after == 60
    for name in world.agents:
        world.tell(name, reported=True, step=3)
    assert world.step(60).requeue_after is None


# --- announced ends


@pytest.mark.parametrize("facts", [{"disruption": Disruption.PREEMPTED}, {"foreign_deletion": True}])
def test_an_announced_end_lets_everybody_save(facts: dict[str, object]) -> None:
    world = world_of()
    world.set("worker-1", **facts)
    decision = world.step()
    assert {world.order(decision, name) for name in world.pods} == {SaveAndStop(1, 30.0)}
    assert world.status.attempts == ()
    world.go()
    assert [name for _, name in world.causes()] == ["worker-1"]
    assert (world.status.disruptions, world.status.restarts) == (1, 0)


# --- without agents


def test_a_bare_pod_whose_name_is_taken_is_not_made() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS), foreign=("job-worker-1",))
    world.services = ("job-tfo",)
    world.step()
    made = [one for one in world.step().actions if isinstance(one, CreateReplica)]
    assert [f"{one.role}-{one.index}" for one in made] == ["chief-0", "worker-0"]


def test_bare_pods_are_recorded_as_they_appear() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS)).running()
    assert [one.uid for one in world.opened().members] == ["chief-0.1", "worker-0.1", "worker-1.1"]
    assert world.step().requeue_after is None


def test_a_bare_pod_of_an_older_attempt_is_no_member() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS))
    world.services = ("job-tfo",)
    world.step()
    world.create("worker-1", 0)
    actions = world.step().actions
    assert [one.uid for one in world.opened().members] == ["", "", ""]
    assert [f"{one.role}-{one.index}" for one in actions if isinstance(one, CreateReplica)] == [
        "chief-0",
        "worker-0",
    ]


def test_bare_pods_are_resized_at_once() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS)).running()
    job = with_workers(world.job, 1)
    world.job = job
    decision = world.step()
    assert {type(one) for one in decision.actions} == {DeleteReplica}
    assert world.opened().stopping is not None


def test_a_bare_attempt_breaks_with_its_first_pod_and_ends_when_the_others_are_gone() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS)).running()
    world.exit("worker-1", 137)
    decision = world.step()
    assert [one.index for one in decision.actions if isinstance(one, DeleteReplica)] == [0, 0]
    assert (world.causes(), decision.requeue_after) == ([], 120)
    for name in ("chief-0", "worker-0"):
        world.lose(name)
    world.step()
    assert world.causes() == [(Cause.PROGRAM_SIGNAL, "worker-1")]
    world.go()
    assert {one.attempt for one in world.pods.values()} == {2}
    assert {one.phase for one in world.pods.values()} == {ReplicaPhase.RUNNING}


# --- members that have done their work


@pytest.mark.parametrize("recovery", [Recovery(), WITHOUT_AGENTS], ids=["agents", "bare"])
@pytest.mark.parametrize("policy", list(SuccessPolicy))
def test_a_finished_member_stays_finished_when_its_pod_is_deleted(
    recovery: Recovery, policy: SuccessPolicy
) -> None:
    """Asked for in Kubeflow's trainer#2453: completed workers came back after a drain."""
    world = World(make_job(recovery=recovery, success=policy)).running()
    world.exit("worker-0", 0)
    world.step()
    world.lose("worker-0")
    world.agents.pop("worker-0", None)
    world.go(30)
    assert (world.opened().number, world.status.replica_statuses["worker"].succeeded) == (1, 1)
    assert "worker-0" not in world.pods, "nobody takes its place"
    world.exit("worker-1", 0)
    world.exit("chief-0", 0)
    world.go()
    assert (world.phase(), world.status.attempts) == (Phase.SUCCEEDED, ())


def test_in_the_next_attempt_it_takes_part_again() -> None:
    world = World().running()
    world.exit("worker-0", 0)
    world.step()
    world.lose("worker-0")
    world.exit("chief-0", 1)
    world.go(30)
    assert (world.opened().number, [one.succeeded for one in world.opened().members]) == (2, [False] * 3)
    assert world.state("worker-0") is ProgramState.RUNNING


@pytest.mark.parametrize("name", ["chief-0", "worker-1"])
def test_a_pod_that_somebody_deletes_and_that_answers_with_exit_code_0_has_not_succeeded(name: str) -> None:
    """Seen only when it has ended already, as after a failover."""
    world = World(make_job(recovery=WITHOUT_AGENTS)).running()
    world.set(name, deleting=True, foreign_deletion=True)
    world.exit(name, 0)
    world.step()
    world.lose(name)
    world.go(30)
    assert (world.phase(), world.opened().number) == (Phase.RUNNING, 2)
    assert (world.status.restarts, world.status.disruptions) == (0, 1)
