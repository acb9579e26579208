"""What the controller does with many jobs: the first pod of a new one, its memory, and what it costs while all is calm.

`python -m benchmarks.fleet [--quick]`, on a real control plane whose pods a stand-in kubelet reports as
running. 500 jobs of 2 replicas live; 200 more are applied, ten a second: how long until each has its first pod, and the
time that 99 of 100 do not exceed. Then more jobs, to 10,000 pods: the controller's resident memory, its processor time
in half a minute in which nothing happens, and the requests it sends when all jobs are touched and nothing is to be
done, as the API server's audit log has them; leader election is on, and its Lease is not counted.
"""

import asyncio
import json
import math
import os
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from benchmarks import command
from benchmarks.control_planes import (
    LIMIT_SECONDS,
    PodWatcher,
    Stage,
    create_all,
    job,
    list_all,
    make_namespace,
    stage,
    wait_for,
)
from benchmarks.figures import Figure, Sample
from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import Api
from orchestrator.backends.kubernetes.transport import USER_AGENT, open_api
from tests.cluster import pki
from tests.cluster.control_plane import ADMINISTRATOR, ControlPlane
from tests.fixtures.controllers import ControllerProcess
from tests.fixtures.stand_in_kubelet import StandInKubelet

GOALS = {"first": 1.0, "memory": 150.0, "idle": 2.0, "requests": 0.0}
UNITS = {"first": "s", "memory": "MB", "idle": "%", "requests": "requests"}
POD_MEGABYTES = 0.003
PERCENTILE = 0.99
BETWEEN_SECONDS = 0.1
CALM_SECONDS = 10.0
IDLE_SECONDS = 30.0
REPLICAS = 2
NAME = "benchmark"
_AGENT = USER_AGENT.encode()


@dataclass(frozen=True)
class Size:
    """`live` jobs, `new` ones beside them, then `large` ones of `each` replicas."""

    live: int
    new: int
    large: int
    each: int

    @property
    def small_pods(self) -> int:
        return (self.live + self.new) * REPLICAS

    @property
    def pods(self) -> int:
        return self.small_pods + self.large * self.each


WHOLE = Size(live=500, new=200, large=86, each=100)
QUICK = Size(live=20, new=10, large=1, each=40)


class Fleet:
    """The jobs of one namespace, their controller, and what the API server has written down about it."""

    def __init__(
        self,
        api: Api,
        namespace: str,
        kubelet: StandInKubelet,
        controller: ControllerProcess,
        audit: Path,
    ) -> None:
        self._api, self._namespace, self._kubelet, self._audit = api, namespace, kubelet, audit
        self._pods = 0
        self._pid, self._port = controller.process.pid, controller.metrics

    async def fill(self, prefix: str, count: int, replicas: int) -> None:
        names = [f"{prefix}-{number}" for number in range(count)]
        await create_all(
            self._api, [(resources.JOBS, self._namespace, job(name, replicas)) for name in names]
        )
        await self._until_running(count * replicas)

    async def add(self, count: int) -> tuple[float, ...]:
        """Seconds from each job's apply to its first pod."""
        watcher = PodWatcher(self._api, self._namespace, count * REPLICAS)
        await watcher.begin()
        following = asyncio.create_task(watcher.until_all())
        applied = {}
        for number in range(count):
            name = f"new-{number}"
            applied[name] = time.perf_counter()
            await create_all(self._api, [(resources.JOBS, self._namespace, job(name, REPLICAS))])
            await asyncio.sleep(BETWEEN_SECONDS)
        await asyncio.wait_for(following, LIMIT_SECONDS)
        await self._until_running(count * REPLICAS)
        return tuple(_first(watcher.seen, name) - moment for name, moment in applied.items())

    async def touch_all(self) -> int:
        """Every job changes, and nothing is to be done. How many there are."""
        body = {"metadata": {"annotations": {"touched": "yes"}}}
        jobs = await list_all(self._api, resources.JOBS, self._namespace)
        for one in jobs:
            name = one["metadata"]["name"]
            await self._api.send(resources.patch(resources.JOBS, self._namespace, name, body))
        return len(jobs)

    def turns(self) -> int:
        """Wishes for a look at a job so far."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return int(float(next(one for one in lines if one.startswith("workqueue_adds_total{")).split()[-1]))

    def requests(self) -> int:
        """That the controller has sent, those for its Lease aside."""
        with self._audit.open("rb") as file:
            return sum(_is_ours(json.loads(line)) for line in file if _AGENT in line)

    async def until_calm(self) -> None:
        """For CALM_SECONDS the controller has sent nothing."""
        before, since = self.requests(), time.monotonic()

        async def is_calm() -> bool:
            nonlocal before, since
            now = self.requests()
            if now != before:
                before, since = now, time.monotonic()
            return time.monotonic() - since > CALM_SECONDS

        await wait_for(is_calm, "the controller is calm")

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self._pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_megabytes(self) -> float:
        pages = int(Path(f"/proc/{self._pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    async def _until_running(self, more: int) -> None:
        """So many pods more than before."""
        self._pods += more

        async def are_all() -> bool:
            found = self._kubelet.pods.all()
            return sum(pod.status.phase == "Running" for pod in found) == self._pods

        await wait_for(are_all, f"{self._pods} pods run")


def _first(seen: dict[str, float], name: str) -> float:
    return min(moment for pod, moment in seen.items() if pod.startswith(f"{name}-"))


def _is_ours(entry: JsonObject) -> bool:
    """A request of the controller's, which comes as the administrator, as nobody else with this user agent does."""
    is_lease = entry.get("objectRef", {}).get("resource") == "leases"
    is_begun = entry["stage"] == "RequestReceived"
    return is_begun and not is_lease and entry["user"]["username"] == ADMINISTRATOR


