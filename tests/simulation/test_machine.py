"""Random histories of random jobs: every fault that this world knows, in any order, at any moment.

The Ledger checks the invariants at every record, order and start. At the end of each history the faults stop and the
job has to come to a final state. Prints how many steps were done.
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
from msgspec.structs import replace

from orchestrator.api.types import (
    AgentMode,
    JobSpec,
    Recovery,
    ReplicaSpecs,
    RunPolicy,
    Strategy,
    SuccessPolicy,
    TensorFlowJob,
)
from orchestrator.core import membership
from orchestrator.core.observed import Disruption, ReplicaPhase
from tests.simulation.jobs import gang, make_job, servers
from tests.simulation.network import FAIR, FOUL
from tests.simulation.programs import Script
from tests.simulation.world import World

EXAMPLES = 450
STEPS_EACH = 60
AT_LEAST = 10_000
START_SECONDS = 8.0
"""Programs train by then: faults before are of little interest, and come to pass anyway after each restart."""
TICK_SECONDS = 1.0
"""What each step takes; without it most histories would be over before anything had started again."""
SETTLE_SECONDS = 1500.0


class Count:
    """How much was really done, over all histories."""

    steps = 0
    live_steps = 0
    jobs = 0
    second_attempts = 0
    ended: dict[str, int]
    causes: dict[str, int]


Count.ended, Count.causes = {}, {}


def roles() -> st.SearchStrategy[tuple[Strategy, ReplicaSpecs, SuccessPolicy]]:
    mirrored = st.builds(
        lambda workers, chief, evaluator, least, policy: (
            Strategy.MULTI_WORKER_MIRRORED,
            gang(
                workers,
                chief=chief or not workers,
                evaluator=evaluator,
                least=(least and min(least, workers)) or None,
            ),
            policy,
        ),
        st.integers(0, 3),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, None, 1]),
        st.sampled_from(SuccessPolicy),
    )
    served = st.builds(
        lambda workers, ps, evaluator: (
            Strategy.PARAMETER_SERVER,
            servers(workers, ps, evaluator=evaluator),
            SuccessPolicy.CHIEF,
        ),
        st.integers(1, 2),
        st.integers(1, 2),
        st.booleans(),
    )
    alone = st.builds(
        lambda workers, chief, policy: (Strategy.INDEPENDENT, gang(workers, chief=chief), policy),
        st.integers(1, 3),
        st.booleans(),
        st.sampled_from(SuccessPolicy),
    )
    return st.one_of(mirrored, mirrored, served, alone)


@st.composite
def jobs(draw: st.DrawFn) -> TensorFlowJob:
    strategy, specs, policy = draw(roles())
    is_elastic = specs.worker is not None and specs.worker.min_replicas is not None
    modes = [AgentMode.ENABLED] * 2 + [AgentMode.ENABLED if is_elastic else AgentMode.DISABLED]
    return make_job(
        specs,
        strategy=strategy,
        success=policy,
        run_policy=RunPolicy(backoff_limit=draw(st.sampled_from([0, 2, 100, 100]))),
        recovery=Recovery(
            agent=draw(st.sampled_from(modes)),
            hang_timeout_seconds=30,
            start_timeout_seconds=60,
        ),
    )


class Machine(RuleBasedStateMachine):
    """One history. A job that has ended makes room for the next one."""

    world: World

    @initialize(job=jobs(), seed=st.integers(0, 2**16), nodes=st.integers(1, 4))
    def submit(self, job: TensorFlowJob, seed: int, nodes: int) -> None:
        script = Script(
            strategy=job.spec.strategy, steps=40, saves_on_sigterm=seed % 3 > 0, reports=seed % 5 > 0
        )
        self.world = World(job, script, seed=seed, nodes=nodes)
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
        return [one.name for one in self.world.cluster.nodes.values() if one.is_up is up]

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

    # --- the controller and the API server

    @precondition(lambda self: self.world.controller is not None)
    @rule(calls=st.integers(0, 8))
    def controller_is_killed(self, calls: int) -> None:
        self.world.kill_controller(calls)

    @precondition(lambda self: self.world.controller is None)
    @rule()
    def controller_starts(self) -> None:
        self.world.start_controller()

    @rule()
    def reads_fall_behind(self) -> None:
        self.world.backend.fall_behind(self.world.key)

    @rule()
    def reads_catch_up(self) -> None:
        self.world.backend.catch_up(self.world.key)

    @rule(times=st.integers(1, 3))
    def somebody_else_writes(self, times: int) -> None:
        self.world.backend.interfere(self.world.key, times)

    # --- users

    @precondition(lambda self: self.world.job.spec.replica_specs.worker is not None)
    @rule(workers=st.integers(1, 4))
    def workers_are_scaled(self, workers: int) -> None:
        self.world.backend.edit(self.world.key, lambda spec: _scaled(spec, workers))

    @rule()
    def job_is_suspended(self) -> None:
        self.world.backend.edit(self.world.key, lambda spec: _suspended(spec, True))

    @precondition(lambda self: self.world.job.spec.run_policy.suspend)
    @rule()
    def job_is_resumed(self) -> None:
        self.world.backend.edit(self.world.key, lambda spec: _suspended(spec, False))

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
        """The faults stop: the job has to end, and nothing of it may go on.

        Nobody can see that a program hangs which has never said that it made a step.
        """
        world = self.world
        world.network.weather = FAIR
        world.network.cut.clear()
        world.doomed.clear()
        for name in self._nodes(up=False):
            world.cluster.restore_node(name)
        world.backend.catch_up(world.key)
        for one in world.living:
            if not (world.has_agents and world.script.reports and one.is_training):
                one.thaw()
        if world.controller is None:
            world.start_controller()
        else:
            world.controller.calls_left = None
        world.backend.edit(world.key, lambda spec: _suspended(spec, False))
        status = world.finish(SETTLE_SECONDS)
        Count.ended[status.phase.value] = Count.ended.get(status.phase.value, 0) + 1
        Count.second_attempts += len(status.attempts) > 0
        for ended in status.attempts:
            Count.causes[ended.cause.value] = Count.causes.get(ended.cause.value, 0) + 1


def _scaled(spec: JobSpec, workers: int) -> JobSpec:
    found = spec.replica_specs.worker
    assert found is not None
    least = None if found.min_replicas is None else min(found.min_replicas, workers)
    worker = replace(found, replicas=workers, min_replicas=least)
    return replace(spec, replica_specs=replace(spec.replica_specs, worker=worker))


def _suspended(spec: JobSpec, suspend: bool) -> JobSpec:
    return replace(spec, run_policy=replace(spec.run_policy, suspend=suspend))


@pytest.fixture(autouse=True)
def _fresh_count() -> None:
    Count.steps = Count.live_steps = Count.jobs = Count.second_attempts = 0
    Count.ended, Count.causes = {}, {}


@pytest.mark.timeout(180)
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
            f"{Count.second_attempts} with a restart: {Count.causes}"
        )
    assert Count.live_steps >= AT_LEAST
    assert Count.second_attempts >= Count.jobs / 10
    assert len(Count.causes) >= 8
