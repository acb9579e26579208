"""The memory backend for the contract suite: a virtual clock, replicas that do nothing."""

from pathlib import Path

from orchestrator.api.status import JobStatus
from orchestrator.backends.memory.backend import MemoryBackend
from orchestrator.backends.memory.clock import VirtualClock
from orchestrator.core.observed import Replica
from tests.contract.harness import CONTRACT_JOB

_LONG_ENOUGH = 60.0
"""In virtual seconds: for starts and for any grace of a deletion."""


class MemoryHarness:
    def __init__(self) -> None:
        self._clock = VirtualClock()
        self.backend = MemoryBackend(self._clock)
        self.key = self.backend.submit(CONTRACT_JOB)

    async def settle(self) -> None:
        self._clock.advance(_LONG_ENOUGH)

    async def kill(self, replica: Replica) -> None:
        self.backend.cluster.end(replica.uid, signal=9)

    async def finish(self, replica: Replica, exit_code: int) -> None:
        self.backend.cluster.end(replica.uid, exit_code=exit_code)

    async def stored(self) -> JobStatus:
        return self.backend.status(self.key)

    async def close(self) -> None:
        """Memory goes by itself."""


async def open_memory(tmp_path: Path) -> MemoryHarness:
    return MemoryHarness()