def percentile(values: Sequence[float], part: float) -> float:
    """The least value that this part of all values do not exceed."""
    return sorted(values)[math.ceil(part * len(values)) - 1]


async def measure(fleet: Fleet, size: Size) -> list[Figure]:
    empty = fleet.resident_megabytes()
    await fleet.fill("live", size.live, REPLICAS)
    await fleet.until_calm()
    first = await fleet.add(size.new)
    await fleet.fill("large", size.large, size.each)
    await fleet.until_calm()
    memory = fleet.resident_megabytes()
    begun, spent = time.perf_counter(), fleet.processor_seconds()
    await asyncio.sleep(IDLE_SECONDS)
    idle = (fleet.processor_seconds() - spent) / (time.perf_counter() - begun) * 100
    sent, turns = fleet.requests(), fleet.turns()
    touched = await fleet.touch_all()
    await asyncio.sleep(CALM_SECONDS)
    if not sent or fleet.turns() - turns < touched:
        raise RuntimeError("the audit log or the touched jobs were not seen: its silence means nothing")
    return [
        first_pod(first, size),
        Figure(
            f"controller's memory at {size.pods:,} pods, less 3 KB each",
            Sample("resident", (memory - size.pods * POD_MEGABYTES,), "MB"),
            GOALS["memory"],
            (Sample("without a job", (empty,), "MB"), Sample("as it is", (memory,), "MB")),
        ),
        Figure(
            f"controller idle, {size.pods:,} pods, of a core",
            Sample(f"{IDLE_SECONDS:.0f} s", (idle,), "%"),
            GOALS["idle"],
        ),
        Figure(
            f"requests when all {size.live + size.new + size.large} jobs are touched",
            Sample("sent", (float(fleet.requests() - sent),), "requests"),
            GOALS["requests"],
        ),
    ]


def first_pod(found: tuple[float, ...], size: Size) -> Figure:
    return Figure(
        f"apply to first pod with {size.live} live jobs, 99 of 100",
        Sample("99 of 100", (percentile(found, PERCENTILE),)),
        GOALS["first"],
        (Sample("all", found),),
    )


def own_kubeconfig(plane: ControlPlane) -> Path:
    """Another name than the controller's, so that the audit log tells them apart."""
    plane.authority.issue(NAME, NAME, pki.MASTERS)
    return plane.authority.kubeconfig(NAME, plane.server)


async def measure_all(found: Stage, controller: ControllerProcess, size: Size) -> list[Figure]:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(await open_api(kubeconfig=str(own_kubeconfig(found.plane))))
        namespace = await make_namespace(api, "fleet")
        kubelet = await stack.enter_async_context(StandInKubelet(api, namespace))
        return await measure(Fleet(api, namespace, kubelet, controller, found.plane.audit_log), size)


def measured(size: command.Size) -> list[Figure]:
    with stage(audit=True) as found:
        controller = ControllerProcess(found.cluster.kubeconfig, found.folder / "controller")
        try:
            controller.wait_ready().wait_leading()
            return asyncio.run(measure_all(found, controller, QUICK if size.is_quick else WHOLE))
        finally:
            controller.end()


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, 1))
