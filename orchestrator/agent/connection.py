"""The agent's socket to its coordinator, and a pipe by which other threads end a wait on it.

Owned by `agent.session`, in its thread. Moves bytes and knows nothing of what they mean. Python 3.9, standard library
only.
"""

from __future__ import annotations

import os
import select
import socket
from contextlib import suppress
from time import monotonic, sleep
from typing import Optional, Tuple, Type

CONNECT_SECONDS = 10.0
_DYING_SECONDS = 2.0
_DYING_LOOK_SECONDS = 0.01
_READ_BYTES = 64 * 1024
_UNIX = "unix:"


class Bell:
    """Rung by any thread, heard by the one that waits."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        for fd in (self._read, self._write):
            os.set_blocking(fd, False)

    def fileno(self) -> int:
        return self._read

    def ring(self) -> None:
        """A full pipe rings just as well."""
        with suppress(BlockingIOError):
            os.write(self._write, b"\0")

    def silence(self) -> None:
        with suppress(BlockingIOError):
            os.read(self._read, _READ_BYTES)


class Connection:
    """Usage: `with Connection(connect(address), bell)`. All methods raise OSError when the other side is gone.

    `would_block`: what the socket raises when it has nothing, or no room.
    """

    def __init__(
        self,
        connected: socket.socket,
        bell: Bell,
        would_block: Tuple[Type[OSError], ...] = (BlockingIOError,),
    ) -> None:
        connected.setblocking(False)
        self._socket, self._bell, self._would_block = connected, bell, would_block
        self._pending = getattr(connected, "pending", None)
        self._poll = select.poll()
        self._poll.register(bell.fileno(), select.POLLIN)
        self._poll.register(connected.fileno(), select.POLLIN)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def write(self, data: bytes) -> bytes:
        """What there was no room for."""
        try:
            return data[self._socket.send(data) :] if data else data
        except self._would_block:
            return data

    def wait(self, seconds: float, for_room: bool) -> None:
        """Until something can be read, the bell rings, or, if asked for, there is room to write.

        What TLS has taken off the socket and not handed out yet, no poll sees.
        """
        if self._pending is not None and self._pending():
            return
        self._poll.modify(self._socket.fileno(), select.POLLIN | (select.POLLOUT if for_room else 0))
        self._poll.poll(max(0.0, seconds) * 1000)
        self._bell.silence()

    def read(self) -> Optional[bytes]:
        """What is there; empty: nothing yet; None: the end."""
        try:
            return self._socket.recv(_READ_BYTES) or None
        except self._would_block:
            return b""


def connect(address: str) -> socket.socket:
    """To unix:/path or host:port. Raises OSError."""
    if address.startswith(_UNIX):
        made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            made.settimeout(CONNECT_SECONDS)
            made.connect(address[len(_UNIX) :])
        except OSError:
            made.close()
            raise
        return made
    host, _, port = address.rpartition(":")
    if not (port.isascii() and port.isdigit()):
        raise OSError(f"{address} is no address")
    made = socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return made


def authority(address: str) -> str:
    """What a request says it is for."""
    return "localhost" if address.startswith(_UNIX) else address


def remove_socket(address: str) -> None:
    """Of a coordinator that is dead, so that nobody else is left to; its last agent takes the directory along.

    An agent that was let go by a coordinator that lives on finds that somebody still listens.
    """
    if not address.startswith(_UNIX) or _may_be_alive(address):
        return
    path = address[len(_UNIX) :]
    for remove, what in ((os.unlink, path), (os.rmdir, os.path.dirname(path))):
        with suppress(OSError):
            remove(what)


def _may_be_alive(address: str) -> bool:
    """Whether somebody listens, or nobody could find out.

    A killed coordinator can still have its socket open when its agents hear of its death: the kernel closes a process's
    descriptors one by one. Such a one lets a connection in and ends it without a word; one that lives speaks first, as
    every HTTP/2 server does.
    """
    limit = monotonic() + _DYING_SECONDS
    while monotonic() < limit:
        try:
            with connect(address) as made:
                made.settimeout(_DYING_SECONDS)
                if made.recv(1):
                    return True
        except (ConnectionRefusedError, FileNotFoundError):
            return False
        except ConnectionResetError:
            pass
        except OSError:
            return True
        sleep(_DYING_LOOK_SECONDS)
    return True
