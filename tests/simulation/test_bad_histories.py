"""Histories that have hurt others, each by name; the numbers are those of the design's list.

Here they happen in the simulated world, with the real decisions of core and agent; others show real processes.
"""

from itertools import pairwise
from math import inf, nan

import msgspec
import pytest

from orchestrator.api.status import Cause, JobStatus, Phase
from orchestrator.api.types import Recovery, Role, RunPolicy, SuccessPolicy
from orchestrator.core.actions import CreateReplica, Reason
from orchestrator.core.observed import Disruption
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job
from tests.simulation.programs import Script
from tests.simulation.world import World

SHORT = Script(steps=20)
LONG = Script(steps=2000, save_every=20)


def causes(status: JobStatus) -> list[tuple[Cause, str]]:
    return [(one.cause, one.member) for one in status.attempts]


def test_bad_history_01_node_lost_survivors_exit_first() -> None:
    """One disruption, no restart: what the survivors say first is only a consequence."""
    world = World(make_job(), SHORT)
    world.advance(8)
    node = world.node_of("worker-1")
    world.cluster.lose_node(node)
    world.advance(30)
    exited = [one for one in world.programs.values() if not one.is_alive]
    assert len(exited) == 3, "the survivors have exited before anybody knew of the node"
    assert causes(world.status) == []
    world.cluster.announce_loss(node)
    world.advance(1)
    assert causes(world.status) == [(Cause.NODE_LOST, "worker-1")]
    world.cluster.restore_node(node)
    status = world.finish()
    assert (status.phase, status.restarts, status.disruptions) == (Phase.SUCCEEDED, 0, 1)


def test_bad_history_01_holds_while_the_controller_is_replaced() -> None:
    world = World(make_job(), SHORT)
    world.advance(8)
    node = world.node_of("worker-1")
    world.cluster.lose_node(node)
    world.advance(20)
    world.kill_controller()
    world.advance(5)
    world.start_controller()
    world.advance(30)
    world.cluster.announce_loss(node)
    world.cluster.restore_node("node-0")
    world.advance(5)
    assert causes(world.status) == [(Cause.NODE_LOST, "worker-1")]


@pytest.mark.parametrize("recovery", [Recovery(), WITHOUT_AGENTS], ids=["agents", "bare"])
def test_bad_history_02_container_out_of_memory_for_ever(recovery: Recovery) -> None:
    """It fails after backoffLimit restarts instead of being started for ever."""
    world = World(make_job(run_policy=RunPolicy(backoff_limit=2), recovery=recovery), SHORT)
    for number in (1, 2, 3):
        world.wait_until(lambda number=number: _trains(world, number))  # type: ignore[misc]  # mypy cannot infer such a lambda
        world.kill_container("worker-1")
    status = world.finish()
    assert (status.phase, status.reason) == (Phase.FAILED, Reason.BACKOFF_LIMIT)
    assert causes(status) == [(Cause.OUT_OF_MEMORY, "worker-1")] * 3
    assert status.restarts == 2


def _trains(world: World, number: int) -> bool:
    """Attempt `number` has made a step."""
    attempt = world.status.attempt
    return (
        attempt is not None
        and attempt.number == number
        and len([one for one in world.living if one.run == number and one.step is not None])
        == len(attempt.members)
    )


def test_bad_history_03_pod_replaced_under_the_same_name() -> None:
    """The new pod in the old seat is no member of the attempt: it is not sent Run(n)."""
    world = World(make_job(), SHORT)
    world.advance(8)
    world.kill_controller()
    old = world.replica("worker-1")
    world.cluster.vanish(old.uid)
    world.cluster.create(world.key, (Role.WORKER, 1), 1)
    world.advance(3)
    new = world.replica("worker-1")
    assert new.uid != old.uid
    world.start_controller()
    status = world.finish()
    assert status.phase is Phase.SUCCEEDED
    assert causes(status)[0][1] == "worker-1"
    runs = {run for (seat, run), uid in world.ledger.starts.items() if uid == new.uid}
    assert runs == {2}


