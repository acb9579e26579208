"""Replicas outside the gang in a simulated world: each is judged, counted, stopped and started again by itself."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Cause, Phase, Side
from orchestrator.api.types import (
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
from orchestrator.core.actions import EventType, Reason
from orchestrator.core.observed import Disruption
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job, servers
from tests.simulation.programs import Script
from tests.simulation.world import World


def alone(
    specs: ReplicaSpecs | None = None, recovery: Recovery | None = None, limit: int = 3
) -> TensorFlowJob:
    """Two workers, each by itself."""
    return make_job(
        specs or gang(2, chief=False),
        strategy=Strategy.INDEPENDENT,
        success=SuccessPolicy.ALL_WORKERS,
        run_policy=RunPolicy(backoff_limit=limit),
        recovery=recovery,
    )


def script(steps: int) -> Script:
    return Script(strategy=Strategy.INDEPENDENT, steps=steps)


def side(world: World, name: str) -> Side:
    return next(one for one in world.status.sides if one.name == name)


# --- without agents: ends that nobody saw coming


def _run_unseen(world: World, name: str) -> None:
    """Its pod is created, and the controller dies before it has seen it run."""
    world.wait_until(lambda: name in [one.name for one in world.cluster.replicas(world.key)])
    world.kill_controller()
    world.advance(6)


def test_bare_replicas_that_succeed_while_the_controller_is_down_have_succeeded() -> None:
    world = World(alone(recovery=WITHOUT_AGENTS, limit=0), script(5))
    _run_unseen(world, "worker-1")
    world.advance(60)
    assert world.living == []
    world.start_controller()
    status = world.finish()
    assert (status.phase, status.restarts, len(world.ledger.starts)) == (Phase.SUCCEEDED, 0, 2)


def test_a_bare_parameter_server_worker_that_succeeds_unseen_has_succeeded() -> None:
    job = make_job(
        servers(1, 1),
        strategy=Strategy.PARAMETER_SERVER,
        recovery=WITHOUT_AGENTS,
        run_policy=RunPolicy(backoff_limit=0),
    )
    world = World(job, Script(strategy=Strategy.PARAMETER_SERVER, steps=60))
    _run_unseen(world, "worker-0")
    world.program("worker-0").end(0)
    world.start_controller()
    world.advance(5)
    assert side(world, "worker-0").succeeded
    assert (world.status.phase, world.status.restarts) == (Phase.RUNNING, 0)


def test_a_bare_replica_that_fails_unseen_is_judged_by_its_exit_code() -> None:
    rules = (ExitCodeRule(codes=(3,), action=ExitCodeAction.FAIL),)
    recovery = Recovery(agent=WITHOUT_AGENTS.agent, exit_codes=rules)
    world = World(alone(recovery=recovery), script(60))
    _run_unseen(world, "worker-1")
    world.program("worker-1").end(3)
    world.start_controller()
    status = world.finish()
    assert (status.phase, status.reason) == (Phase.FAILED, Reason.EXIT_CODE_RULE)
    assert status.failure is not None
    assert (status.failure.member, status.failure.cause) == ("worker-1", Cause.PROGRAM_EXIT)


# --- requests that concern the whole job


def _suspended(spec: JobSpec, suspend: bool) -> JobSpec:
    return replace(spec, run_policy=replace(spec.run_policy, suspend=suspend))


def _suspend_and_resume(world: World) -> None:
    """Before anybody has stopped."""
    world.advance(8.5)
    world.backend.edit(world.key, lambda spec: _suspended(spec, True))
    world.advance(0.1)
    world.backend.edit(world.key, lambda spec: _suspended(spec, False))


NEVER = ReplicaSpecs(worker=ReplicaSpec(replicas=3, restart_policy=RestartPolicy.NEVER))


@pytest.mark.parametrize("specs", [gang(3, chief=False), NEVER], ids=["OnFailure", "Never"])
@pytest.mark.parametrize("recovery", [Recovery(), WITHOUT_AGENTS], ids=["agents", "bare"])
def test_a_quick_suspend_and_resume_of_independent_replicas_counts_nowhere(
    recovery: Recovery, specs: ReplicaSpecs
) -> None:
    world = World(alone(specs, recovery), script(60))
    _suspend_and_resume(world)
    status = world.finish()
    assert (status.phase, status.restarts, status.disruptions) == (Phase.SUCCEEDED, 0, 0)
    assert [(one.restarts, one.cause) for one in status.sides] == [(0, None)] * 3


def test_a_quick_suspend_and_resume_costs_the_evaluator_no_restart() -> None:
    world = World(make_job(gang(2, evaluator=True)), Script(steps=60))
    _suspend_and_resume(world)
    world.advance(20)
    found = side(world, "evaluator-0")
    assert (found.run, found.restarts, found.not_before) == (2, 0, None)
    assert not [one for one in world.all_events() if one.reason is Reason.SIDE_RESTART]


def test_the_evaluator_starts_no_more_once_the_job_is_being_suspended() -> None:
    world = World(make_job(gang(2, evaluator=True)), Script(steps=60))
    world.advance(8.5)
    world.backend.edit(world.key, lambda spec: _suspended(spec, True))
    world.wait_until(lambda: world.status.phase is Phase.SUSPENDED)
    world.advance(60)
    assert [run for (seat, run) in world.ledger.starts if seat[0] is Role.EVALUATOR] == [1]
    assert not [one for one in world.all_events() if one.reason is Reason.SIDE_RESTART]


# --- back-off and barrier


def _crash(world: World, name: str, times: int) -> None:
    for _ in range(times):
        world.wait_until(lambda: name in [f"{one.seat[0].value}-{one.seat[1]}" for one in world.living])
        world.program(name).end(1)
        world.advance(0.2)


def test_a_replica_whose_agent_is_cut_during_its_back_off_is_replaced_after_the_barrier() -> None:
    world = World(alone(), script(30))
    world.advance(8)
    _crash(world, "worker-1", 2)
    cut = world.replica("worker-1").uid
    world.network.cut.add(cut)
    world.advance(115)
    assert world.replica("worker-1").uid == cut
    world.advance(20)
    assert world.replica("worker-1").uid != cut
    assert world.finish().restarts == 2


def test_a_program_that_hangs_again_is_stopped_at_once_and_only_its_next_start_waits() -> None:
    world = World(alone(gang(1, chief=False), Recovery(hang_timeout_seconds=10), limit=5), script(60))
    for number in (1, 2, 3):
        world.wait_until(lambda: any(one.is_training for one in world.living))
        program = world.program("worker-0")
        program.freeze()
        world.wait_until(lambda number=number: side(world, "worker-0").restarts == number)  # type: ignore[misc]  # mypy cannot infer such a lambda
        assert world.wait_until(lambda program=program: not program.is_alive) < 0.5  # type: ignore[misc]  # the same
    assert side(world, "worker-0").cause is Cause.HANG
    assert world.wait_until(lambda: world.living != []) == pytest.approx(2, abs=0.2)


def _waits_of_crashes(world: World, times: int, steps: int) -> list[int]:
    """How long it takes to start again after each crash, so many steps after each start."""
    waits = []
    for _ in range(times):
        world.wait_until(lambda: any(one.is_training for one in world.living))
        world.advance(steps)
        world.living[0].end(1)
        waits.append(round(world.wait_until(lambda: world.living != [])))
    return waits


ONE = gang(1, chief=False)


def test_the_first_restart_of_an_independent_replica_since_its_last_progress_is_immediate() -> None:
    world = World(alone(ONE, limit=100), Script(strategy=Strategy.INDEPENDENT, steps=9999, save_every=9999))
    assert _waits_of_crashes(world, 4, steps=0) == [0, 1, 2, 4]
    assert _waits_of_crashes(world, 1, steps=20) == [0]
    assert _waits_of_crashes(world, 3, steps=5) == [1, 2, 4], "the same steps again are no progress"


def test_disruptions_of_an_independent_replica_wait_for_nothing() -> None:
    world = World(alone(ONE), script(9999))
    for _ in range(4):
        world.wait_until(lambda: any(one.is_training for one in world.living))
        world.advance(20)
        world.cluster.disrupt(world.replica("worker-0").uid, Disruption.PREEMPTED)
        world.wait_until(lambda: world.living == [])
        assert world.wait_until(lambda: world.living != []) < 2
    assert (world.status.phase, world.status.disruptions) == (Phase.RUNNING, 4)


def test_an_independent_replica_that_is_always_disrupted_before_any_progress_fails_the_job() -> None:
    world = World(alone(ONE), script(9999))
    world.advance(15)
    for _ in range(6):
        world.wait_until(lambda: world.living != [])
        world.advance(0.5)
        world.cluster.disrupt(world.replica("worker-0").uid, Disruption.PREEMPTED)
        world.wait_until(lambda: world.living == [])
    status = world.finish()
    assert (status.phase, status.reason, status.disruptions) == (Phase.FAILED, Reason.NO_PROGRESS, 5)
    assert status.message == "worker-0 was disrupted 5 times in a row before any progress"


# --- replicas that are no longer wanted


def _scaled(spec: JobSpec, workers: int) -> JobSpec:
    assert spec.replica_specs.worker is not None
    worker = replace(spec.replica_specs.worker, replicas=workers)
    return replace(spec, replica_specs=replace(spec.replica_specs, worker=worker))


@pytest.mark.parametrize("recovery", [Recovery(), WITHOUT_AGENTS], ids=["agents", "bare"])
def test_an_independent_replica_that_is_scaled_away_saves_before_it_goes(recovery: Recovery) -> None:
    job = alone(gang(3, chief=False), recovery)
    world = World(job, Script(strategy=Strategy.INDEPENDENT, steps=60, save_every=9999))
    world.advance(20.5)
    program = world.program("worker-2")
    world.backend.edit(world.key, lambda spec: _scaled(spec, 2))
    world.wait_until(lambda: not program.is_alive, limit=2)
    assert world.disk.step == program.step
    world.wait_until(lambda: len(world.cluster.replicas(world.key)) == 2, limit=2)
    status = world.finish()
    assert (status.phase, status.restarts, status.disruptions) == (Phase.SUCCEEDED, 0, 0)


def test_a_replica_that_is_wanted_again_while_it_saves_is_let_finish_and_counted_nowhere() -> None:
    world = World(
        alone(gang(3, chief=False)), Script(strategy=Strategy.INDEPENDENT, steps=60, save_every=9999)
    )
    world.advance(20.5)
    program = world.program("worker-2")
    world.backend.edit(world.key, lambda spec: _scaled(spec, 2))
    world.advance(0.2)
    world.backend.edit(world.key, lambda spec: _scaled(spec, 3))
    world.wait_until(lambda: not program.is_alive)
    assert world.disk.step == program.step
    world.wait_until(lambda: len(world.living) == 3)
    assert (side(world, "worker-2").run, side(world, "worker-2").restore_step) == (2, program.step)
    assert (world.status.restarts, world.status.disruptions) == (0, 0)


# --- the evaluator's restartPolicy


def _evaluated(policy: RestartPolicy, recovery: Recovery | None = None) -> World:
    specs = ReplicaSpecs(chief=ReplicaSpec(), evaluator=ReplicaSpec(restart_policy=policy))
    world = World(make_job(specs, recovery=recovery), Script(steps=60))
    world.advance(8)
    return world


@pytest.mark.parametrize("recovery", [Recovery(), WITHOUT_AGENTS], ids=["agents", "bare"])
def test_an_evaluator_whose_restart_policy_is_never_is_not_started_again_and_fails_nothing(
    recovery: Recovery,
) -> None:
    world = _evaluated(RestartPolicy.NEVER, recovery)
    world.program("evaluator-0").end(1)
    status = world.finish()
    assert (status.phase, status.restarts, side(world, "evaluator-0").restarts) == (Phase.SUCCEEDED, 0, 0)
    assert [run for (seat, run) in world.ledger.starts if seat[0] is Role.EVALUATOR] == [1]
    told = [one for one in world.all_events() if one.reason is Reason.RESTART_POLICY]
    assert [one.message for one in told] == ["evaluator-0 exited with code 1; its restartPolicy is Never"]


@pytest.mark.parametrize("recovery", [Recovery(), WITHOUT_AGENTS], ids=["agents", "bare"])
def test_an_evaluator_whose_restart_policy_is_always_starts_again_after_exit_code_0(
    recovery: Recovery,
) -> None:
    world = _evaluated(RestartPolicy.ALWAYS, recovery)
    world.program("evaluator-0").end(0)
    status = world.finish()
    found = side(world, "evaluator-0")
    assert (status.phase, status.restarts, found.restarts, found.exit_code) == (Phase.SUCCEEDED, 0, 1, None)
    assert [run for (seat, run) in world.ledger.starts if seat[0] is Role.EVALUATOR] == [1, 2]
    told = [one for one in world.all_events() if one.reason is Reason.SIDE_RESTART]
    assert [(one.type, one.message) for one in told] == [
        (EventType.NORMAL, "evaluator-0 exited with code 0; it restarts alone")
    ]
