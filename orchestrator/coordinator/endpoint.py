"""Where the coordinator listens: a UNIX socket that only its owner can reach, or a TCP port.

Called by `coordinator.server` at its start. Refuses a place that others could look into.
"""

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

import grpc

UNIX = "unix:"
MAX_SOCKET_PATH = 107


def prepare(address: str) -> None:
    """Make a UNIX socket's directory, for its owner alone. Raises OSError."""
    if not address.startswith(UNIX):
        return
    path = Path(address.removeprefix(UNIX))
    if len(os.fsencode(path)) > MAX_SOCKET_PATH:
        raise OSError(f"path of the socket is longer than {MAX_SOCKET_PATH} bytes: {path}")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = path.parent.stat()
    if found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise PermissionError(f"directory of the socket must belong to its user alone: {path.parent}")


@dataclass(frozen=True)
class Identity:
    """The coordinator's own certificate and its key, both PEM."""

    certificate: bytes
    key: bytes = field(repr=False)


def bound_address(server: grpc.aio.Server, address: str, identity: Identity | None = None) -> str:
    """Bind, with TLS if there is an identity, and say how agents reach it. Raises OSError."""
    try:
        if identity is None:
            port = server.add_insecure_port(address)
        else:
            pair = (identity.key, identity.certificate)
            port = server.add_secure_port(address, grpc.ssl_server_credentials([pair]))
    except RuntimeError as error:
        raise OSError(f"cannot listen on {address}: {error}") from None
    if address.startswith(UNIX):
        os.chmod(address.removeprefix(UNIX), 0o600)
        return address
    return f"{address.rpartition(':')[0]}:{port}"