def test_bad_history_04_evaluator_crashes() -> None:
    """Its crashes cost the training nothing, and it comes back after 0, 1, 2, 4 ... seconds."""
    world = World(make_job(gang(2, evaluator=True)), Script(steps=60))
    crashes = []
    for _ in range(5):
        world.wait_until(lambda: any(one.seat[0] is Role.EVALUATOR for one in world.living))
        world.program("evaluator-0").end(1)
        crashes.append(world.clock.seconds)
    status = world.finish()
    assert (status.phase, status.restarts, status.disruptions, status.attempts) == (Phase.SUCCEEDED, 0, 0, ())
    gaps = [round(later - sooner) for sooner, later in pairwise(crashes)]
    assert gaps == [0, 1, 2, 4]
    assert max(one.step or 0 for one in world.programs.values() if one.seat[0] is Role.CHIEF) == 60


def test_bad_history_05_script_without_reports() -> None:
    """No step was ever said, so its silence of more than half an hour is no hang, and its start is no late one."""
    world = World(make_job(), Script(steps=2000, reports=False))
    status = world.finish(limit=2500)
    assert (status.phase, status.attempts) == (Phase.SUCCEEDED, ())


def test_bad_history_05_script_that_never_says_at_which_step_it_is() -> None:
    """It counts steps, ten minutes and more apart, without their numbers: nothing arms the timer."""
    slow = Script(steps=5, step_seconds=700.0, says_step=False)
    status = World(make_job(recovery=Recovery(start_timeout_seconds=0)), slow).finish(limit=5000)
    assert (status.phase, status.attempts) == (Phase.SUCCEEDED, ())


def test_bad_history_07_status_conflict() -> None:
    """The status could not be written, so nothing of the decision is performed, ordered or told."""
    world = World(make_job(), SHORT)
    assert world.controller is not None
    world.backend.interfere(world.key)
    assert world.controller.turn() == 0.0
    assert world.controller.performed == []
    assert world.controller.events == []
    assert world.controller.coordinator.wanted == {}
    world.controller.turn()
    assert world.controller.performed != []


def test_bad_history_07_a_conflict_when_an_attempt_opens_starts_nothing() -> None:
    world = World(make_job(), SHORT)
    world.wait_until(lambda: len(world.agents) == 3)
    world.backend.interfere(world.key, times=10)
    world.advance(0.1)
    assert world.status.attempt is None
    assert world.ledger.starts == {}


def test_bad_history_09_agent_unreachable_when_a_peer_dies() -> None:
    """Its pod runs, nobody hears it: the wait for its fate ends, the barrier too, and it is replaced."""
    world = World(make_job(), Script(steps=60))
    world.advance(8)
    lost = world.replica("worker-1").uid
    world.network.cut.add(lost)
    world.advance(20)
    assert world.status.phase is Phase.RUNNING, "silence alone ends nothing"
    world.program("worker-0").end(signal=9)
    waited = world.wait_until(lambda: _trains(world, 2))
    assert waited < 300
    assert causes(world.status) == [(Cause.PROGRAM_SIGNAL, "worker-0")]
    assert world.replica("worker-1").uid != lost
    assert world.finish().restarts == 1


def test_bad_history_10_chief_exits_while_workers_are_in_the_last_collective() -> None:
    """Success stands from the chief's exit 0 on; what the workers do after that counts for nothing."""
    world = World(make_job(), LONG)
    world.advance(8)
    world.program("chief-0").end(0)
    world.advance(1)
    assert world.status.phase is Phase.SUCCEEDED
    assert len(world.living) == 2, "they have 30 seconds to end by themselves"
    world.program("worker-0").end(1)
    world.advance(25)
    assert (world.status.phase, world.status.restarts) == (Phase.SUCCEEDED, 0)
    world.finish()
    world.advance(60)
    phases = {one.name: one.exit_code for one in world.cluster.replicas(world.key)}
    assert phases == {"chief-0": 0, "worker-0": 0, "worker-1": 0}


