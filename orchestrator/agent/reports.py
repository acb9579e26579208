"""The agent's end of the report socket: a UNIX datagram socket in the agent's folder, read without blocking.

Owned by `agent.loop`. Reading is bounded per turn and nothing is ever answered: a program that floods it fills its
own socket buffer and loses datagrams. Python 3.9, standard library only.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from typing import List, Optional

from orchestrator.agent.folder import Folder
from orchestrator.protocol.datagrams import MAX_DATAGRAM_BYTES, Datagram, ProtocolError, decode

MAX_DATAGRAMS_PER_TURN = 128
MAX_TURNS = 16
"""Of reading what is left after a program's end; only a stranger could have left more."""


class ReportSocket:
    """`path` is what the program gets as TFO_REPORT_SOCKET. Raises OSError when it cannot be made."""

    def __init__(self, folder: Folder) -> None:
        self.path = folder.path()
        self._socket = socket.socket(
            socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        )
        try:
            self._socket.bind(self.path)
            os.chmod(self.path, 0o600)
        except OSError:
            self.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def take(self) -> List[Optional[Datagram]]:
        """What has arrived, at most so much at once; None for what cannot be understood."""
        found: List[Optional[Datagram]] = []
        while len(found) < MAX_DATAGRAMS_PER_TURN:
            try:
                data = self._socket.recv(MAX_DATAGRAM_BYTES + 1)
            except OSError:
                break
            found.append(_decode(data))
        return found

    def discard(self) -> None:
        """Forget what an earlier attempt has left."""
        for _ in range(MAX_TURNS):
            if not self.take():
                break

    def close(self) -> None:
        self._socket.close()
        with suppress(OSError):
            os.unlink(self.path)


def _decode(data: bytes) -> Optional[Datagram]:
    try:
        return decode(data)
    except ProtocolError:
        return None
