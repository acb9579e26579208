"""Histories in which a controller is replaced, stopped or away, each by name; numbers as in the design's list.

In the simulated world, as `test_bad_histories`. Agents find a new controller one after the other, each when it likes.
"""

from itertools import permutations

import pytest

from orchestrator.api.status import Cause, Phase
from orchestrator.core import names
from orchestrator.core.observed import Disruption
from orchestrator.protocol.messages import Stop, Wanted
from tests.simulation.jobs import gang, make_job, scaled
from tests.simulation.programs import Script
from tests.simulation.test_bad_histories import causes
from tests.simulation.world import World

SHORT = Script(steps=20)
LONG = Script(steps=2000, save_every=20)
GANG = ("chief-0", "worker-0", "worker-1")
ALMOST_SETTLED = 58
"""Within the time for which nobody's absence means anything to a new leader."""


def uids(world: World) -> list[str]:
    return [one.uid for one in world.cluster.replicas(world.key)]


def fill_all(world: World) -> None:
    for node in world.cluster.nodes.values():
        node.is_full = True


def lose_a_seat(world: World, name: str) -> None:
    """Its container is killed, and there is no room for another."""
    fill_all(world)
    world.kill_container(name)


def make_room(world: World) -> None:
    for name in list(world.cluster.nodes):
        world.make_room(name)


@pytest.mark.timeout(240)  # seconds, but a minute where other work shares the processors
def test_bad_history_06_controller_upgrade_with_1000_pods() -> None:
    """999 train and one came too late and waits. Agents come back one by one; until then nobody's absence matters."""
    slow = Script(step_seconds=60.0, start_seconds=5.0, save_every=1000)
    world = World(make_job(gang(1000, chief=False, least=900)), slow, nodes=50)
    world.advance(0.5)
    world.cluster.vanish(world.replica("worker-7").uid)
    fill_all(world)
    world.wait_until(lambda: world.status.phase is Phase.RUNNING)
    make_room(world)
    world.advance(125)
    assert (len(world.living), len(uids(world))) == (999, 1000)
    before = uids(world)
    leader = world.replace_controller(lambda uid: 0.5 + before.index(uid) % ALMOST_SETTLED)
    world.advance(62)
    status = world.status
    assert (status.phase, status.restarts, status.disruptions, status.attempts) == (Phase.RUNNING, 0, 0, ())
    assert (leader.performed, uids(world)) == ([], before)
    assert len(world.ledger.starts) == len(world.living) == 999


@pytest.mark.timeout(240)  # seconds, but a minute where other work shares the processors
def test_bad_history_06_upgrade_while_an_attempt_is_about_to_open() -> None:
    """Two have waited minutes for the third: to a new leader they are not stuck, only not back yet."""
    world = World(make_job(gang(3, chief=False)), SHORT)
    world.advance(8)
    lose_a_seat(world, "worker-2")
    world.advance(150)
    before = uids(world)
    world.replace_controller(lambda uid: ALMOST_SETTLED)
    world.advance(70)
    assert uids(world) == before
    make_room(world)
    status = world.finish()
    assert (status.phase, status.restarts, status.disruptions) == (Phase.SUCCEEDED, 1, 0)
    assert set(before[:2]) < set(world.ledger.starts.values())


@pytest.mark.timeout(240)  # seconds, but a minute where other work shares the processors
def test_bad_history_06_nobody_is_left_out_for_coming_back_late() -> None:
    world = World(make_job(gang(3, chief=False, least=1)), SHORT)
    world.advance(8)
    lose_a_seat(world, "worker-2")
    world.advance(40)
    late = world.replica("worker-1").uid
    world.replace_controller(lambda uid: ALMOST_SETTLED if uid == late else 0.1)
    world.wait_until(lambda: 2 in world.ledger.records)
    assert [one.name for one in world.ledger.records[2].members] == ["worker-0", "worker-1"]


