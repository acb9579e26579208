"""Everything that can wake the agent's loop: signals, other threads, the parent's pipe, datagrams, time.

Owned by `agent.loop`. Python 3.9, standard library only.
"""

from __future__ import annotations

import os
import selectors
import signal
from contextlib import suppress
from types import FrameType
from typing import Optional, Set

_READ_BYTES = 4096
SIGNALS = (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Wakeup:
    """`orphaned`: the parent is gone: its pipe is at its end, or the kernel told us so (SIGHUP, see `main`)."""

    def __init__(self, parent_fd: Optional[int]) -> None:
        self.orphaned = False
        self._received: Set[int] = set()
        self._parent_fd = parent_fd
        self._selector = selectors.DefaultSelector()
        self._read, self._write = os.pipe()
        for fd in (self._read, self._write):
            os.set_blocking(fd, False)
        self._selector.register(self._read, selectors.EVENT_READ)
        if parent_fd is not None:
            os.set_inheritable(parent_fd, False)
            os.set_blocking(parent_fd, False)
            self._selector.register(parent_fd, selectors.EVENT_READ)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        for number in SIGNALS:
            # A handler, not SIG_IGN: the program must start with the default actions.
            signal.signal(number, self._note)

    def wake(self) -> None:
        """From any thread; a full pipe wakes just as well."""
        with suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def take_signals(self) -> Set[int]:
        """What has come since the last time."""
        received, self._received = self._received, set()
        self.orphaned = self.orphaned or signal.SIGHUP in received
        return received

    def listen(self, fd: int, on: bool) -> None:
        """Whether something to read on this descriptor ends `wait`."""
        if on and fd not in self._selector.get_map():
            self._selector.register(fd, selectors.EVENT_READ)
        elif not on and fd in self._selector.get_map():
            self._selector.unregister(fd)

    def wait(self, seconds: Optional[float]) -> None:
        for key, _ in self._selector.select(seconds):
            if key.fd == self._read:
                self._drain(self._read)
            elif key.fd == self._parent_fd and self._drain(key.fd):
                self.orphaned = True
                self._selector.unregister(key.fd)

    def _note(self, number: int, frame: Optional[FrameType]) -> None:
        self._received.add(number)

    def _drain(self, fd: int) -> bool:
        """Read what is there; whether it is at its end."""
        try:
            while True:
                if not os.read(fd, _READ_BYTES):
                    return True
        except BlockingIOError:
            return False
        except OSError:
            return True
