"""The contract of `backends.base.Backend`: one suite that every backend passes.

To add a backend, write `<name>_harness.py` beside this file: a class with the members of `harness.Harness` over a
world in which `harness.CONTRACT_JOB` is stored and nothing has been created, and how to open it; then add a line to
`WORLDS`, with the mark of whatever it starts.
No test may ask which backend it runs on: what one backend cannot promise is no part of the contract.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Attempt, JobStatus
from orchestrator.api.types import Role
from orchestrator.backends.base import Conflict, Rejected, View
from orchestrator.core import membership, names
from orchestrator.core.actions import CreateReplica, CreateService, DeleteReplica
from orchestrator.core.observed import Replica, ReplicaPhase
from tests.contract.full_status import FULL_STATUS, find_defaults
from tests.contract.harness import CONTRACT_JOB, Harness
from tests.contract.kubernetes_harness import open_kubernetes
from tests.contract.local_harness import open_local
from tests.contract.memory_harness import open_memory

Open = Callable[[Path, pytest.FixtureRequest], Awaitable[Harness]]


async def _memory(folder: Path, request: pytest.FixtureRequest) -> Harness:
    return await open_memory(folder)


async def _local(folder: Path, request: pytest.FixtureRequest) -> Harness:
    return await open_local(folder)


async def _kubernetes(folder: Path, request: pytest.FixtureRequest) -> Harness:
    return await open_kubernetes(request.getfixturevalue("cluster"), request.getfixturevalue("namespace"))


WORLDS = (
    pytest.param(_memory, id="memory"),
    pytest.param(_local, id="local", marks=pytest.mark.process),
    pytest.param(_kubernetes, id="kubernetes", marks=pytest.mark.cluster),
)

CHIEF = CreateReplica(role=Role.CHIEF, index=0, attempt=1)
WORKER = CreateReplica(role=Role.WORKER, index=2, attempt=1)
_NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
SERVICE = names.service(CONTRACT_JOB.metadata.name)


@pytest.fixture(params=WORLDS)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Harness]:
    opened: Open = request.param
    harness = await opened(tmp_path, request)
    try:
        yield harness
    finally:
        await harness.close()


async def see(world: Harness) -> View:
    view = await world.backend.observe(world.key)
    assert view is not None
    assert not isinstance(view, Rejected)
    return view


async def create(world: Harness, action: CreateReplica = CHIEF) -> Replica:
    """Create one replica more and wait until it runs."""
    before = {one.uid for one in (await see(world)).replicas}
    await world.backend.perform(world.key, (action,))
    await world.settle()
    (new,) = [one for one in (await see(world)).replicas if one.uid not in before]
    return new


async def delete(world: Harness, replica: Replica, uid: str = "") -> None:
    action = DeleteReplica(role=replica.role, index=replica.index, uid=uid or replica.uid)
    await world.backend.perform(world.key, (action,))
    await world.settle()


# --- observe


async def test_of_a_job_that_is_not_there_nothing_is_seen_written_or_done(world: Harness) -> None:
    nobody, before = "default/nobody-made-this", await see(world)
    assert await world.backend.observe(nobody) is None
    with pytest.raises(Conflict):
        await world.backend.write_status(nobody, FULL_STATUS, before.version)
    await world.backend.perform(nobody, (CHIEF,))
    await world.settle()
    after = await see(world)
    assert (after.status, after.version, after.replicas) == (before.status, before.version, ())


async def test_a_new_job_has_nothing(world: Harness) -> None:
    view = await see(world)
    assert view.job.spec == CONTRACT_JOB.spec
    assert view.job.metadata.name == CONTRACT_JOB.metadata.name
    assert view.job.metadata.uid
    assert view.status == JobStatus()
    assert view.version
    assert view.replicas == ()
    assert view.services == ()


async def test_looking_changes_nothing(world: Harness) -> None:
    await create(world)
    first, second = await see(world), await see(world)
    assert (first.version, first.replicas, first.ports) == (second.version, second.replicas, second.ports)


async def test_replicas_come_in_the_order_of_seats(world: Harness) -> None:
    seats = [(Role.EVALUATOR, 0), (Role.WORKER, 10), (Role.CHIEF, 0), (Role.WORKER, 2)]
    for role, index in seats:
        await world.backend.perform(world.key, (CreateReplica(role=role, index=index, attempt=1),))
    await world.settle()
    found = [(one.role, one.index) for one in (await see(world)).replicas]
    assert found == [seat for seat in membership.seats(CONTRACT_JOB.spec) if seat in seats]


# --- creating


async def test_a_create_makes_one_replica_in_its_seat(world: Harness) -> None:
    await create(world, replace(WORKER, attempt=3))
    (found,) = (await see(world)).replicas
    assert (found.role, found.index, found.attempt) == (Role.WORKER, 2, 3)
    assert found.phase is ReplicaPhase.RUNNING
    assert found.uid
    assert (found.deleting, found.disruption, found.error) == (False, None, "")
    assert (found.exit_code, found.signal) == (None, None)


async def test_a_repeated_create_changes_nothing(world: Harness) -> None:
    made = await create(world)
    await asyncio.gather(*(world.backend.perform(world.key, (CHIEF,)) for _ in range(3)))
    await world.backend.perform(world.key, (replace(CHIEF, attempt=2),))
    await world.settle()
    assert (await see(world)).replicas == (made,)


async def test_creates_at_the_same_time_make_one_replica(world: Harness) -> None:
    await asyncio.gather(*(world.backend.perform(world.key, (CHIEF,)) for _ in range(3)))
    assert len((await see(world)).replicas) == 1
    await world.settle()
    assert len((await see(world)).replicas) == 1


# --- deleting


async def test_a_delete_ends_that_replica_only(world: Harness) -> None:
    chief, worker = await create(world), await create(world, WORKER)
    await delete(world, chief)
    assert (await see(world)).replicas == (worker,)


async def test_a_delete_of_another_uid_changes_nothing(world: Harness) -> None:
    made = await create(world)
    await delete(world, made, uid="of-a-namesake")
    assert (await see(world)).replicas == (made,)


async def test_a_repeated_delete_is_harmless(world: Harness) -> None:
    made = await create(world)
    action = DeleteReplica(role=made.role, index=made.index, uid=made.uid)
    await asyncio.gather(*(world.backend.perform(world.key, (action,)) for _ in range(2)))
    await world.settle()
    await delete(world, made)
    assert (await see(world)).replicas == ()


async def test_the_next_in_a_seat_is_somebody_else_whom_an_old_delete_spares(world: Harness) -> None:
    old = await create(world)
    await delete(world, old)
    new = await create(world, replace(CHIEF, attempt=2))
    assert new.uid != old.uid
    assert new.attempt == 2
    await delete(world, old)
    assert (await see(world)).replicas == (new,)


async def test_a_seat_never_holds_two(world: Harness) -> None:
    """A create may come while the predecessor is still going: it waits for its turn or is lost, but never doubles."""
    old = await create(world)
    action = DeleteReplica(role=old.role, index=old.index, uid=old.uid, grace_seconds=1)
    deleting = asyncio.ensure_future(world.backend.perform(world.key, (action,)))
    for _ in range(5):
        await asyncio.sleep(0)
        await world.backend.perform(world.key, (CHIEF,))
        assert len((await see(world)).replicas) <= 1
    await deleting
    await world.settle()
    left = (await see(world)).replicas
    assert len(left) <= 1
    assert old.uid not in {one.uid for one in left}


# --- ends that nobody here asked for


async def test_a_killed_replica_is_failed_with_its_signal(world: Harness) -> None:
    chief, worker = await create(world), await create(world, WORKER)
    await world.kill(worker)
    spared, dead = (await see(world)).replicas
    assert spared == chief
    assert (dead.uid, dead.attempt, dead.phase) == (worker.uid, 1, ReplicaPhase.FAILED)
    assert (dead.signal, dead.exit_code) == (9, None)
    assert dead.since is not None
    assert dead.since.tzinfo is not None


@pytest.mark.parametrize(("exit_code", "phase"), [(0, ReplicaPhase.SUCCEEDED), (3, ReplicaPhase.FAILED)])
async def test_a_finished_replica_is_terminal_with_its_exit_code(
    world: Harness, exit_code: int, phase: ReplicaPhase
) -> None:
    await world.finish(await create(world), exit_code)
    (ended,) = (await see(world)).replicas
    assert (ended.phase, ended.exit_code, ended.signal) == (phase, exit_code, None)
    assert ended.since is not None


async def test_a_dead_replica_keeps_its_seat_until_it_is_deleted(world: Harness) -> None:
    await world.kill(await create(world))
    (dead,) = (await see(world)).replicas
    await world.backend.perform(world.key, (replace(CHIEF, attempt=2),))
    await world.settle()
    assert (await see(world)).replicas == (dead,)
    await delete(world, dead)
    assert (await see(world)).replicas == ()
    assert (await create(world)).uid != dead.uid


# --- services


async def test_a_service_is_there_once_it_has_been_created(world: Harness) -> None:
    for _ in range(2):
        await world.backend.perform(world.key, (CreateService(name=SERVICE),))
        await world.settle()
        assert (await see(world)).services == (SERVICE,)


# --- status


def test_the_full_status_leaves_nothing_at_its_default() -> None:
    assert list(find_defaults(FULL_STATUS)) == []


async def test_a_status_is_stored_whole_under_a_new_version(world: Harness) -> None:
    before = await see(world)
    version = await world.backend.write_status(world.key, FULL_STATUS, before.version)
    view = await see(world)
    assert view.status == await world.stored() == FULL_STATUS
    assert view.version == version != before.version
    assert view.job == before.job


async def test_a_status_can_be_written_again_and_emptied(world: Harness) -> None:
    version = await world.backend.write_status(world.key, FULL_STATUS, (await see(world)).version)
    await world.backend.write_status(world.key, JobStatus(), version)
    assert (await see(world)).status == await world.stored() == JobStatus()


async def test_an_old_version_is_a_conflict_and_writes_nothing(world: Harness) -> None:
    old = (await see(world)).version
    new = await world.backend.write_status(world.key, FULL_STATUS, old)
    for stale in (old, "of-nobody", ""):
        with pytest.raises(Conflict):
            await world.backend.write_status(world.key, JobStatus(), stale)
    view = await see(world)
    assert view.status == await world.stored() == FULL_STATUS
    assert view.version == new


async def test_of_two_writers_one_wins(world: Harness) -> None:
    version = (await see(world)).version
    writes = [JobStatus(message=name) for name in ("first", "second")]
    results = await asyncio.gather(
        *(world.backend.write_status(world.key, one, version) for one in writes), return_exceptions=True
    )
    (winner,) = [one for one, result in zip(writes, results, strict=True) if isinstance(result, str)]
    assert sum(isinstance(result, Conflict) for result in results) == 1
    assert await world.stored() == winner


# --- ports


async def record(world: Harness, attempt: int) -> dict[str, int]:
    """Open this attempt in the status; its ports."""
    view = await see(world)
    opened = Attempt(number=attempt, members=(), start_time=_NOON)
    await world.backend.write_status(world.key, JobStatus(attempt=opened), view.version)
    return dict((await see(world)).ports)


async def test_ports_are_one_for_each_member_and_stay_for_an_attempt(world: Harness) -> None:
    offered = dict((await see(world)).ports)
    members = {names.member(*seat) for seat in membership.seats(CONTRACT_JOB.spec)}
    assert not offered or set(offered) == members
    assert len(set(offered.values())) == len(offered)
    assert await record(world, 1) == offered


async def test_ports_of_an_attempt_are_none_of_the_one_before(world: Harness) -> None:
    """A process left from the attempt before must not be able to talk to this one."""
    last = set((await record(world, 1)).values())
    for attempt in range(2, 6):
        ports = set((await record(world, attempt)).values())
        assert not ports & last
        last = ports
