"""One run of a replica outside the gang: who takes its seat, how its end is counted, when the next one starts."""

from datetime import timedelta

from msgspec.structs import replace

from orchestrator.api.status import Cause, Phase
from orchestrator.api.types import Recovery, ReplicaSpec, ReplicaSpecs, RestartPolicy
from orchestrator.core.actions import Decision, DeleteReplica, Reason
from orchestrator.core.observed import Disruption, ReplicaPhase
from orchestrator.protocol.messages import ProgramState, SaveAndStop, Stop
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job
from tests.unit.core.build import World
from tests.unit.core.test_sides import alone, deleted, served, side, watched

# --- taking a seat without agents


def test_a_bare_pod_of_an_older_run_goes_and_takes_no_seat() -> None:
    """Its end was written down, and the controller died before it deleted it."""
    world = alone(1, WITHOUT_AGENTS)
    world.exit("worker-0", 1)
    world.step()
    assert side(world, "worker-0").uid == ""
    assert deleted(world) == ["worker-0.1"]
    world.lose("worker-0")
    world.go()
    assert (side(world, "worker-0").uid, side(world, "worker-0").run) == ("worker-0.2", 2)


def test_a_bare_pod_that_others_end_before_it_was_seen_is_a_disruption() -> None:
    world = alone(1, WITHOUT_AGENTS)
    world.status = replace(world.status, sides=())
    world.set("worker-0", deleting=True, disruption=Disruption.PREEMPTED, phase=ReplicaPhase.FAILED)
    world.step()
    assert side(world, "worker-0").uid == "worker-0.1"
    world.step()
    assert (world.status.disruptions, world.status.restarts) == (1, 0)


# --- runs that end with the whole job


def test_a_success_just_before_a_suspension_stands() -> None:
    """It had not heard of the suspension yet."""
    world = alone()
    spec = world.job.spec
    world.job = replace(world.job, spec=replace(spec, run_policy=replace(spec.run_policy, suspend=True)))
    world.step()
    world.exit("worker-0", 0)
    world.exit("worker-1", None, signal=15, asked=True)
    world.step()
    assert [(one.uid, one.succeeded) for one in world.status.sides] == [("", True), ("", False)]
    world.job = replace(world.job, spec=spec)
    world.go()
    assert [one.run for one in world.status.sides] == [1, 2]
    assert (world.status.restarts, world.status.disruptions) == (0, 0)


# --- between two runs


def test_a_program_that_hangs_is_told_to_stop_until_it_does_though_its_next_start_has_to_wait() -> None:
    world = alone(recovery=Recovery(hang_timeout_seconds=60))
    for _ in range(2):
        world.go()
        world.tell("worker-1", step=3, seconds_since_step=60.0, reported=True)
        assert world.order(world.step(), "worker-1") == Stop(side(world, "worker-1").run, 0.0)
    assert world.order(world.step(), "worker-1") == Stop(2, 0.0)
    decision = world.go()
    assert world.state("worker-1") is ProgramState.EXITED
    assert (decision.requeue_after, world.order(decision, "worker-1")) == (1, None)


def test_a_replica_that_is_cut_before_it_has_started_is_replaced_and_not_counted() -> None:
    world = alone()
    world.exit("worker-1")
    world.step()
    world.step()
    world.cut("worker-1")
    assert (world.step(119.9).actions, world.status.sides[1].uid) == ((), "worker-1.1")
    decision = world.step(0.2)
    assert [one.uid for one in decision.actions if isinstance(one, DeleteReplica)] == ["worker-1.1"]
    world.carry_out(decision)
    world.go()
    found = side(world, "worker-1")
    assert (found.uid, found.run, found.restarts, world.status.restarts) == ("worker-1.2", 3, 1, 1)


def test_a_replica_that_is_cut_while_it_runs_is_left_alone() -> None:
    world = alone()
    world.cut("worker-1")
    assert world.step(5000).actions == ()
    assert side(world, "worker-1").uid == "worker-1.1"


# --- a slow start


def test_a_replica_that_reports_but_makes_no_first_step_did_not_start_in_time() -> None:
    world = alone(recovery=Recovery(start_timeout_seconds=60, hang_timeout_seconds=0))
    world.tell("worker-1", reported=True)
    assert world.step(59).requeue_after == 1
    world.step(1)
    assert (side(world, "worker-1").cause, side(world, "worker-0").cause) == (Cause.START_TIMEOUT, None)
    assert "no first step in 60 s" in world.events[-1].message
    assert world.status.restarts == 1


def test_a_replica_that_is_busy_with_something_else_than_its_first_step_is_not_late() -> None:
    for busy, restarts in (("evaluating", 0), ("unobserved", 0), ("compiling", 1), ("starting", 1)):
        world = alone(recovery=Recovery(start_timeout_seconds=60, hang_timeout_seconds=0))
        world.tell("worker-1", reported=True, busy=busy)
        world.step(60)
        assert (busy, side(world, "worker-1").restarts) == (busy, restarts)


