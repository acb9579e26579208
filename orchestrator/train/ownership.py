"""Which of a program's processes reports: the first that has something to say, for as long as it lives.

Called by `reporter`. A name in Linux's abstract socket namespace, made from the report socket's path, is held by one
process at a time and freed by its death, however it dies; nothing lies on a disk. Elsewhere every process reports.
Python 3.9, standard library only.
"""

from __future__ import annotations

import hashlib
import os
import socket
import sys
from typing import Optional


class Ownership:
    """The right of one process to report to the agent behind `path`."""

    def __init__(self, path: str) -> None:
        self._name = b"\0tfo-report-" + hashlib.sha256(path.encode()).hexdigest()[:40].encode()
        self._held: Optional[socket.socket] = None
        self._pid = 0

    def is_held(self) -> bool:
        """Whether this process may report; takes the right if it is free. A forked child does not inherit it."""
        if self._held is not None:
            return self._pid == os.getpid()
        if not sys.platform.startswith("linux"):
            return True
        return self._take()

    def release(self) -> None:
        if self._held is not None:
            self._held.close()
            self._held = None

    def _take(self) -> bool:
        candidate = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            candidate.bind(self._name)
        except OSError:
            candidate.close()
            return False
        self._held, self._pid = candidate, os.getpid()
        return True
