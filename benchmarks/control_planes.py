"""What benchmarks of the controller ask of a control plane: namespaces, many objects at once, and when pods were made.

Pods never run there, unless a stand-in kubelet says so.
"""

import asyncio
import itertools
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import Api
from orchestrator.backends.kubernetes.objects import Pod
from tests.cluster.control_plane import ControlPlane
from tests.cluster.fixtures import Cluster, open_cluster

AT_ONCE = 100
LIMIT_SECONDS = 300.0
LOOK_SECONDS = 0.1
_ACCOUNTS = resources.Resource("", "v1", "serviceaccounts")
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Stage:
    """A control plane that runs. `folder`: for whatever else is started beside it."""

    cluster: Cluster
    plane: ControlPlane
    folder: Path


@contextmanager
def stage(*, audit: bool = False) -> Iterator[Stage]:
    with tempfile.TemporaryDirectory(prefix="tfo-bench-") as name:
        cluster, plane = open_cluster(Path(name) / "cluster", audit=audit)
        try:
            yield Stage(cluster, plane, Path(name))
        finally:
            plane.stop()


def job(name: str, replicas: int) -> JsonObject:
    """Without agents: no pod ever runs here, and the attempt's record comes before the pods."""
    program = {"containers": [{"name": "tensorflow", "image": "any", "command": ["train"]}]}
    return {
        "apiVersion": "tf-orchestrator.io/v1alpha1",
        "kind": "TensorFlowJob",
        "metadata": {"name": name},
        "spec": {
            "recovery": {"agent": "Disabled"},
            "template": {"spec": program},
            "replicaSpecs": {"chief": {}, "worker": {"replicas": replicas - 1}},
        },
    }


class PodWatcher:
    """Notes when pods of a namespace were made; goes on where the server, busy as it is, cuts a watch short."""

    def __init__(self, api: Api, namespace: str, wanted: int) -> None:
        self._api, self._namespace, self._wanted = api, namespace, wanted
        self._version = "0"
        self.seen: dict[str, float] = {}

    async def begin(self) -> None:
        page = await self._api.send(resources.list_page(resources.PODS, self._namespace))
        self._version = msgspec.json.decode(page.body)["metadata"]["resourceVersion"]

    async def until_all(self) -> float:
        """The moment at which the last one was there."""
        while len(self.seen) < self._wanted:
            request = resources.watch(resources.PODS, self._namespace, version=self._version, seconds=300)
            async with self._api.lines(request, silence_seconds=LIMIT_SECONDS) as lines:
                async for line in lines:
                    self._take(msgspec.json.decode(line, type=_Event))
                    if len(self.seen) >= self._wanted:
                        break
        return max(self.seen.values())

    def _take(self, event: "_Event") -> None:
        self._version = event.object.metadata.resource_version
        if event.type == "ADDED":
            self.seen.setdefault(event.object.metadata.name, time.perf_counter())


class _Event(msgspec.Struct, frozen=True):
    type: str
    object: Pod


async def create_all(api: Api, objects: Sequence[tuple[resources.Resource, str, JsonObject]]) -> None:
    """AT_ONCE at a time."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def create(resource: resources.Resource, namespace: str, body: JsonObject) -> None:
        async with gate:
            await api.send(resources.create(resource, namespace, body))

    await asyncio.gather(*(create(*one) for one in objects))


async def list_all(api: Api, resource: resources.Resource, namespace: str) -> list[JsonObject]:
    found: list[JsonObject] = []
    following = ""
    while True:
        request = resources.list_page(resource, namespace, following=following)
        page = msgspec.json.decode((await api.send(request)).body)
        found += page["items"]
        following = page["metadata"].get("continue", "")
        if not following:
            return found


async def make_namespace(api: Api, kind: str) -> str:
    """With its ServiceAccount, without which no pod is admitted."""
    name = f"{kind}-{next(_NUMBERS)}"
    await api.send(resources.create(resources.NAMESPACES, None, {"metadata": {"name": name}}))

    async def has_account() -> bool:
        return bool(await list_all(api, _ACCOUNTS, name))

    await wait_for(has_account, f"{name} has a ServiceAccount")
    return name


async def wait_for(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Raises TimeoutError."""
    limit = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < limit:
        if await condition():
            return
        await asyncio.sleep(LOOK_SECONDS)
    raise TimeoutError(f"waited in vain until {what}")
