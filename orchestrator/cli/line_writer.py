"""Writes lines to a stream from a thread of its own: a reader that is slow, stopped or gone never holds up training.

Used by the plain and the JSON renderer. Lines wait in a bounded queue; when it is full, lines that may be lost are
dropped and the number of them is said. A closed pipe ends the writing, silently, and not the run. At the end a reader
who does not read is waited for until `leave` is set, since the last lines are those that matter most.
"""

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO

from orchestrator.cli.streams import silence

MAX_WAITING = 10_000
_LOOK_SECONDS = 0.2


class LineWriter:
    """Start it by `start`; `close` waits until everything has been written.

    `failed`: how many lines a stream that takes nothing more, such as a file on a full disk, has cost.
    """

    def __init__(
        self,
        stream: TextIO,
        say_lost: Callable[[int], str] | None = None,
        leave: threading.Event | None = None,
    ) -> None:
        self._stream = stream
        self._leave = leave or threading.Event()
        self.failed = 0
        self._say_lost = say_lost
        self._waiting: deque[str] = deque()
        self._lost = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="output", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def write(self, line: str, *, may_be_lost: bool = False) -> None:
        """Returns at once."""
        with self._changed:
            if len(self._waiting) >= (MAX_WAITING // 2 if may_be_lost else MAX_WAITING):
                self._lost += 1
                return
            if self._lost and self._say_lost:
                self._waiting.append(self._say_lost(self._lost))
                self._lost = 0
            self._waiting.append(line)
            self._changed.notify()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        while self._thread.is_alive() and not self._leave.is_set():
            self._thread.join(_LOOK_SECONDS)

    def _run(self) -> None:
        while lines := self._take():
            try:
                write_text(self._stream, "".join(f"{line}\n" for line in lines))
            except BrokenPipeError:
                silence(self._stream)
            except (OSError, ValueError):
                self.failed += len(lines)  # a full disk or a closed stream: later lines may get through

    def _take(self) -> list[str]:
        """All waiting lines; none when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            lines = list(self._waiting)
            self._waiting.clear()
            return lines


def write_text(stream: TextIO, text: str) -> None:
    """What the stream's encoding does not have becomes a question mark.

    Past the stream's own buffer where there is a descriptor: a thread that is stuck in it would hold a lock that the
    interpreter needs at its end, and what a full disk refuses would be tried again there.
    """
    data = text.encode(stream.encoding or "utf-8", "replace")
    try:
        fd = stream.fileno()
    except (OSError, ValueError, AttributeError):
        stream.write(data.decode(stream.encoding or "utf-8"))
        stream.flush()
        return
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # somebody has made this terminal or pipe non-blocking
            select.select([], [fd], [])
