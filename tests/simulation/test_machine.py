"""Random histories of random jobs: every fault that this world knows, in any order, at any moment.

The Ledger checks the invariants at every record, order and start. At the end of each history the faults stop and the
job has to come to a final state, and what was left of it has to go. Prints how many steps were done.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from orchestrator.api.status import Cause, Phase
from orchestrator.api.types import (
    TensorFlowJob,
)
from orchestrator.core import membership
from orchestrator.core.observed import Disruption, ReplicaPhase
from tests.simulation import truth
from tests.simulation.jobs import scaled
from tests.simulation.network import FAIR, FOUL
from tests.simulation.programs import Training
from tests.simulation.random_jobs import jobs, script, suspended
from tests.simulation.world import NEVER_USED, World

EXAMPLES = 450
STEPS_EACH = 60
AT_LEAST = 10_000
START_SECONDS = 8.0
"""Programs train by then: faults before are of little interest, and come to pass anyway after each restart."""
TICK_SECONDS = 1.0
"""What each step takes; without it most histories would be over before anything had started again."""
SETTLE_SECONDS = 1500.0
SUSPEND_SECONDS = 300.0
"""Until nothing is left of a job that is to be suspended: its stop, the barrier, and the grace of its pods."""
TTL_SECONDS = 200.0


class Count:
    """How much was really done, over all histories."""

    steps = 0
    live_steps = 0
    jobs = 0
    second_attempts = 0
    suspended = 0
    removed = 0
    old_leaders = 0
    ended: dict[str, int]
    causes: dict[str, int]


Count.ended, Count.causes = {}, {}


class Machine(RuleBasedStateMachine):
    """One history. A job that has ended makes room for the next one."""

    world: World

    @initialize(job=jobs(), seed=st.integers(0, 2**16), nodes=st.integers(1, 4))
    def submit(self, job: TensorFlowJob, seed: int, nodes: int) -> None:
        self.world = World(job, script(job, seed), seed=seed, nodes=nodes)
        self.world.advance(START_SECONDS)
        Count.jobs += 1

    def _is_over(self) -> bool:
        return self.world.status.phase.is_final

    # --- time

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 3.0, 8.0, 20.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.world.advance(seconds)

    @precondition(lambda self: self._is_over())
    @rule(job=jobs(), seed=st.integers(0, 2**16), nodes=st.integers(1, 4))
    def next_job(self, job: TensorFlowJob, seed: int, nodes: int) -> None:
        self._settle()
        self.submit(job, seed, nodes)

    # --- programs

    @precondition(lambda self: self.world.living)
    @rule(data=st.data(), code=st.sampled_from([0, 1, 1, 3, 127, 137, 143, 255]))
    def program_exits(self, data: st.DataObject, code: int) -> None:
        data.draw(st.sampled_from(self.world.living)).end(code)

    @precondition(lambda self: self.world.living)
    @rule(data=st.data(), signal=st.sampled_from([6, 9, 11, 15]))
    def program_is_killed(self, data: st.DataObject, signal: int) -> None:
        data.draw(st.sampled_from(self.world.living)).end(signal=signal)

    @precondition(lambda self: self.world.living)
    @rule(data=st.data())
    def program_is_frozen(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.world.living)).freeze()

    @rule()
    def next_training_gets_stuck(self) -> None:
        self.world.stuck = 1

    @precondition(lambda self: self.world.live_trainings)
    @rule(data=st.data())
    def training_gets_stuck(self, data: st.DataObject) -> None:
        data.draw(st.sampled_from(self.world.live_trainings)).is_stuck = True

    @precondition(lambda self: self.world.live_trainings)
    @rule(
        data=st.data(), busy=st.sampled_from(["evaluating", "saving"]), seconds=st.sampled_from([5.0, 45.0])
    )
    def training_is_busy(self, data: st.DataObject, busy: str, seconds: float) -> None:
        data.draw(st.sampled_from(self.world.live_trainings)).pause(busy)
        self.world.advance(seconds)

    @precondition(lambda self: self.world.live_trainings)
    @rule()
    def trainings_go_on(self) -> None:
        for one in self.world.live_trainings:
            one.resume()

    # --- replicas

    def _running(self) -> list[str]:
        return [
            one.name
            for one in self.world.cluster.replicas(self.world.key)
            if one.phase is ReplicaPhase.RUNNING
        ]

    @precondition(lambda self: self._running())
    @rule(data=st.data(), disruption=st.sampled_from([Disruption.EVICTED, Disruption.PREEMPTED]))
    def replica_is_disrupted(self, data: st.DataObject, disruption: Disruption) -> None:
        name = data.draw(st.sampled_from(self._running()))
        self.world.cluster.disrupt(self.world.replica(name).uid, disruption)

    @precondition(lambda self: self._running())
    @rule(data=st.data())
    def replica_is_deleted_by_hand(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(self._running()))
        self.world.cluster.delete(self.world.replica(name).uid, 30.0, foreign=True)

    @precondition(lambda self: self._running())
    @rule(data=st.data())
    def replica_vanishes(self, data: st.DataObject) -> None:
        self.world.cluster.vanish(self.world.replica(data.draw(st.sampled_from(self._running()))).uid)

    @precondition(lambda self: self._running())
    @rule(data=st.data())
    def container_runs_out_of_memory(self, data: st.DataObject) -> None:
        self.world.kill_container(data.draw(st.sampled_from(self._running())))

    # --- agents and the network

    @precondition(lambda self: self.world.has_agents and self._running())
    @rule(data=st.data())
    def agent_is_killed(self, data: st.DataObject) -> None:
        self.world.kill_agent(data.draw(st.sampled_from(self._running())))

    @precondition(lambda self: self.world.has_agents)
    @rule(data=st.data(), times=st.integers(1, 3))
    def next_agents_die_at_their_start(self, data: st.DataObject, times: int) -> None:
        seats = membership.seats(self.world.job.spec)
        self.world.doomed[data.draw(st.sampled_from(seats))] = times

    @precondition(lambda self: self.world.has_agents)
    @rule(data=st.data(), seconds=st.sampled_from([5.0, 40.0, 100.0, 200.0]))
    def next_agents_are_late(self, data: st.DataObject, seconds: float) -> None:
        seats = membership.seats(self.world.job.spec)
        self.world.late[data.draw(st.sampled_from(seats))] = seconds

    @precondition(lambda self: self.world.has_agents and self._running())
    @rule(data=st.data())
    def agent_is_cut_off(self, data: st.DataObject) -> None:
        self.world.network.cut.add(self.world.replica(data.draw(st.sampled_from(self._running()))).uid)

    @precondition(lambda self: self.world.network.cut)
    @rule()
    def network_is_mended(self) -> None:
        self.world.network.cut.clear()

    @rule(foul=st.booleans())
    def weather_changes(self, foul: bool) -> None:
        self.world.network.weather = FOUL if foul else FAIR

    # --- nodes

    def _nodes(self, *, up: bool) -> list[str]:
        nodes = self.world.cluster.nodes.values()
        return [one.name for one in nodes if one.is_up is up and one.name != NEVER_USED]

    @precondition(lambda self: self._nodes(up=True))
    @rule(data=st.data())
    def node_is_lost(self, data: st.DataObject) -> None:
        self.world.cluster.lose_node(data.draw(st.sampled_from(self._nodes(up=True))))

    @precondition(lambda self: self._nodes(up=False))
    @rule(data=st.data())
    def loss_is_noticed(self, data: st.DataObject) -> None:
        self.world.cluster.announce_loss(data.draw(st.sampled_from(self._nodes(up=False))))

    @precondition(lambda self: self._nodes(up=False))
    @rule(data=st.data())
    def node_is_back(self, data: st.DataObject) -> None:
        self.world.cluster.restore_node(data.draw(st.sampled_from(self._nodes(up=False))))

    @rule(data=st.data())
    def node_fills(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from([*self._nodes(up=True), *self._nodes(up=False)]))
        self.world.cluster.nodes[name].is_full = True

    @precondition(lambda self: self._full())
    @rule(data=st.data())
    def node_has_room(self, data: st.DataObject) -> None:
        self.world.make_room(data.draw(st.sampled_from(self._full())))

    def _full(self) -> list[str]:
        nodes = self.world.cluster.nodes.values()
        return [one.name for one in nodes if one.is_full and one.name != NEVER_USED]

    # --- the controller and the API server

    @precondition(lambda self: self.world.controller is not None)
    @rule(calls=st.integers(0, 8))
    def controller_is_killed(self, calls: int) -> None:
        self.world.kill_controller(calls)

    @precondition(lambda self: self.world.controller is None)
    @rule()
    def controller_starts(self) -> None:
        self.world.start_controller()

    @precondition(lambda self: self.world.has_agents and self.world.controller is not None)
    @rule(seconds=st.sampled_from([0.1, 20.0, 58.0]))
    def controller_is_upgraded(self, seconds: float) -> None:
        self.world.replace_controller(lambda uid: self.world.chance.uniform(0.0, seconds))

    @precondition(lambda self: self.world.controller is not None)
    @rule()
    def controller_is_stopped(self) -> None:
        self.world.stop_controller()

    @precondition(lambda self: self.world.has_stopped_controller)
    @rule()
    def stopped_controller_goes_on(self) -> None:
        self.world.wake_stopped_controller()
        Count.old_leaders += 1

    @precondition(lambda self: self.world.is_there)
    @rule()
    def reads_fall_behind(self) -> None:
        self.world.backend.fall_behind(self.world.key)

    @precondition(lambda self: self.world.is_there)
    @rule()
    def reads_catch_up(self) -> None:
        self.world.backend.catch_up(self.world.key)

    @precondition(lambda self: self.world.is_there)
    @rule(times=st.integers(1, 3))
    def somebody_else_writes(self, times: int) -> None:
        self.world.backend.interfere(self.world.key, times)

    # --- users

    @precondition(lambda self: self.world.is_there and self.world.job.spec.replica_specs.worker is not None)
    @rule(workers=st.integers(1, 4))
    def workers_arescaled(self, workers: int) -> None:
        self.world.backend.edit(self.world.key, lambda spec: scaled(spec, workers))

    @precondition(lambda self: self.world.is_there)
    @rule()
    def job_issuspended(self) -> None:
        self.world.backend.edit(self.world.key, lambda spec: suspended(spec, True))

    @precondition(lambda self: self.world.is_there and self.world.job.spec.run_policy.suspend)
    @rule()
    def job_is_resumed(self) -> None:
        self.world.backend.edit(self.world.key, lambda spec: suspended(spec, False))

    @precondition(lambda self: self.world.controller is not None)
    @rule(chance=st.integers(0, 9))
    def user_stops(self, chance: int) -> None:
        if chance == 7 and self.world.controller is not None:  # not 0, which is drawn the most
            self.world.controller.reconciler.stop.ask()
            self.world.wake()

    # --- what has to hold

    @invariant()
    def count(self) -> None:
        if hasattr(self, "world"):
            Count.steps += 1
            if not self._is_over():
                Count.live_steps += 1
                self.world.advance(TICK_SECONDS)

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self._settle()

    def _settle(self) -> None:
        """The faults stop: the job has to end, and nothing of it may go on."""
        world = self.world
        self._mend()
        if world.is_there and world.job.spec.run_policy.suspend and not self._is_over():
            world.wait_until(lambda: self._is_over() or self._is_empty(), SUSPEND_SECONDS)
            Count.suspended += world.status.phase is Phase.SUSPENDED
        if world.is_there:
            world.backend.edit(world.key, lambda spec: suspended(spec, False))
        status = world.finish(SETTLE_SECONDS)
        truth.check_side_ends(world)
        if world.job.spec.run_policy.ttl_seconds_after_finished is not None:
            world.wait_until(lambda: not world.is_there, TTL_SECONDS)
            assert not world.living
            Count.removed += 1
        Count.ended[status.phase.value] = Count.ended.get(status.phase.value, 0) + 1
        Count.second_attempts += len(status.attempts) > 0
        ends = [one.cause for one in world.ledger.ended.values()] + [
            one.cause for one in world.ledger.side_ends if one.cause
        ]
        for cause in ends:
            Count.causes[cause.value] = Count.causes.get(cause.value, 0) + 1

    def _is_empty(self) -> bool:
        return self.world.status.phase is Phase.SUSPENDED and not self.world.cluster.replicas(self.world.key)

    def _mend(self) -> None:
        """All that the world has to be rid of; what a controller has to see and to mend by itself stays."""
        world = self.world
        world.network.weather = FAIR
        world.network.cut.clear()
        world.doomed.clear()
        world.late.clear()
        world.stuck = 0
        for name in self._nodes(up=False):
            world.cluster.restore_node(name)
        for name in self._full():
            world.make_room(name)
        if world.is_there:
            world.backend.catch_up(world.key)
        for training in world.live_trainings:
            if not self._will_be_seen(training):
                training.resume()
        for one in world.living:
            if not (world.has_agents and world.script.reports and one.is_training):
                one.thaw()
        if world.controller is None:
            world.start_controller()
        else:
            world.controller.calls_left = None

    def _will_be_seen(self, training: Training) -> bool:
        """That it makes no steps: not of an evaluator, nor while it says that it is busy."""
        can_be_heard = self.world.has_agents and self.world.script.reports and not training.busy
        return can_be_heard and not training.is_evaluation


@pytest.fixture(autouse=True)
def _fresh_count() -> None:
    Count.steps = Count.live_steps = Count.jobs = Count.second_attempts = 0
    Count.suspended = Count.removed = Count.old_leaders = 0
    Count.ended, Count.causes = {}, {}


@pytest.mark.timeout(600)
def test_random_histories_keep_the_invariants_and_end(capsys: pytest.CaptureFixture[str]) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS_EACH,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    with capsys.disabled():
        print(
            f"\nsimulation: {Count.steps} steps, {Count.live_steps} in live jobs, {Count.jobs} jobs: {Count.ended}, "
            f"{Count.second_attempts} with a restart: {Count.causes}; {Count.suspended} emptied by a suspension, "
            f"{Count.removed} removed at last, {Count.old_leaders} old leaders woke up"
        )
    assert Count.live_steps >= AT_LEAST
    assert Count.second_attempts >= Count.jobs / 10
    assert len(Count.causes) >= 8
    assert {Cause.HANG, Cause.START_TIMEOUT} <= set(Count.causes)
