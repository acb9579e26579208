"""The built-in jobs in real pods: with chief and two workers, those that are programs of several processes."""

import pytest

from orchestrator.api.types import JsonObject
from tests.fixtures.jobs_in_pods import World

pytestmark = pytest.mark.e2e
ALONE: JsonObject = {"chief": {}}
TOGETHER: JsonObject = {"chief": {}, "worker": {"replicas": 2}}


@pytest.mark.parametrize(
    ("workload", "epochs", "replicas"),
    [("perceptron", 5, ALONE), ("mlp", 3, TOGETHER), ("cnn", 2, TOGETHER), ("rnn", 2, TOGETHER)],
)
def test_a_built_in_job_trains_in_pods(
    world: World, workload: str, epochs: int, replicas: JsonObject
) -> None:
    spec = {"workload": {"name": workload, "args": {"epochs": epochs}}, "replicaSpecs": replicas}
    job = world.create(workload, spec)
    status = job.until_over()
    assert status["progress"]["epoch"] == epochs
    assert 0 < float(status["progress"]["accuracy"]) <= 1
    assert status.get("restarts", 0) == 0
    wanted = {role: one.get("replicas", 1) for role, one in replicas.items()}
    job.until(lambda: job.succeeded() == wanted, "all are counted as succeeded")
    job.delete()
    assert job.pods() == {}