def test_one_that_is_told_to_go_and_cannot_be_reached_is_looked_at_when_absence_means_something() -> None:
    world = alone(recovery=Recovery(start_timeout_seconds=0, hang_timeout_seconds=0))
    world.others["leader_since"] = world.now
    world.set("worker-1", disruption=Disruption.NODE_LOST, deleting=True)
    world.cut("worker-1")
    assert world.step(1).requeue_after == 59
    world.step(59)
    assert side(world, "worker-1").cause is Cause.NODE_LOST


def test_a_replica_that_does_not_start_its_program_did_not_start_in_time() -> None:
    world = alone(recovery=Recovery(start_timeout_seconds=60, hang_timeout_seconds=0))
    world.exit("worker-1")
    world.obedient = False
    world.go()
    assert world.go(1).requeue_after == 59
    world.step(59)
    found = side(world, "worker-1")
    assert (found.cause, found.restarts) == (Cause.START_TIMEOUT, 2)


def test_a_replica_that_waits_for_others_may_be_late_with_its_first_step_but_not_with_its_process() -> None:
    recovery = Recovery(start_timeout_seconds=60)
    for world, name in ((served(recovery=recovery), "worker-1"), (watched(recovery), "evaluator-0")):
        world.tell(name, reported=True)
        world.step(5000)
        assert side(world, name).restarts == 0
        world.exit(name)
        world.obedient = False
        world.go()
        world.step(60)
        assert (side(world, name).cause, side(world, name).restarts) == (Cause.START_TIMEOUT, 2)


def test_bare_replicas_have_no_start_timeout() -> None:
    world = alone(recovery=replace(WITHOUT_AGENTS, start_timeout_seconds=60))
    world.set("worker-1", phase=ReplicaPhase.PENDING)
    assert world.step(5000).requeue_after is None
    assert side(world, "worker-1").restarts == 0


def test_an_end_that_is_told_and_announced_is_waited_for() -> None:
    """Its agent has stopped the program because its pod has to go."""
    world = alone()
    world.set("worker-1", deleting=True, foreign_deletion=True)
    world.exit("worker-1", 143, asked=True)
    assert world.order(world.step(), "worker-1") is None
    assert world.step().requeue_after != 0
    world.lose("worker-1")
    world.step()
    assert (side(world, "worker-1").cause, world.status.disruptions) == (Cause.EVICTED, 1)


# --- progress


def _crash(world: World, name: str) -> float | None:
    """How long its next start waits."""
    world.exit(name)
    wait = world.step().requeue_after
    world.go(wait or 0)
    return wait


def test_a_higher_step_than_ever_before_makes_the_next_restart_immediate() -> None:
    world = alone()
    waits = []
    for step in (None, None, 7, 7, 8):
        world.tell("worker-1", step=step)
        waits.append(_crash(world, "worker-1"))
        world.status = replace(world.status, restarts=0)
    assert waits == [0, 1, 0, 1, 0]
    assert (side(world, "worker-1").step, side(world, "worker-1").restarts) == (8, 5)


def test_a_newer_checkpoint_than_it_restored_makes_the_next_restart_immediate() -> None:
    worlds = ((alone(), "worker-1", "worker-1"), (served(), "worker-1", "chief-0"))
    for world, name, saves in worlds:
        assert [_crash(world, name), _crash(world, name)] == [0, 1]
        world.tell(saves, checkpoint_step=10)
        assert [_crash(world, name)] == [0]
        assert side(world, name).restore_step == 10


def test_the_checkpoints_of_others_are_no_progress_of_an_evaluator() -> None:
    world = watched()
    assert [_crash(world, "evaluator-0"), _crash(world, "evaluator-0")] == [0, 1]
    world.tell("chief-0", checkpoint_step=10)
    assert _crash(world, "evaluator-0") == 2


def _preempt(world: World, name: str) -> None:
    """It is announced, and when it is gone its agent is forgotten."""
    world.set(name, deleting=True, disruption=Disruption.PREEMPTED)
    world.step()
    world.lose(name)
    del world.agents[name]
    world.go()


def test_disruptions_wait_for_nothing_and_progress_before_them_is_remembered() -> None:
    world = alone()
    for step in range(1, 9):
        world.tell("worker-1", step=step)
        _preempt(world, "worker-1")
    found = side(world, "worker-1")
    assert (found.run, found.step, found.disruptions_in_a_row, world.status.disruptions) == (9, 8, 0, 8)


