"""How soon another controller acts when the leader is gone, with the default times of the lease.

`python -m benchmarks.failover [--pairs 5] [--quick]`, on a real control plane. Two controllers; the one that leads is
killed, or told to end, and a job is applied at once: seconds until its first pod exists, which only a leader makes. The
longest of all rounds is to be at most 20 s after a SIGKILL and 3 s after a SIGTERM.
"""

import asyncio
import signal
import sys
import time
from contextlib import AsyncExitStack
from pathlib import Path

from benchmarks import command
from benchmarks.control_planes import LIMIT_SECONDS, PodWatcher, create_all, job, make_namespace, stage
from benchmarks.figures import Figure, Sample
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import Api
from orchestrator.backends.kubernetes.transport import open_api
from tests.fixtures.controllers import ControllerProcess

GOALS = {signal.SIGKILL: 20.0, signal.SIGTERM: 3.0}
TITLES = {
    signal.SIGKILL: "leader killed, the next one's first pod, longest",
    signal.SIGTERM: "leader told to end, the next one's first pod, longest",
}


class Pair:
    """A leader and one that waits."""

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self._kubeconfig, self._folder = kubeconfig, folder
        self._leader = self._start().wait_leading()
        self._other = self._start()

    def lose(self, number: signal.Signals) -> None:
        """The leader gets the signal."""
        self._leader.process.send_signal(number)

    def restore(self) -> None:
        """The one that waited leads, and another one waits."""
        self._leader.process.wait()
        self._leader = self._other.wait_leading()
        self._other = self._start()

    def end(self) -> None:
        self._leader.end()
        self._other.end()

    def _start(self) -> ControllerProcess:
        return ControllerProcess(self._kubeconfig, self._folder).wait_ready()


async def first_pod(api: Api, pair: Pair, number: signal.Signals) -> float:
    """Seconds from the signal."""
    namespace = await make_namespace(api, "failover")
    watcher = PodWatcher(api, namespace, 1)
    await watcher.begin()
    waiting = asyncio.create_task(watcher.until_all())
    begun = time.perf_counter()
    pair.lose(number)
    await create_all(api, [(resources.JOBS, namespace, job("next", 2))])
    took = await asyncio.wait_for(waiting, LIMIT_SECONDS) - begun
    pair.restore()
    print(f"  {number.name}: {took:.3f}", flush=True)
    return took


async def measure(kubeconfig: Path, pair: Pair, rounds: int) -> list[Figure]:
    async with AsyncExitStack() as stack:
        api = await stack.enter_async_context(await open_api(kubeconfig=str(kubeconfig)))
        found: dict[signal.Signals, list[float]] = {number: [] for number in GOALS}
        for _ in range(rounds):
            for number, values in found.items():
                values.append(await first_pod(api, pair, number))
    return [
        Figure(
            TITLES[number], Sample("longest", (max(values),)), GOALS[number], (Sample("all", tuple(values)),)
        )
        for number, values in found.items()
    ]


def measured(size: command.Size) -> list[Figure]:
    with stage() as found:
        pair = Pair(found.cluster.kubeconfig, found.folder / "controllers")
        try:
            return asyncio.run(measure(found.cluster.kubeconfig, pair, size.pairs))
        finally:
            pair.end()


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, 5))
