"""Replicas outside the gang in a simulated world: each is judged, counted, stopped and started again by itself."""

from orchestrator.api.status import Cause, Phase, Side
from orchestrator.api.types import (
    ExitCodeAction,
    ExitCodeRule,
    Recovery,
    ReplicaSpecs,
    RunPolicy,
    Strategy,
    SuccessPolicy,
    TensorFlowJob,
)
from orchestrator.core.actions import Reason
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
