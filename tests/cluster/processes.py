"""Processes of a cluster for tests: started with a log, ended in order, and never left behind.

Called by `control_plane` and `nodes`. A process dies with the one that started it, however that ends.
"""

import ctypes
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
STOP_SECONDS = 20.0


@dataclass
class Processes:
    """By name, in the order of their starts. `prefix`: words before every command (to enter a namespace, say)."""

    logs: Path
    prefix: tuple[str, ...] = ()
    _running: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict)

    def start(self, name: str, program: Path | str, *arguments: str) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        with (self.logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*self.prefix, str(program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
                preexec_fn=_die_with_parent,
            )

    def pid(self, name: str) -> int:
        return self._running[name].pid

    def stop(self, *names: str, at_once: bool = False) -> None:
        """All of these at the same time, or, without names, everything in the opposite order of its start."""
        for each in [names] if names else [(name,) for name in reversed(tuple(self._running))]:
            ending = [self._running.pop(name) for name in each if name in self._running]
            for process in ending:
                process.send_signal(signal.SIGKILL if at_once else signal.SIGTERM)
            for process in ending:
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait()

    def check(self) -> None:
        """Raises RuntimeError with the last words of one that has ended by itself."""
        for name, process in self._running.items():
            if process.poll() is not None:
                raise RuntimeError(f"{name} ended with {process.returncode}:\n{self.tail(name)}")

    def tail(self, name: str, lines: int = 30) -> str:
        path = self.logs / f"{name}.log"
        return "\n".join(path.read_text(errors="replace").splitlines()[-lines:]) if path.exists() else ""

    def wait_for(self, condition: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
        """Raises RuntimeError when that does not come true, or one of the processes ends."""
        limit = time.monotonic() + seconds
        while not condition():
            self.check()
            if time.monotonic() > limit:
                raise RuntimeError(f"waited {seconds:g} s in vain until {what}")
            time.sleep(0.05)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(*command: str | Path, stdin: str = "", seconds: float = 120.0) -> str:
    """Standard output. Raises RuntimeError with what it said when it failed."""
    words: Sequence[str] = [str(word) for word in command]
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)} ended with {done.returncode}:\n{done.stderr}{done.stdout}")
    return done.stdout
