"""What other processes cost: CPU seconds to the nanosecond, resident memory, and who was started by whom.

Used by the benchmarks beside it. Linux only; a process that has gone costs what it had cost when last looked at.
"""

import os
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

LOOK_SECONDS = 0.02
AGENT = "orchestrator.agent"


def cpu_seconds(pid: int) -> float:
    """User and system, all threads, ended ones too; of /proc/PID/stat it is the same sum, which counts in 0.01 s.

    Raises OSError when the process has gone. The number of the clock: clock_getcpuclockid(3), CPUCLOCK_SCHED.
    """
    return time.clock_gettime((~pid << 3) | 2)


@dataclass(frozen=True)
class Memory:
    """In MB of 10^6 bytes. `proportional`: pages shared with other processes count in part."""

    resident: float
    proportional: float


def memory(pid: int) -> Memory:
    return parse_memory(Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii"))


def parse_memory(text: str) -> Memory:
    """The content of smaps_rollup."""
    sizes = {line.split()[0]: int(line.split()[1]) * 1024 / 1e6 for line in text.splitlines()[1:]}
    return Memory(sizes["Rss:"], sizes["Pss:"])


def children(pid: int) -> list[int]:
    found = []
    with suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            text = Path(f"/proc/{pid}/task/{thread}/children").read_text(encoding="ascii")
            found += [int(word) for word in text.split()]
    return found


def is_agent(pid: int) -> bool:
    with suppress(OSError):
        return AGENT.encode() in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    return False


class AgentWatch:
    """Looks again and again at a runner and its agents, in a thread; `with` it around the wait for the runner."""

    def __init__(self, runner: int) -> None:
        self._runner = runner
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.runner_seconds = 0.0
        self.agent_seconds: dict[int, float] = {}
        """Of each agent that ever was, by pid."""

    def __enter__(self) -> "AgentWatch":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._is_over.wait(LOOK_SECONDS):
            with suppress(OSError):
                self.runner_seconds = cpu_seconds(self._runner)
            for pid in children(self._runner):
                if pid in self.agent_seconds or is_agent(pid):
                    with suppress(OSError):
                        self.agent_seconds[pid] = cpu_seconds(pid)
