"""Another number of workers while the attempt goes on without some of them: who has to stop, and who need not."""

from orchestrator.api.status import Cause, Phase
from orchestrator.api.types import RunPolicy
from tests.simulation.jobs import gang, make_job, scaled
from tests.simulation.programs import Script
from tests.simulation.test_bad_histories import causes
from tests.simulation.world import World

LONG = Script(steps=400, save_every=1000)


def world_without(name: str, workers: int) -> World:
    """An elastic job whose attempt goes on without this worker, for whom there is no room."""
    job = make_job(gang(workers, least=1), run_policy=RunPolicy(backoff_limit=0))
    world = World(job, LONG, nodes=workers + 1)
    world.advance(8)
    node = world.node_of(name)
    world.cluster.lose_node(node)
    for one in world.cluster.nodes.values():
        one.is_full = True
    world.cluster.announce_loss(node)
    world.advance(1)
    world.cluster.restore_node(node)
    world.wait_until(lambda: 2 in world.ledger.records)
    assert name not in members(world, 2)
    world.advance(8)
    return world


def make_room(world: World) -> None:
    empty = next(one for one in world.cluster.nodes.values() if not one.uids)
    empty.is_full = False
    world.cluster.restore_node(empty.name)


def members(world: World, number: int) -> list[str]:
    return [one.name for one in world.ledger.records[number].members]


def test_a_member_that_has_to_go_saves_first_though_another_worker_is_missing() -> None:
    """It is asked to stop with all others, not killed: nothing is lost and no restart counted."""
    world = world_without("worker-1", 4)
    world.backend.edit(world.key, lambda spec: scaled(spec, 3))
    world.wait_until(lambda: 3 in world.ledger.records)
    assert causes(world.status) == [(Cause.NODE_LOST, "worker-1"), (Cause.RESIZE, "")]
    assert world.status.attempts[-1].steps_lost == 0
    assert members(world, 3) == ["chief-0", "worker-0", "worker-2"]
    status = world.finish()
    assert (status.phase, status.restarts, status.resizes) == (Phase.SUCCEEDED, 0, 1)


def test_giving_up_a_worker_that_was_left_out_stops_nobody() -> None:
    world = world_without("worker-2", 3)
    world.backend.edit(world.key, lambda spec: scaled(spec, 2))
    world.advance(5)
    assert [one.name for one in world.cluster.replicas(world.key)] == ["chief-0", "worker-0", "worker-1"]
    status = world.status
    assert (status.ready, status.resizes, status.phase) == ("3/3", 0, Phase.RUNNING)
    assert status.attempt is not None
    assert (status.attempt.number, status.attempt.workers) == (2, 2)
    status = world.finish()
    assert (status.phase, causes(status)) == (Phase.SUCCEEDED, [(Cause.NODE_LOST, "worker-2")])


def test_a_worker_that_was_given_up_and_is_wanted_again_is_taken_in_as_soon_as_it_is_ready() -> None:
    world = world_without("worker-2", 3)
    world.backend.edit(world.key, lambda spec: scaled(spec, 2))
    world.advance(5)
    world.backend.edit(world.key, lambda spec: scaled(spec, 3))
    world.advance(60)
    assert world.status.resizes == 0, "there is no room for it yet"
    make_room(world)
    world.wait_until(lambda: 3 in world.ledger.records, limit=15)
    assert "worker-2" in members(world, 3)
    assert world.finish().resizes == 1