def test_five_disruptions_in_a_row_without_progress_fail_the_job() -> None:
    world = alone()
    world.tell("worker-1", step=3)
    for _ in range(5):
        _preempt(world, "worker-1")
        assert world.phase() is Phase.RUNNING
    _preempt(world, "worker-1")
    assert (world.phase(), world.status.reason) == (Phase.FAILED, Reason.NO_PROGRESS)


def test_a_crash_in_between_breaks_the_row_of_disruptions() -> None:
    world = alone()
    world.tell("worker-1", step=3)
    for _ in range(2):
        for _ in range(4):
            _preempt(world, "worker-1")
        _crash(world, "worker-1")
    assert (world.phase(), side(world, "worker-1").disruptions_in_a_row) == (Phase.RUNNING, 0)


def test_disruptions_of_programs_that_say_nothing_of_their_progress_fail_nothing() -> None:
    world = alone()
    for _ in range(7):
        _preempt(world, "worker-1")
    assert (world.phase(), world.status.disruptions) == (Phase.RUNNING, 7)


def test_a_worker_of_parameter_servers_makes_no_progress_by_itself() -> None:
    world = served()
    world.tell("chief-0", checkpoint_step=10)
    _crash(world, "worker-1")
    for _ in range(7):
        _preempt(world, "worker-1")
    assert (world.phase(), world.status.disruptions) == (Phase.RUNNING, 7)


# --- replicas that are no longer wanted


def scaled(world: World, workers: int) -> None:
    world.job = replace(world.job, spec=replace(world.job.spec, replica_specs=gang(workers, chief=False)))


def gone(decision: Decision) -> list[tuple[str, int]]:
    return [(one.uid, one.grace_seconds) for one in decision.actions if isinstance(one, DeleteReplica)]


def test_a_replica_that_is_no_longer_wanted_saves_and_stops_before_it_is_deleted() -> None:
    world = alone()
    scaled(world, 1)
    for _ in range(2):
        decision = world.step()
        assert (gone(decision), world.order(decision, "worker-1")) == ([], SaveAndStop(1, 30.0))
    world.exit("worker-1", 143, asked=True)
    assert gone(world.step()) == [("worker-1.1", 30)]
    world.set("worker-1", deleting=True)
    assert world.step().actions == ()
    assert world.status.restarts == 0


def test_one_that_cannot_be_told_is_deleted_with_the_same_grace() -> None:
    cut, bare = alone(), alone(recovery=WITHOUT_AGENTS)
    cut.cut("worker-1")
    for world in (cut, bare):
        scaled(world, 1)
        assert gone(world.step()) == [("worker-1.1", 30)]


def test_one_that_is_wanted_again_may_finish_saving_before_its_next_run_but_is_not_waited_for_for_ever() -> (
    None
):
    world = alone()
    world.now += timedelta(hours=1)
    scaled(world, 1)
    world.step()
    scaled(world, 2)
    for seconds, order in ((29, SaveAndStop(1, 30.0)), (1, Stop(1, 0.0)), (119, Stop(1, 0.0))):
        decision = world.step(seconds)
        assert (decision.actions, world.order(decision, "worker-1")) == ((), order)
    assert gone(world.step(1)) == [("worker-1.1", 0)]


# --- the evaluator's restartPolicy


def evaluated(policy: RestartPolicy, recovery: Recovery | None = None) -> World:
    specs = ReplicaSpecs(chief=ReplicaSpec(), evaluator=ReplicaSpec(restart_policy=policy))
    return World(make_job(specs, recovery=recovery)).running()


def test_an_evaluator_that_is_over_is_not_started_again_whatever_becomes_of_its_replica() -> None:
    world = evaluated(RestartPolicy.NEVER)
    world.exit("evaluator-0")
    world.go()
    assert (side(world, "evaluator-0").over, world.state("evaluator-0")) == (True, ProgramState.EXITED)
    world.lose("evaluator-0")
    world.go()
    assert ("evaluator-0" in world.pods, world.status.restarts, world.status.disruptions) == (False, 0, 0)


def test_exit_code_forbids_an_evaluator_only_codes_of_its_own() -> None:
    for code, is_over in ((1, True), (137, False)):
        world = evaluated(RestartPolicy.EXIT_CODE)
        world.exit("evaluator-0", code)
        world.go()
        assert side(world, "evaluator-0").over is is_over


def test_an_evaluator_that_hangs_and_is_over_is_told_to_stop_until_it_does() -> None:
    world = evaluated(RestartPolicy.NEVER, Recovery(hang_timeout_seconds=60))
    world.tell("evaluator-0", stopped=True)
    world.step()
    for _ in range(2):
        assert world.order(world.step(60), "evaluator-0") == Stop(1, 0.0)
    world.go()
    assert (side(world, "evaluator-0").cause, world.state("evaluator-0")) == (Cause.HANG, ProgramState.EXITED)
