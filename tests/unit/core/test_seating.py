"""A seat whose replica will never be confirmed gone: its node is lost."""

from orchestrator.api.status import Cause
from orchestrator.core.actions import DeleteReplica
from orchestrator.core.observed import Disruption
from tests.unit.core.build import World


def deletes(world: World, seconds: float) -> list[DeleteReplica]:
    return [one for one in world.step(seconds).actions if isinstance(one, DeleteReplica)]


def test_a_replica_on_a_lost_node_is_removed_by_force_once_nobody_can_confirm_its_end() -> None:
    world = World().running()
    world.cut("worker-1")
    world.set("worker-1", deleting=True, foreign_deletion=True, disruption=Disruption.NODE_LOST)
    world.step()
    assert world.causes() == [(Cause.NODE_LOST, "worker-1")]
    assert deletes(world, 10) == []
    world.set("worker-1", orphaned=True)
    (found,) = deletes(world, 30)
    assert (found.role, found.index, found.force) == ("worker", 1, True)


def test_its_job_can_end_meanwhile() -> None:
    world = World().running()
    world.exit("chief-0", 0)
    world.step()
    world.set("worker-1", deleting=True, disruption=Disruption.NODE_LOST, orphaned=True)
    assert [one.force for one in deletes(world, 60) if one.index == 1] == [True]