def test_bad_history_12_all_members_get_sigterm_at_once() -> None:
    """They save together and exit 143: one cause, nothing lost, not a success."""
    world = World(make_job(), SHORT)
    world.advance(8.5)
    for one in world.living:
        one.terminate()
    world.advance(3)
    assert [one.cause for one in world.status.attempts] == [Cause.PROGRAM_SIGNAL]
    assert world.status.attempts[0].signal == 15
    status = world.finish()
    assert (status.phase, status.restarts, status.steps_lost) == (Phase.SUCCEEDED, 1, 0)


def test_bad_history_12_sigterm_arrives_before_the_news_of_what_sent_it() -> None:
    """An end by SIGTERM is believed to be the program's own only when nothing else has shown up for a moment."""
    world = World(make_job(), SHORT)
    world.advance(8.5)
    for one in world.living:
        one.terminate()
    world.wait_until(lambda: len(world.living) < 3)
    world.advance(0.04)
    for replica in world.cluster.replicas(world.key):
        world.cluster.disrupt(replica.uid, Disruption.PREEMPTED)
    status = world.finish()
    assert [one.cause for one in status.attempts] == [Cause.PREEMPTED]
    assert (status.phase, status.restarts, status.disruptions) == (Phase.SUCCEEDED, 0, 1)
    assert status.steps_lost == 0


def test_bad_history_12_all_pods_are_drained_at_once() -> None:
    world = World(make_job(), SHORT)
    world.advance(8.5)
    for one in world.cluster.replicas(world.key):
        world.cluster.disrupt(one.uid, Disruption.PREEMPTED)
    status = world.finish()
    assert (status.phase, status.restarts, status.disruptions) == (Phase.SUCCEEDED, 0, 1)
    assert status.steps_lost == 0


def test_bad_history_13_flapping_node_with_min_replicas() -> None:
    """Goes on without the worker, and takes it back at most once in ten minutes, right after a save."""
    world = World(make_job(gang(2, least=1)), LONG)
    world.advance(8)
    node = world.node_of("worker-1")
    _flap(world, node)
    world.wait_until(lambda: _members(world) == ["chief-0", "worker-0"])
    opened = world.clock.seconds
    world.cluster.nodes[node].is_full = False
    world.cluster.restore_node(node)
    world.wait_until(lambda: world.status.resizes == 1, limit=700)
    assert world.clock.seconds - opened >= 600
    assert world.status.attempts[-1].steps_lost == 0
    world.wait_until(lambda: _members(world) == ["chief-0", "worker-0", "worker-1"])
    status = world.finish(limit=4000)
    assert (status.phase, status.restarts, status.resizes) == (Phase.SUCCEEDED, 0, 1)


def _flap(world: World, node: str) -> None:
    """The node goes, is missed, and there is no room for its pod elsewhere."""
    world.cluster.lose_node(node)
    for other in world.cluster.nodes.values():
        other.is_full = True
    world.advance(40)
    world.cluster.announce_loss(node)


def _members(world: World) -> list[str]:
    return [one.name for one in world.status.attempt.members] if world.status.attempt else []


def test_bad_history_17_job_deleted_while_the_controller_is_down() -> None:
    world = World(make_job(), SHORT)
    world.advance(8)
    world.kill_controller()
    world.backend.remove(world.key)
    controller = world.start_controller()
    assert controller.turn() is None
    world.advance(120)
    assert controller.performed == []
    assert world.cluster.replicas(world.key) == ()
    assert world.living == []


