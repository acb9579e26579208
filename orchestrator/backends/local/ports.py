"""Ports of 127.0.0.1 for the next attempt: fresh ones every time, never two runs on the same.

Called by the local backend. A reservation is a lock on a small file per port, held while the attempt lives and then
removed, so that runs side by side stay apart; the port itself stays free for the program. Ports lie below the kernel's
ephemeral range, so that no outgoing connection takes one in the meantime.
"""

import fcntl
import os
import random
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path

LOWEST = 20_000
HIGHEST = 32_000
TRIES = 2_000


class NoFreePort(Exception):
    """Every port that was tried is taken."""


class Reservation:
    """Ports by member name, for one attempt."""

    def __init__(self, names: Iterable[str]) -> None:
        self._locks: dict[int, int] = {}
        self.ports = {name: self._reserve() for name in names}

    def _reserve(self) -> int:
        chance = random.Random()
        for _ in range(TRIES):
            port = chance.randrange(LOWEST, HIGHEST)
            fd = _lock(port)
            if fd is None:
                continue
            if _is_free(port):
                self._locks[port] = fd
                return port
            _unlock(port, fd)
        raise NoFreePort(f"no free port between {LOWEST} and {HIGHEST} after {TRIES} tries")

    def release(self) -> None:
        for port, fd in self._locks.items():
            _unlock(port, fd)
        self._locks.clear()


def _folder() -> Path:
    path = Path(tempfile.gettempdir()) / f"tfo-ports-{os.getuid()}"
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def _lock(port: int) -> int | None:
    """None: somebody else has it, or had it until this moment: a lock on a file that was removed locks nobody out."""
    path = _folder() / str(port)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(fd), path.stat()):
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(fd)
    return None


def _unlock(port: int, fd: int) -> None:
    """The file first: whoever opens it meanwhile finds that its lock is worth nothing, and tries another port."""
    (_folder() / str(port)).unlink(missing_ok=True)
    os.close(fd)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
