"""How soon all pods of a job, or of many jobs, exist: our controller against a client that only makes the same objects.

`python -m benchmarks.creates [--pairs 5] [--quick]`, on a real control plane without nodes. The minimal client writes
the same service, pods and statuses as fast as it can, 100 at a time, with the same watch open. Goal for both shapes,
1 job of 1,000 replicas and 100 jobs of 10: at most 1.5 times the client's time and 0.3 s. Beside it: bare creates.
"""

import asyncio
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks import command
from benchmarks.figures import Figure, Sample
from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import Api
from orchestrator.backends.kubernetes.objects import Pod
from orchestrator.backends.kubernetes.transport import open_api
from tests.cluster.fixtures import open_cluster

GOAL = 1.5
ALLOWANCE_SECONDS = 0.3
AT_ONCE = 100
LIMIT_SECONDS = 300.0
_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Shape:
    """So many jobs, each of so many replicas."""

    name: str
    jobs: int
    replicas: int

    @property
    def pods(self) -> int:
        return self.jobs * self.replicas


SHAPES = (Shape("1 job of 1,000 replicas", 1, 1000), Shape("100 jobs of 10 replicas", 100, 10))
QUICK = (Shape("1 job of 50 replicas", 1, 50),)


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


class Watcher:
    """Counts new pods of a namespace; goes on where the server, busy as it is, cuts a watch short."""

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


class Scene:
    """A control plane, our controller beside it, and a client of our own."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def ours(self, shape: Shape) -> float:
        """Seconds from the first apply to the last pod."""
        namespace = await self._namespace("ours")
        watcher = Watcher(self._api, namespace, shape.pods)
        await watcher.begin()
        waiting = asyncio.create_task(watcher.until_all())
        begun = time.perf_counter()
        names = [f"job-{number}" for number in range(shape.jobs)]
        await self._all([(resources.JOBS, namespace, job(name, shape.replicas)) for name in names])
        took = await asyncio.wait_for(waiting, LIMIT_SECONDS) - begun
        self.bodies = await self._bodies(namespace)
        return took

    async def minimal(self, shape: Shape, *, bare: bool = False) -> float:
        """The same pods, with the services and two writes of each status; `bare`: nothing but the pods."""
        namespace = await self._namespace("theirs")
        watcher = Watcher(self._api, namespace, shape.pods)
        await watcher.begin()
        waiting = asyncio.create_task(watcher.until_all())
        begun = time.perf_counter()
        if not bare:
            await self._surround(namespace, shape)
        await self._all([(resources.PODS, namespace, body) for body in self.bodies])
        return await asyncio.wait_for(waiting, LIMIT_SECONDS) - begun

    async def _surround(self, namespace: str, shape: Shape) -> None:
        """Jobs of a class that no controller looks after, their services, and two statuses each."""
        names = [f"job-{number}" for number in range(shape.jobs)]
        jobs = [job(name, shape.replicas) for name in names]
        for one in jobs:
            one["spec"]["runPolicy"] = {"managedBy": "benchmark"}
        await self._all([(resources.JOBS, namespace, one) for one in jobs])
        ports = [{"name": "p", "port": 2222}]
        services = [
            {"metadata": {"name": f"{name}-tfo"}, "spec": {"clusterIP": "None", "ports": ports}}
            for name in names
        ]
        await self._all([(resources.SERVICES, namespace, one) for one in services])
        for phase in ("Created", "Running"):
            body = {"status": {"phase": phase}}
            await asyncio.gather(
                *(
                    self._api.send(resources.patch(resources.JOBS, namespace, name, body, "status"))
                    for name in names
                )
            )

    async def _all(self, objects: Sequence[tuple[resources.Resource, str, JsonObject]]) -> None:
        gate = asyncio.Semaphore(AT_ONCE)

        async def create(resource: resources.Resource, namespace: str, body: JsonObject) -> None:
            async with gate:
                await self._api.send(resources.create(resource, namespace, body))

        await asyncio.gather(*(create(*one) for one in objects))

    async def _namespace(self, kind: str) -> str:
        """With its ServiceAccount, without which no pod is admitted."""
        name = f"{kind}-{next(_NUMBERS)}"
        await self._api.send(resources.create(resources.NAMESPACES, None, {"metadata": {"name": name}}))
        accounts = resources.Resource("", "v1", "serviceaccounts")
        limit = time.monotonic() + LIMIT_SECONDS
        while time.monotonic() < limit:
            page = await self._api.send(resources.list_page(accounts, name))
            if msgspec.json.decode(page.body)["items"]:
                break
            await asyncio.sleep(0.05)
        return name

    async def _bodies(self, namespace: str) -> list[JsonObject]:
        """As our controller made them, without what the server added and without an owner."""
        bodies: list[JsonObject] = []
        following = ""
        while True:
            request = resources.list_page(resources.PODS, namespace, following=following)
            page = msgspec.json.decode((await self._api.send(request)).body)
            bodies += [_as_made(one) for one in page["items"]]
            following = page["metadata"].get("continue", "")
            if not following:
                return bodies


def _as_made(pod: JsonObject) -> JsonObject:
    spec = {name: value for name, value in pod["spec"].items() if not name.startswith("serviceAccount")}
    spec.pop("volumes", None)
    for container in spec["containers"]:
        container.pop("volumeMounts", None)
    metadata = {"name": pod["metadata"]["name"], "labels": {"benchmark": "minimal"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def start_controller(kubeconfig: Path, log: Path) -> "subprocess.Popen[bytes]":
    words = [
        *("--kubeconfig", str(kubeconfig), "--namespace", "default", "--leader-elect", "false"),
        *("--coordinator-bind", "127.0.0.1:0", "--coordinator", "nowhere:1", "--metrics-bind", "127.0.0.1:0"),
    ]
    with log.open("wb") as file:
        return subprocess.Popen([sys.executable, "-m", "orchestrator.controller", *words], stderr=file)


async def measure_shape(scene: Scene, shape: Shape, pairs: int) -> Figure:
    ours, minimal, bare = [], [], []
    await scene.ours(shape)  # warms both up, and shows what the pods are
    for number in range(pairs):
        first = number % 2 == 0
        if first:
            ours.append(await scene.ours(shape))
        minimal.append(await scene.minimal(shape))
        bare.append(await scene.minimal(shape, bare=True))
        if not first:
            ours.append(await scene.ours(shape))
    ratios = tuple((one - ALLOWANCE_SECONDS) / other for one, other in zip(ours, minimal, strict=True))
    to_bare = tuple(one / other for one, other in zip(ours, bare, strict=True))
    beside = (
        Sample("ours", tuple(ours)),
        Sample("minimal client", tuple(minimal)),
        Sample("bare creates", tuple(bare)),
        Sample("ours, of bare creates", to_bare, "×"),
    )
    return Figure(
        f"{shape.name}: all pods exist, less 0.3 s, of a minimal client",
        Sample("ratio", ratios, "×"),
        GOAL,
        beside,
    )


async def measure_all(kubeconfig: Path, size: command.Size) -> list[Figure]:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(await open_api(kubeconfig=str(kubeconfig)))
        scene = Scene(api)
        return [await measure_shape(scene, one, size.pairs) for one in (QUICK if size.is_quick else SHAPES)]


def measured(size: command.Size) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="tfo-bench-") as name:
        cluster, plane = open_cluster(Path(name) / "cluster")
        controller = start_controller(cluster.kubeconfig, Path(name) / "controller.log")
        try:
            return asyncio.run(measure_all(cluster.kubeconfig, size))
        finally:
            controller.terminate()
            controller.wait()
            plane.stop()


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, 5))
