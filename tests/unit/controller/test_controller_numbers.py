"""What the controller counts of itself comes out under the names that dashboards know."""

import asyncio
import time
from datetime import UTC, datetime

from orchestrator.backends.kubernetes.backend import KubernetesBackend
from orchestrator.backends.kubernetes.settings import Settings
from orchestrator.controller.numbers import Numbers, Requests
from orchestrator.controller.pulse import Pulse
from orchestrator.controller.queue import Queue
from orchestrator.metrics.exporter import Exporter
from orchestrator.metrics.registry import OF_CONTROLLER
from orchestrator.metrics.store import Store
from tests.fixtures.scripted_api import ScriptedApi


def now() -> datetime:
    return datetime.now(UTC)


async def rendered() -> str:
    """After one good turn, one bad one, and one request."""

    async def turn(key: str) -> float | None:
        if key == "bad":
            raise ValueError("broken")
        return None

    queue = Queue(turn, lambda key, error: None)
    backend = KubernetesBackend(
        ScriptedApi(), Settings(agent_image="a", trainer_image="t", coordinator="c:1"), now
    )
    requests = Requests("https://host:6443")
    requests.observe("GET", "200", 0.02)
    numbers = Numbers(queue, 16, backend, requests, lambda: 3, Pulse(time.monotonic))
    numbers.lease, numbers.is_leading = "lease", lambda: True
    task = asyncio.create_task(queue.run())
    queue.add("good")
    queue.add("bad")
    async with asyncio.timeout(5):
        while queue.numbers.errors == 0 or queue.numbers.results["success"] == 0:
            await asyncio.sleep(0.001)
    queue.close()
    await task
    return Exporter(Store(), now, others=numbers.points).render().body.decode()


async def test_every_metric_of_the_controller_is_there() -> None:
    text = await rendered()
    for spec in OF_CONTROLLER.values():
        assert f"# TYPE {spec.name} {spec.kind.value}" in text, spec.name


async def test_the_values_are_what_happened() -> None:
    lines = (await rendered()).splitlines()
    assert 'controller_runtime_reconcile_total{controller="tensorflowjob",result="success"} 1.0' in lines
    assert 'controller_runtime_reconcile_errors_total{controller="tensorflowjob"} 1.0' in lines
    assert 'rest_client_requests_total{code="200",host="host:6443",method="GET"} 1.0' in lines
    assert 'rest_client_request_duration_seconds_bucket{host="host:6443",le="0.025",verb="GET"} 1.0' in lines
    assert 'leader_election_master_status{name="lease"} 1.0' in lines
    assert 'tfo_cache_objects{resource="pods"} 0.0' in lines
    assert "tfo_events_lost_total 3.0" in lines
