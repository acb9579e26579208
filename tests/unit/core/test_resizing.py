"""Other numbers of workers while an attempt is open, and places that had been left out."""

from msgspec.structs import replace

from orchestrator.api.status import Cause, CheckpointStatus
from orchestrator.api.types import Strategy
from orchestrator.core.actions import CreateReplica, DeleteReplica, Reason
from orchestrator.core.observed import ReplicaPhase
from orchestrator.protocol.messages import ProgramState, SaveAndStop, Stop
from tests.simulation.jobs import gang, make_job
from tests.unit.core.build import World, with_workers, world_of


def test_more_workers_are_got_ready_before_the_attempt_is_stopped() -> None:
    world = world_of(1)
    world.job = with_workers(world.job, 2)
    decision = world.step()
    assert [type(one) for one in decision.actions] == [CreateReplica]
    assert world.opened().stopping is None
    world.carry_out(decision)
    world.tell("worker-1", connected=False)
    assert world.step().requeue_after == 1.0
    assert world.opened().stopping is None
    world.tell("worker-1", connected=True)
    assert world.order(world.step(), "worker-0") == SaveAndStop(1, 30.0)
    world.go()
    assert (world.status.resizes, world.status.restarts) == (1, 0)
    assert len(world.opened().members) == 3
    assert Reason.RESIZED in world.reasons()


def test_fewer_workers() -> None:
    world = world_of(2)
    world.job = with_workers(world.job, 1)
    world.go()
    assert [one.name for one in world.opened().members] == ["chief-0", "worker-0"]
    assert "worker-1" not in world.pods


def test_a_member_whose_seat_is_gone_stops_with_all_others_though_a_worker_is_missing() -> None:
    world = elastic(3)
    world.job = with_workers(world.job, 2, least=1)
    decision = world.step()
    orders = {world.order(decision, name) for name in ("chief-0", "worker-0", "worker-2")}
    assert (decision.actions, orders) == ((), {SaveAndStop(1, 30.0)})


def test_a_worker_that_was_left_out_and_is_given_up_stops_nobody() -> None:
    world = elastic()
    world.create("worker-1")
    world.job = with_workers(world.job, 1, least=1)
    decision = world.step()
    assert [one.uid for one in decision.actions if isinstance(one, DeleteReplica)] == ["worker-1.1"]
    assert (world.opened().stopping, world.opened().workers, world.status.ready) == (None, 1, "2/2")
    world.carry_out(decision)
    world.job = with_workers(world.job, 2, least=1)
    world.carry_out(world.step())
    world.step()
    wish = world.opened().stopping
    assert wish is not None
    assert wish.cause is Cause.RESIZE


def elastic(workers: int = 2) -> World:
    """Worker 1 was left out."""
    world = World(make_job(gang(workers, least=1)))
    world.services = ("job-tfo",)
    for name in ("chief-0", "worker-0", "worker-2")[:workers]:
        world.create(name)
    world.step()
    for _ in range(3):
        world.obedient = True
        decision = world.step(60 if world.status.attempt is None else 0)
        world.carry_out(replace(decision, actions=()))
    assert len(world.opened().members) == workers
    return world


def test_a_left_out_place_is_filled_and_kept_quiet() -> None:
    world = elastic()
    decision = world.step()
    assert [type(one) for one in decision.actions] == [CreateReplica]
    world.carry_out(decision)
    assert world.order(world.step(), "worker-1") == Stop(1, 0.0)


def test_growing_back_waits_for_a_checkpoint_and_ten_minutes() -> None:
    world = elastic()
    world.create("worker-1")
    world.step(700)
    assert world.opened().stopping is None
    world.tell("chief-0", checkpoint_step=5)
    world.step()
    wish = world.opened().stopping
    assert wish is not None
    assert wish.cause is Cause.RESIZE


def test_growing_back_is_allowed_from_the_tenth_minute_on() -> None:
    world = elastic()
    world.create("worker-1")
    begun = world.opened().start_time
    world.tell("chief-0", checkpoint_step=5)
    world.step(600 - (world.now - begun).total_seconds())
    assert world.opened().stopping is not None


def test_growing_back_happens_at_most_once_in_ten_minutes() -> None:
    world = elastic()
    world.create("worker-1")
    world.tell("chief-0", checkpoint_step=5)
    world.step(500)
    assert world.opened().stopping is None
    assert world.status.checkpoint == CheckpointStatus(5, world.now)
    world.step(200)
    assert world.opened().stopping is None


def test_replicas_that_are_alone_need_no_resize() -> None:
    job = make_job(gang(1, chief=False), strategy=Strategy.INDEPENDENT)
    world = World(job).running()
    world.job = replace(job, spec=replace(job.spec, replica_specs=gang(2, chief=False)))
    world.go()
    assert (world.opened().number, world.status.resizes) == (1, 0)
    assert world.state("worker-1") is ProgramState.RUNNING


def test_a_spare_agent_that_dies_at_its_start_is_tried_once_a_minute() -> None:
    world = elastic()
    world.carry_out(world.step())
    world.set("worker-1", phase=ReplicaPhase.FAILED, exit_code=1, since=world.now)
    world.tell("worker-1", connected=False)
    assert world.step(59).actions == ()
    assert [type(one) for one in world.step(1).actions] == [DeleteReplica]
    assert world.status.attempts == ()
