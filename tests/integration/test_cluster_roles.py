"""Who is not in the group, on a real API server without agents: evaluators, and workers of parameter servers."""

import pytest

from orchestrator.api.types import JsonObject
from tests.fixtures.bare_jobs import ALL, World

pytestmark = pytest.mark.cluster
SERVED: JsonObject = {"chief": {}, "worker": {"replicas": 2}, "ps": {}}
EVERYBODY = (*ALL, "job-ps-0")


@pytest.fixture
def world(bare_world: World) -> World:
    return bare_world


def uids(world: World) -> dict[str, str]:
    return {name: pod.metadata.uid for name, pod in world.pods().items()}


async def until_replaced(world: World, name: str, before: dict[str, str]) -> None:
    def is_another() -> bool:
        pod = world.pods().get(name)
        return pod is not None and pod.metadata.uid != before[name] and pod.status.phase == "Running"

    await world.until(is_another, f"{name} runs anew")


async def test_an_evaluator_that_fails_comes_back_alone_and_ends_with_the_job(world: World) -> None:
    await world.create(replicaSpecs={"chief": {}, "worker": {"replicas": 2}, "evaluator": {}})
    await world.until_running(*ALL)
    await world.until(lambda: "job-evaluator-0" in world.pods(), "it is there")
    await world.until(lambda: world.pods()["job-evaluator-0"].status.phase == "Running", "it runs")
    before = uids(world)
    await world.end("job-evaluator-0", 1)
    await until_replaced(world, "job-evaluator-0", before)
    assert {name: uids(world)[name] for name in ALL} == {name: before[name] for name in ALL}
    status = await world.until_phase("Running")
    assert (status["attempt"]["number"], status["restarts"]) == (1, 0)
    for name in reversed(ALL):
        await world.end(name, 0)
    await world.until_phase("Succeeded")
    await world.until(
        lambda: "job-evaluator-0" not in world.pods(),
        "it is ended",
    )


async def test_a_worker_of_parameter_servers_comes_back_alone_and_a_server_costs_an_attempt(
    world: World,
) -> None:
    await world.create(strategy="ParameterServer", replicaSpecs=SERVED)
    await world.until_running(*EVERYBODY)
    before = uids(world)
    await world.end("job-worker-1", 1)
    await until_replaced(world, "job-worker-1", before)
    others = [name for name in EVERYBODY if name != "job-worker-1"]
    assert {name: uids(world)[name] for name in others} == {name: before[name] for name in others}
    status = await world.until_phase("Running")
    assert (status["attempt"]["number"], status["restarts"]) == (1, 1)
    await world.end("job-ps-0", 137)
    await world.until_running("job-chief-0", "job-ps-0", attempt=2)
    status = await world.until_phase("Running")
    assert [(one["cause"], one["member"]) for one in status["attempts"]] == [("ProgramSignal", "ps-0")]
    assert status["restarts"] == 2
    await world.until(lambda: {*world.pods()} == {*EVERYBODY}, "everybody is back")
    await world.end("job-chief-0", 0)
    await world.until_phase("Succeeded")

    async def has_everybody() -> bool:
        found = (await world.status())["replicaStatuses"]
        return {role: one.get("succeeded") for role, one in found.items()} == {
            "chief": 1,
            "worker": 2,
            "ps": 1,
        }

    await world.until(has_everybody, "all count as succeeded, though their pods are ended")