def test_bad_history_18_everything_is_killed_at_once() -> None:
    """SIGKILL of the runner takes its agents along; whoever takes up the run goes on from the last save."""
    world = World(make_job(), SHORT)
    world.advance(8.5)
    world.kill_controller()
    world.vanish_all()
    assert world.living == []
    world.start_controller()
    status = world.finish()
    assert (status.phase, status.restarts) == (Phase.SUCCEEDED, 1)
    assert world.ledger.records[2].restore_step == 5


def test_bad_history_21_killed_between_two_saves() -> None:
    world = World(make_job(), SHORT)
    world.wait_until(lambda: len(world.living) == 3)
    world.wait_until(lambda: world.program("worker-1").step == 8)
    world.program("worker-1").end(signal=9)
    world.wait_until(lambda: _trains(world, 2))
    assert world.ledger.records[2].restore_step == 5
    assert world.status.attempts[0].steps_lost == world.status.steps_lost == 3
    assert world.finish().phase is Phase.SUCCEEDED


@pytest.mark.parametrize("success", SuccessPolicy)
def test_bad_history_26_worker_0_is_missing(success: SuccessPolicy) -> None:
    """No chief, and the worker of rank 0 is not worker-0: its checkpoints and its success count."""
    world = World(make_job(gang(3, chief=False, least=2), success=success), Script(steps=40))
    world.advance(8)
    _flap(world, world.node_of("worker-0"))
    world.wait_until(lambda: _members(world) == ["worker-1", "worker-2"])
    world.advance(15)
    places = {one.seat[1]: (one.rank, one.task) for one in world.living}
    assert places == {
        1: (0, {"type": "worker", "index": 0}),
        2: (1, {"type": "worker", "index": 1}),
    }
    assert world.status.checkpoint is not None
    assert world.status.checkpoint.step > 10
    world.program("worker-1").end(signal=9)
    status = world.finish()
    assert status.phase is Phase.SUCCEEDED
    assert status.attempts[-1].steps_lost < 5
    assert _members(world)[0] != "worker-0"


@pytest.mark.parametrize("losses", [(1.5,) * 8 + (nan,), (nan,), (2.0,) * 8 + (inf,)])
def test_bad_history_32_loss_is_not_a_number(losses: tuple[float, ...]) -> None:
    """It goes all the way from the program: it is counted, and neither the status nor its JSON ever holds it."""
    world = World(make_job(), Script(steps=20, losses=losses))
    world.wait_until(lambda: world.status.progress.non_finite > 0)
    text = msgspec.json.encode(world.status)
    assert b"nan" not in text.lower()
    assert b"inf" not in text.lower()
    status = world.finish()
    assert (status.progress.loss, status.progress.non_finite) == (None, 20 + 1 - len(losses))


@pytest.mark.parametrize("is_behind", [False, True])
def test_a_job_is_deleted_when_its_time_to_live_is_over(is_behind: bool) -> None:
    """It has ended, and goes with all that is left of it, also while reads of the cluster are behind."""
    world = World(make_job(run_policy=RunPolicy(ttl_seconds_after_finished=60)), SHORT)
    status = world.finish()
    if is_behind:
        world.backend.fall_behind(world.key)
    assert status.completion_time is not None
    world.wait_until(lambda: not world.is_there)
    assert 60 <= (world.clock() - status.completion_time).total_seconds() < 61
    assert (world.status.phase, world.status.completion_time) == (Phase.SUCCEEDED, status.completion_time)
    assert world.cluster.replicas(world.key) == ()


def test_creates_of_a_record_that_was_never_acted_on() -> None:
    """Killed between the record and the first act: the next controller carries the record out."""
    world = World(make_job(recovery=WITHOUT_AGENTS), SHORT)
    world.wait_until(lambda: world.status.attempt is not None)
    assert world.controller is not None
    assert not any(isinstance(one, CreateReplica) for one in world.controller.performed)
    world.kill_controller()
    world.advance(30)
    world.start_controller()
    status = world.finish()
    assert (status.phase, status.attempts) == (Phase.SUCCEEDED, ())
