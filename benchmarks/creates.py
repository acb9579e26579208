"""How soon all pods of a job, or of many jobs, exist: our controller against a client that only makes the same objects.

`python -m benchmarks.creates [--pairs 5] [--quick]`, on a real control plane without nodes. The minimal client writes
the same service, pods and statuses as fast as it can, 100 at a time, with the same watch open. Goal for both shapes,
1 job of 1,000 replicas and 100 jobs of 10: at most 1.5 times the client's time and 0.3 s. Beside it: bare creates.
"""

import asyncio
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import command
from benchmarks.control_planes import (
    AT_ONCE,
    LIMIT_SECONDS,
    PodWatcher,
    create_all,
    job,
    list_all,
    make_namespace,
    stage,
)
from benchmarks.figures import Figure, Sample
from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import Api
from orchestrator.backends.kubernetes.transport import open_api
from tests.fixtures.controllers import ControllerProcess

GOAL = 1.5
ALLOWANCE_SECONDS = 0.3


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


class Scene:
    """A control plane, our controller beside it, and a client of our own."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def ours(self, shape: Shape) -> float:
        """Seconds from the first apply to the last pod."""
        namespace = await make_namespace(self._api, "ours")
        watcher = PodWatcher(self._api, namespace, shape.pods)
        await watcher.begin()
        waiting = asyncio.create_task(watcher.until_all())
        begun = time.perf_counter()
        names = [f"job-{number}" for number in range(shape.jobs)]
        await create_all(
            self._api, [(resources.JOBS, namespace, job(name, shape.replicas)) for name in names]
        )
        took = await asyncio.wait_for(waiting, LIMIT_SECONDS) - begun
        self.bodies = await self._bodies(namespace)
        return took

    async def minimal(self, shape: Shape, *, bare: bool = False) -> float:
        """The same pods, with the services and two writes of each status; `bare`: nothing but the pods."""
        namespace = await make_namespace(self._api, "theirs")
        watcher = PodWatcher(self._api, namespace, shape.pods)
        await watcher.begin()
        waiting = asyncio.create_task(watcher.until_all())
        begun = time.perf_counter()
        if not bare:
            await self._surround(namespace, shape)
        await create_all(self._api, [(resources.PODS, namespace, body) for body in self.bodies])
        return await asyncio.wait_for(waiting, LIMIT_SECONDS) - begun

    async def _surround(self, namespace: str, shape: Shape) -> None:
        """Jobs of a class that no controller looks after, their services, and two statuses each."""
        names = [f"job-{number}" for number in range(shape.jobs)]
        jobs = [job(name, shape.replicas) for name in names]
        for one in jobs:
            one["spec"]["runPolicy"] = {"managedBy": "benchmark"}
        await create_all(self._api, [(resources.JOBS, namespace, one) for one in jobs])
        ports = [{"name": "p", "port": 2222}]
        services = [
            {"metadata": {"name": f"{name}-tfo"}, "spec": {"clusterIP": "None", "ports": ports}}
            for name in names
        ]
        await create_all(self._api, [(resources.SERVICES, namespace, one) for one in services])
        for phase in ("Created", "Running"):
            body = {"status": {"phase": phase}}
            await asyncio.gather(
                *(
                    self._api.send(resources.patch(resources.JOBS, namespace, name, body, "status"))
                    for name in names
                )
            )

    async def _bodies(self, namespace: str) -> list[JsonObject]:
        """As our controller made them, without what the server added and without an owner."""
        return [_as_made(one) for one in await list_all(self._api, resources.PODS, namespace)]


def _as_made(pod: JsonObject) -> JsonObject:
    spec = {name: value for name, value in pod["spec"].items() if not name.startswith("serviceAccount")}
    spec.pop("volumes", None)
    for container in spec["containers"]:
        container.pop("volumeMounts", None)
    metadata = {"name": pod["metadata"]["name"], "labels": {"benchmark": "minimal"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


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
    async with await open_api(kubeconfig=str(kubeconfig), requests=AT_ONCE) as api:
        scene = Scene(api)
        return [await measure_shape(scene, one, size.pairs) for one in (QUICK if size.is_quick else SHAPES)]


def measured(size: command.Size) -> list[Figure]:
    with stage() as found:
        kubeconfig = found.cluster.kubeconfig
        controller = ControllerProcess(kubeconfig, found.folder / "controller", "--leader-elect=false")
        try:
            controller.wait_ready().wait_leading()
            return asyncio.run(measure_all(kubeconfig, size))
        finally:
            controller.end()


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, 5))
