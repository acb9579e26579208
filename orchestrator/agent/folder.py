"""Where an agent keeps its report socket and its program's TF_CONFIG: a private directory, by a short path.

Owned by `agent.loop`, which closes it last. Makes a directory only when one is needed, and only where it is given none
that will do. Python 3.9, standard library only.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Optional

MAX_SOCKET_PATH = 107


class Folder:
    """`directory` is used where its path is short enough; else, and without one, a private one is made and removed."""

    def __init__(self, directory: Optional[str], name: str) -> None:
        self._stem = f"{name}-{os.getpid()}"
        self._directory = directory if directory is not None and self._is_short(directory) else None
        self._own: Optional[str] = None

    def path(self, ending: str = "") -> str:
        """Of a file of this agent. Raises OSError where no directory can be made for it."""
        if self._directory is None and self._own is None:
            self._own = _private_directory()
        return os.path.join(self._directory or self._own or "", self._stem + ending)

    def close(self) -> None:
        """Whoever has put something there has removed it."""
        if self._own is not None:
            with suppress(OSError):
                os.rmdir(self._own)

    def _is_short(self, directory: str) -> bool:
        return len(os.fsencode(os.path.join(directory, self._stem))) <= MAX_SOCKET_PATH


def _private_directory() -> str:
    """A new directory for us alone, with a path short enough for a socket in it."""
    base = os.environ.get("TMPDIR") or "/tmp"
    if len(os.fsencode(base)) > MAX_SOCKET_PATH - 50:
        base = "/tmp"
    path = os.path.join(base, f"tfo-{os.urandom(6).hex()}")
    os.mkdir(path, 0o700)
    return path
