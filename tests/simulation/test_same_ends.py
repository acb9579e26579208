"""Jobs with agents and without reach the same ends; faults of the control plane alone cost nothing.

Properties over whole jobs: the same faults at the same points of the training, and histories in which only messages,
reads, writes and controllers go wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Phase
from orchestrator.api.types import (
    AgentMode,
    ExitCodeAction,
    ExitCodeRule,
    JobSpec,
    Recovery,
    ReplicaSpec,
    ReplicaSpecs,
    RestartPolicy,
    Role,
    RunPolicy,
    Strategy,
    SuccessPolicy,
    TensorFlowJob,
)
from orchestrator.core import membership
from orchestrator.core.cause import SIGNAL_BASE
from orchestrator.core.observed import Disruption
from tests.simulation.jobs import gang, make_job, scaled, servers
from tests.simulation.network import FAIR, FOUL
from tests.simulation.programs import Script
from tests.simulation.world import World

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Fault:
    """What happens to one member so many seconds after everybody trains."""

    after: float
    member: int
    kind: str
    number: int = 0

    def strike(self, world: World) -> None:
        seats = membership.trainer_seats(world.job.spec)
        role, index = seats[self.member % len(seats)]
        name = f"{role.value}-{index}"
        alive = [f"{one.seat[0].value}-{one.seat[1]}" for one in world.living]
        if name in alive:
            self._strike(world, name)

    def _strike(self, world: World, name: str) -> None:
        cluster, uid = world.cluster, world.replica(name).uid
        if self.kind == "exit":
            world.program(name).end(self.number)
        elif self.kind == "signal":
            world.program(name).end(signal=self.number)
        elif self.kind == "memory":
            world.kill_container(name)
        elif self.kind == "preempted":
            cluster.disrupt(uid, Disruption.PREEMPTED)
        elif self.kind == "deleted":
            cluster.delete(uid, 30.0, foreign=True)
        elif self.kind == "vanished":
            cluster.vanish(uid)
        elif self.kind == "node":
            node = world.node_of(name)
            cluster.lose_node(node)
            world.advance(self.number)
            cluster.announce_loss(node)
            world.advance(1)
            cluster.restore_node(node)


@dataclass(frozen=True)
class Wish:
    """What the user changes, so many seconds after everybody trains: another number of workers, or a suspension."""

    after: float
    kind: str
    number: int

    def strike(self, world: World) -> None:
        if self.kind == "scale":
            world.backend.edit(world.key, lambda spec: scaled(spec, self.number))
            return
        world.backend.edit(world.key, lambda spec: suspended(spec, True))
        world.wait_until(lambda: world.status.phase in RESTING and not world.living)
        world.advance(self.number)
        world.backend.edit(world.key, lambda spec: suspended(spec, False))


RESTING = (Phase.SUSPENDED, Phase.SUCCEEDED, Phase.FAILED)
WISHES = st.builds(Wish, st.floats(0, 12), st.sampled_from(["scale", "suspend"]), st.integers(1, 3))
NODE_LOSSES = st.builds(Fault, st.floats(0, 12), st.integers(0, 4), st.just("node"), st.sampled_from([1, 30]))
"""`number`: seconds until the loss is announced; after half a minute the survivors have long failed."""
FAULTS = st.one_of(
    st.builds(
        Fault, st.floats(0, 12), st.integers(0, 4), st.just("exit"), st.sampled_from([1, 3, 128, 143, 255])
    ),
    st.builds(Fault, st.floats(0, 12), st.integers(0, 4), st.just("signal"), st.sampled_from([6, 9, 15])),
    st.builds(
        Fault,
        st.floats(0, 12),
        st.integers(0, 4),
        st.sampled_from(["memory", "preempted", "deleted", "vanished"]),
    ),
    NODE_LOSSES,
)
RULES = (
    (),
    (ExitCodeRule(codes=(3,), action=ExitCodeAction.FAIL),),
    (ExitCodeRule(codes=(1, 137), action=ExitCodeAction.RESTART),),
    (ExitCodeRule(codes=(137, 255), action=ExitCodeAction.FAIL),),
)


@st.composite
def plans(draw: st.DrawFn, strategy: Strategy | None = None) -> tuple[Strategy, ReplicaSpecs, SuccessPolicy]:
    policy = draw(st.sampled_from(RestartPolicy))
    role = ReplicaSpec(replicas=draw(st.integers(1, 2)), restart_policy=policy)
    one = ReplicaSpec(restart_policy=policy)
    evaluator = one if draw(st.booleans()) else None
    strategy = strategy or draw(st.sampled_from(Strategy))
    if strategy is Strategy.PARAMETER_SERVER:
        return (
            strategy,
            ReplicaSpecs(chief=one, worker=role, ps=role, evaluator=evaluator),
            SuccessPolicy.CHIEF,
        )
    chief = one if draw(st.booleans()) else None
    specs = ReplicaSpecs(chief=chief, worker=role, evaluator=evaluator)
    if strategy is Strategy.INDEPENDENT:
        return strategy, specs, SuccessPolicy.ALL_WORKERS
    return strategy, specs, draw(st.sampled_from(SuccessPolicy))


def job(
    plan: tuple[Strategy, ReplicaSpecs, SuccessPolicy],
    limit: int,
    rules: tuple[ExitCodeRule, ...],
    mode: AgentMode,
    deadline: int | None = None,
) -> TensorFlowJob:
    strategy, specs, success = plan
    return make_job(
        specs,
        strategy=strategy,
        success=success,
        run_policy=RunPolicy(backoff_limit=limit, active_deadline_seconds=deadline),
        recovery=Recovery(agent=mode, exit_codes=rules),
    )


def end_of(
    job: TensorFlowJob, faults: Sequence[Fault | Wish], nodes: int = 8, script: Script | None = None
) -> JobStatus:
    """The end of this job, when these faults strike one after the other, each once everybody trains."""
    return ended_world(job, faults, nodes, script).status


def ended_world(
    job: TensorFlowJob, faults: Sequence[Fault | Wish], nodes: int = 8, script: Script | None = None
) -> World:
    world = World(job, script or Script(strategy=job.spec.strategy, steps=150), nodes=nodes)
    for fault in faults:
        world.wait_until(lambda: world.status.phase.is_final or _all_train(world))
        world.advance(fault.after)
        if not world.status.phase.is_final:
            fault.strike(world)
        world.advance(1)
    world.finish()
    return world


def _all_train(world: World) -> bool:
    """And nobody is about to go."""
    attempt = world.status.attempt
    if attempt is None or attempt.stopping is not None or attempt.broken_since is not None:
        return False
    if any(one.deleting for one in world.cluster.replicas(world.key)):
        return False
    trainers = set(membership.trainer_seats(world.job.spec))
    succeeded = {(one.role, one.index) for one in world.status.sides if one.succeeded}
    training = {one.seat for one in world.living if one.is_training}
    return trainers <= training | succeeded


def suspended(spec: JobSpec, is_suspended: bool) -> JobSpec:
    return replace(spec, run_policy=replace(spec.run_policy, suspend=is_suspended))


def summary(status: JobStatus) -> object:
    """What does not depend on how programs are started."""
    causes = [
        (one.cause, one.member, SIGNAL_BASE + one.signal if one.signal else one.exit_code)
        for one in status.attempts
    ]
    sides = sorted(
        (one.name, one.restarts, one.cause) for one in status.sides if one.role.value != "evaluator"
    )
    counts = (status.restarts, status.disruptions, status.resizes)
    return (status.phase, status.reason, status.message, counts, causes, sides)


@QUICK
@given(plans(), st.integers(0, 4), st.sampled_from(RULES), st.lists(FAULTS, max_size=4))
def test_with_and_without_agents_jobs_come_to_the_same_end(
    plan: tuple[Strategy, ReplicaSpecs, SuccessPolicy],
    limit: int,
    rules: tuple[ExitCodeRule, ...],
    faults: list[Fault],
) -> None:
    with_agents = end_of(job(plan, limit, rules, AgentMode.ENABLED), faults)
    without = end_of(job(plan, limit, rules, AgentMode.DISABLED), faults)
    event(f"{with_agents.phase} {plan[0]}")
    assert summary(with_agents) == summary(without)


@QUICK
@given(plans(), st.integers(0, 4), st.lists(WISHES | FAULTS, max_size=4))
def test_with_and_without_agents_what_users_change_comes_to_the_same_end(
    plan: tuple[Strategy, ReplicaSpecs, SuccessPolicy], limit: int, faults: list[Fault | Wish]
) -> None:
    with_agents = end_of(job(plan, limit, (), AgentMode.ENABLED), faults)
    without = end_of(job(plan, limit, (), AgentMode.DISABLED), faults)
    event(f"{with_agents.phase} {with_agents.resizes > 0} {plan[0]}")
    assert summary(with_agents) == summary(without)


BETWEEN_STEPS = st.integers(0, 12).map(lambda steps: steps + 0.5)
"""Then both modes stop at the same one, though orders to agents take a moment."""
CUTS = st.one_of(
    st.builds(Fault, BETWEEN_STEPS, st.integers(0, 4), st.just("signal"), st.just(9)),
    st.builds(Fault, BETWEEN_STEPS, st.integers(0, 4), st.sampled_from(["memory", "preempted"])),
    st.builds(Wish, BETWEEN_STEPS, st.sampled_from(["scale", "suspend"]), st.just(1)),
)


@QUICK
@given(plans(Strategy.MULTI_WORKER_MIRRORED), st.lists(CUTS, max_size=4))
def test_with_and_without_agents_training_goes_on_from_the_same_step(
    plan: tuple[Strategy, ReplicaSpecs, SuccessPolicy], faults: list[Fault | Wish]
) -> None:
    with_agents = _restored(job(plan, 100, (), AgentMode.ENABLED), faults)
    event(f"{len(set(with_agents.values()))} steps")
    assert with_agents == _restored(job(plan, 100, (), AgentMode.DISABLED), faults)


def _restored(
    job: TensorFlowJob, faults: list[Fault | Wish]
) -> dict[tuple[membership.Seat, int], int | None]:
    """The step that each member goes on from in each attempt."""
    found = ended_world(job, faults).restored
    return {
        ((role, index), run): step
        for ((role, index), run), step in found.items()
        if role is not Role.EVALUATOR
    }


@QUICK
@given(plans(), st.lists(WISHES | FAULTS, max_size=2))
def test_with_and_without_agents_the_deadline_ends_the_same(
    plan: tuple[Strategy, ReplicaSpecs, SuccessPolicy], faults: list[Fault | Wish]
) -> None:
    """Both have come through the same faults long before."""
    endless = Script(strategy=plan[0], steps=10_000)
    ends = [
        end_of(job(plan, 4, (), mode, deadline=200), faults, script=endless)
        for mode in (AgentMode.ENABLED, AgentMode.DISABLED)
    ]
    event(f"{ends[0].reason} {plan[0]}")
    assert summary(ends[0]) == summary(ends[1])


@pytest.mark.parametrize("mode", AgentMode)
def test_training_goes_on_from_the_newest_save(mode: AgentMode) -> None:
    """With agents the record says which; without, the programs find it."""
    world = World(make_job(recovery=Recovery(agent=mode)), Script(steps=20, save_every=5))
    world.wait_until(lambda: any(one.step == 8 for one in world.living))
    world.program("worker-1").end(signal=9)
    world.wait_until(lambda: len([one for one in world.living if one.run == 2]) == 3)
    assert {one.restore for one in world.living} == {5}
    assert world.finish().phase is Phase.SUCCEEDED


DISRUPTIONS = st.one_of(
    st.builds(Fault, st.floats(0, 3), st.integers(0, 4), st.sampled_from(["preempted", "deleted"])),
    NODE_LOSSES,
)


@QUICK
@given(plans(), st.lists(DISRUPTIONS, max_size=3), st.sampled_from(AgentMode))
def test_disruptions_alone_cost_no_restart(
    plan: tuple[Strategy, ReplicaSpecs, SuccessPolicy], faults: list[Fault], mode: AgentMode
) -> None:
    """Not even with no restart allowed; only restartPolicy Never minds them."""
    status = end_of(job(plan, 0, (), mode), faults)
    specs = plan[1]
    never = any(one and one.restart_policy is RestartPolicy.NEVER for one in (specs.chief, specs.worker))
    assert status.restarts == 0
    assert status.phase is Phase.SUCCEEDED or never


@dataclass(frozen=True)
class Trouble:
    """Something that concerns only the control plane, for so many seconds."""

    kind: str
    seconds: float
    number: int

    def strike(self, world: World) -> None:
        if self.kind == "controller":
            world.kill_controller(self.number)
        elif self.kind == "cut":
            replicas = world.cluster.replicas(world.key)
            world.network.cut |= {one.uid for one in replicas[self.number :: 3]}
        elif self.kind == "reads":
            world.backend.fall_behind(world.key)
        elif self.kind == "writes":
            world.backend.interfere(world.key, self.number)
        else:
            world.network.weather = FOUL
        world.advance(self.seconds)
        world.network.cut.clear()
        world.network.weather = FAIR
        world.backend.catch_up(world.key)
        if world.controller is None:
            world.start_controller()
        else:
            world.controller.calls_left = None


TROUBLES = st.builds(
    Trouble,
    st.sampled_from(["controller", "controller", "cut", "reads", "writes", "weather"]),
    st.floats(0, 40),
    st.integers(0, 8),
)
SHAPES = st.sampled_from(
    [
        (Strategy.MULTI_WORKER_MIRRORED, gang(2, evaluator=True), SuccessPolicy.CHIEF),
        (Strategy.MULTI_WORKER_MIRRORED, gang(3, chief=False), SuccessPolicy.ALL_WORKERS),
        (Strategy.PARAMETER_SERVER, servers(2, 2, evaluator=True), SuccessPolicy.CHIEF),
        (Strategy.INDEPENDENT, gang(3), SuccessPolicy.ALL_WORKERS),
    ]
)


@QUICK
@given(SHAPES, st.sampled_from(AgentMode), st.lists(TROUBLES, max_size=8), st.integers(0, 1000))
def test_troubles_of_the_control_plane_alone_cost_nothing(
    plan: tuple[Strategy, ReplicaSpecs, SuccessPolicy], mode: AgentMode, troubles: list[Trouble], seed: int
) -> None:
    """Lost, repeated and late messages, stale reads, conflicts, dead controllers: every program starts once."""
    found = job(plan, 0, (), mode)
    world = World(found, Script(strategy=plan[0], steps=60), seed=seed)
    for trouble in troubles:
        trouble.strike(world)
    status = world.finish()
    assert (status.phase, status.attempts) == (Phase.SUCCEEDED, ())
    assert (status.restarts, status.disruptions, status.steps_lost) == (0, 0, 0)
    assert len(world.ledger.starts) == len({seat for seat, _ in world.ledger.starts}), "started once each"