@pytest.mark.timeout(240)  # seconds, but a minute where other work shares the processors
def test_bad_history_06_a_drain_right_after_the_upgrade_still_saves() -> None:
    """The agent of the drained pod is not back yet. That is no death: its peers are asked to save, not killed."""
    world = World(make_job(), Script(steps=60, save_every=50))
    world.advance(20)
    drained = world.replica("worker-1").uid
    world.replace_controller(lambda uid: 20.0 if uid == drained else 0.1)
    world.advance(1)
    world.cluster.disrupt(drained, Disruption.PREEMPTED)
    status = world.finish()
    assert causes(status) == [(Cause.PREEMPTED, "worker-1")]
    assert (status.phase, status.steps_lost, status.disruptions) == (Phase.SUCCEEDED, 0, 1)


def test_bad_history_08_an_old_leader_wakes_up() -> None:
    """Stopped for a minute in the middle of a turn: what it then writes conflicts, what it then says is refused."""
    world = World(make_job(), LONG)
    world.advance(8)
    old = world.controller
    assert old is not None
    world.program("worker-1").end(signal=9)
    world.advance(0.025)
    world.stop_controller()
    assert old.read_version, "it was about to write"
    world.wait_until(lambda: len(world.living) == 3 and {one.run for one in world.living} == {2})
    performed, told = list(old.performed), list(old.events)
    world.wake_stopped_controller()
    assert (old.performed, old.events) == (performed, told)
    for agent in world.agents.values():
        agent.hear(Wanted(world.job_uid, old.term, Stop(2, 0.0)))
    world.advance(5)
    assert len(world.living) == 3
    assert world.status.restarts == 1


def test_bad_history_08_an_order_of_an_old_leader_that_came_first() -> None:
    """It ended everything before the new leader was heard: our own doing, which costs no restart."""
    world = World(make_job(), SHORT)
    world.advance(8)
    world.kill_controller()
    for agent in world.agents.values():
        agent.hear(Wanted(world.job_uid, 1, Stop(1, 0.0)))
    world.start_controller()
    status = world.finish()
    assert (status.phase, status.restarts, status.disruptions) == (Phase.SUCCEEDED, 0, 1)


@pytest.mark.parametrize("order", tuple(permutations(GANG)), ids=lambda order: "-".join(order))
@pytest.mark.parametrize(("exit_code", "signal"), [(None, 9), (3, None)], ids=["killed", "exit 3"])
def test_bad_history_11_controller_down_around_a_crash(
    order: tuple[str, ...], exit_code: int | None, signal: int | None
) -> None:
    """The ends come to light one after the other, in any order: the first is the cause, its peers' exits are not."""
    world = World(make_job(), SHORT)
    world.advance(8.5)
    world.kill_controller()
    world.program("worker-1").end(exit_code, signal)
    world.advance(600)
    assert not world.living
    for place, name in enumerate(order):
        world.bring_back(world.replica(name).uid, 0.5 + 20 * place)
    world.start_controller()
    status = world.finish()
    assert (status.phase, status.restarts) == (Phase.SUCCEEDED, 1)
    assert causes(status) == [(Cause.PROGRAM_SIGNAL if signal else Cause.PROGRAM_EXIT, "worker-1")]
    assert (status.attempts[0].exit_code, status.attempts[0].signal) == (exit_code, signal)


def test_bad_history_14_spec_and_version_change_between_the_record_and_the_last_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever starts late gets the map of the record, whatever the spec and our own rules say by now.

    There is no room for the worker that the spec asks for now, so the attempt goes on as it was recorded.
    """
    world = World(make_job(), LONG)
    world.wait_until(lambda: world.status.attempt is not None)
    late = world.replica("worker-1").uid
    world.network.cut.add(late)
    world.advance(3)
    world.kill_controller()
    fill_all(world)
    world.backend.edit(world.key, lambda spec: scaled(spec, 3))
    monkeypatch.setattr(names, "BASE_PORT", 4444)
    world.network.cut.clear()
    world.start_controller()
    world.wait_until(lambda: len(world.ledger.starts) == 3)
    assert {(f"{role.value}-{index}", run) for (role, index), run in world.ledger.starts} == {
        (name, 1) for name in GANG
    }
    assert world.status.attempt is not None
    recorded = [one.address for one in world.status.attempt.members]
    assert all(one.cluster == {"chief": recorded[:1], "worker": recorded[1:]} for one in world.living)
    assert sorted(one.rank for one in world.living) == [0, 1, 2]
