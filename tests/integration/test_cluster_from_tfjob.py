"""What users of TFJob have reported in vain, done here: each test names the thread in Kubeflow's trainer.

docs/explanation/from-tfjob.md lists them; other threads are answered by tests elsewhere.
"""

import pytest

from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import ApiError
from tests.fixtures.bare_jobs import ALL, World

pytestmark = pytest.mark.cluster


@pytest.fixture
def world(bare_world: World) -> World:
    return bare_world


async def test_exit_codes_that_restart_are_limited_too(world: World) -> None:
    """trainer#2045: restartPolicy ExitCode restarted without end."""
    retried: JsonObject = {"restartPolicy": "ExitCode"}
    specs = {"chief": retried, "worker": {**retried, "replicas": 2}}
    await world.create(replicaSpecs=specs, runPolicy={"backoffLimit": 1})
    for attempt in (1, 2):
        await world.until_running(*ALL, attempt=attempt)
        await world.end("job-worker-0", 130)
    status = await world.until_phase("Failed")
    assert (status["reason"], status["restarts"]) == ("BackoffLimitExceeded", 1)
    assert status["failure"]["number"] == 2


async def test_exit_codes_that_do_not_restart_fail_at_once(world: World) -> None:
    retried: JsonObject = {"restartPolicy": "ExitCode"}
    await world.create(replicaSpecs={"chief": retried, "worker": {**retried, "replicas": 2}})
    await world.until_running(*ALL)
    await world.end("job-worker-0", 1)
    status = await world.until_phase("Failed")
    assert (status["reason"], status["restarts"]) == ("RestartPolicyForbids", 0)


async def test_finished_worker_whose_pod_is_drained_away_stays_finished(world: World) -> None:
    """trainer#2453: completed workers were made anew."""
    await world.create()
    await world.until_running(*ALL)
    await world.end("job-worker-0", 0)

    async def has_counted() -> bool:
        return bool((await world.status())["replicaStatuses"]["worker"].get("succeeded") == 1)

    await world.until(has_counted, "the worker is counted")
    await world.send(resources.delete(resources.PODS, world.namespace, "job-worker-0"))
    await world.until(lambda: "job-worker-0" not in world.pods(), "its pod is gone")
    await world.end("job-worker-1", 0)
    await world.end("job-chief-0", 0)
    status = await world.until_phase("Succeeded")
    assert (status["attempt"]["number"], status.get("disruptions", 0)) == (1, 0)
    assert "job-worker-0" not in world.pods()


async def test_fewer_replicas_of_a_parameter_server_job_do_not_fail_it(world: World) -> None:
    """trainer#2070: the SIGTERM of the one that had to go was taken for a failure."""
    specs: JsonObject = {"chief": {}, "worker": {"replicas": 2}, "ps": {"replicas": 2}}
    await world.create(strategy="ParameterServer", replicaSpecs=specs)
    names = ("job-chief-0", "job-worker-0", "job-ps-0", "job-ps-1")
    await world.until_running(*names, "job-worker-1")
    with pytest.raises(ApiError, match=r"ps\.replicas cannot be changed after creation"):
        await world.patch({"replicaSpecs": {"ps": {"replicas": 1}}})
    await world.patch({"replicaSpecs": {"worker": {"replicas": 1}}})
    await world.until_running(*names, attempt=2)
    status = await world.until_phase("Running")
    assert (status["restarts"], status["resizes"]) == (0, 1)
    assert "job-worker-1" not in world.pods()


async def test_one_service_names_all_pods_before_they_are_ready(world: World) -> None:
    """trainer#1458: services were made after their pods. That it comes first here is shown by core's tests."""
    await world.create()
    await world.until_running(*ALL)
    service = await world.send(resources.get(resources.SERVICES, world.namespace, "job-tfo"))
    assert service["spec"]["publishNotReadyAddresses"] is True, "from a pod's first moment"
    assert service["spec"]["selector"] == {"tf-orchestrator.io/job-name": "job"}


async def test_a_name_that_is_too_long_is_refused_at_once(world: World) -> None:
    """trainer#1101: such a job waited for ever and said nothing."""
    with pytest.raises(ApiError, match="50"):
        await world.create(name="a" * 51)
    await world.create(name="b" * 50, replicaSpecs={"chief": {}})
    await world.until_running("b" * 50 + "-chief-0")


async def test_of_a_job_that_has_succeeded_the_service_and_the_counts_stay(world: World) -> None:
    """With cleanPodPolicy All nothing else does; TFJob deletes services with their pods."""
    await world.create(runPolicy={"cleanPodPolicy": "All"})
    await world.until_running(*ALL)
    for name in reversed(ALL):
        await world.end(name, 0)
    await world.until_phase("Succeeded")
    await world.until(lambda: not world.pods(), "there are no pods")

    async def are_settled() -> bool:
        found = (await world.status())["replicaStatuses"]
        return {role: one.get("succeeded", 0) for role, one in found.items()} == {"chief": 1, "worker": 2}

    await world.until(are_settled, "everybody counts as succeeded")
    assert await world.send(resources.get(resources.SERVICES, world.namespace, "job-tfo"))
