"""A program's output on its way into the log file of its attempt, by one thread per attempt.

Started by `agent.loop`. A disk that is full costs log lines, which are counted, and never disturbs the program: its
pipe is emptied whatever happens to the file. Python 3.9, standard library only.
"""

from __future__ import annotations

import os
import threading
from time import monotonic
from typing import List, Optional, Tuple

from orchestrator.agent.lines import Lines, Tail
from orchestrator.protocol.messages import LOG_LINES_LOST

_READ_BYTES = 64 * 1024
_REOPEN_SECONDS = 5.0


def log_path(directory: str, name: str, attempt: int) -> str:
    return os.path.join(directory, f"{name}.attempt-{attempt}.log")


class LogFile:
    """Appends lines; what cannot be written is counted in `lost`, with the reason in `trouble`."""

    def __init__(self, path: Optional[str]) -> None:
        """path None: the agent's own standard output."""
        self._path = path
        self._fd = 1 if path is None else -1
        self._torn = False
        self._tried_at = float("-inf")
        self.lost = 0
        self.trouble = ""

    def write(self, lines: List[str], now: float) -> None:
        data = "".join(f"{line}\n" for line in lines).encode()
        try:
            self._open(now)
            self._write(b"\n" + data if self._torn else data)
        except OSError as error:
            self.lost += len(lines)
            self.trouble = error.strerror or str(error)

    def close(self) -> None:
        if self._path is not None and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _open(self, now: float) -> None:
        if self._fd >= 0:
            return
        if now - self._tried_at < _REOPEN_SECONDS:
            raise OSError(0, self.trouble)
        self._tried_at = now
        path = self._path or ""
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            try:
                written = os.write(self._fd, view)
            except OSError:
                self._torn = len(view) < len(data) or self._torn
                raise
            view = view[written:]
        self._torn = False


class LogPump:
    """Moves everything from the read end of a pipe into the log, in a thread of its own, until the pipe's end."""

    def __init__(self, fd: int, path: Optional[str]) -> None:
        self._fd = fd
        self._file = LogFile(path)
        self._lines = Lines()
        self._tail = Tail()
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def tail(self, wait: float) -> Tuple[str, ...]:
        """The last lines, after the pipe's end if that comes soon."""
        self._thread.join(wait)
        return self._tail.lines()

    @property
    def trouble(self) -> str:
        """What was lost and why; empty while nothing was."""
        file = self._file
        return f"{LOG_LINES_LOST}: {file.trouble}" if file.lost else ""

    @property
    def lost(self) -> int:
        return self._file.lost

    def _run(self) -> None:
        while True:
            data = os.read(self._fd, _READ_BYTES)
            now = monotonic()
            self._keep(self._lines.feed(data, now) if data else self._lines.flush(), now)
            if not data:
                break
        os.close(self._fd)
        self._file.close()

    def _keep(self, lines: List[str], now: float) -> None:
        if lines:
            self._tail.add(lines)
            self._file.write(lines, now)
