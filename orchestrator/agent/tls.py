"""TLS around the agent's socket: the coordinator proves itself by one authority's certificate and one name.

Called by `agent.session` when it is given an authority, and only then imported: it costs milliseconds. Python 3.9,
standard library only.
"""

from __future__ import annotations

import socket
import ssl
from typing import Tuple, Type

WOULD_BLOCK: Tuple[Type[OSError], ...] = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


def secure(connected: socket.socket, authority: str, name: str) -> ssl.SSLSocket:
    """`authority`: its certificate as PEM; `name`: in the coordinator's.

    Raises ValueError for what no waiting will mend: another coordinator, an authority that is none. And OSError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    try:
        context.load_verify_locations(cadata=authority)
    except ssl.SSLError as error:
        connected.close()
        raise ValueError(f"the authority's certificate cannot be read: {error}") from None
    try:
        return context.wrap_socket(connected, server_hostname=name)
    except ssl.SSLError as error:
        connected.close()
        raise ValueError(f"the coordinator is not trusted: {error}") from None
    except OSError:
        connected.close()
        raise
