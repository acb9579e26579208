"""Frames of HTTP/2 (RFC 9113) and header blocks of HPACK (RFC 7541), as far as one gRPC stream needs them: pure.

Used by `agent.stream`. Writes headers only in their plainest form and never reads any: whatever matters to an agent
stands in messages. Python 3.9, standard library only.
"""

from __future__ import annotations

import struct
from typing import Iterable, List, NamedTuple, Tuple

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 5, 6, 7, 8
END_STREAM = ACK = 0x1
END_HEADERS = 0x4
PADDED = 0x8
MAX_FRAME = 16384
"""Payload bytes that each side may send unless the other has said more; we never do."""
_HEAD = 9
_NEVER_INDEXED = 0x10
"""A header with a literal name and value that no intermediary may keep."""


class HttpError(ValueError):
    """The other side does not keep to HTTP/2 or gRPC."""


class Frame(NamedTuple):
    kind: int
    flags: int
    stream: int
    payload: bytes


def render_frame(kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def render_headers(pairs: Iterable[Tuple[str, str]]) -> bytes:
    """Raises UnicodeEncodeError for what is not ASCII."""
    return b"".join(
        bytes((_NEVER_INDEXED,)) + _string(name.encode("ascii")) + _string(value.encode("ascii"))
        for name, value in pairs
    )


def _string(data: bytes) -> bytes:
    return _length(len(data)) + data


def _length(value: int) -> bytes:
    """An integer with a prefix of 7 bits (RFC 7541, 5.1)."""
    if value < 127:
        return bytes((value,))
    found, rest = [127], value - 127
    while rest >= 128:
        found.append(rest % 128 + 128)
        rest //= 128
    return bytes((*found, rest))


class FrameReader:
    """Bytes in, whole frames out; keeps at most one unfinished frame."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> List[Frame]:
        """Raises HttpError for a frame that is longer than allowed."""
        self._rest += data
        found = []
        while len(self._rest) >= _HEAD:
            size = int.from_bytes(self._rest[:3], "big")
            if size > MAX_FRAME:
                raise HttpError(f"a frame of {size} bytes")
            if len(self._rest) < _HEAD + size:
                break
            kind, flags, stream = struct.unpack(">BBI", self._rest[3:_HEAD])
            found.append(Frame(kind, flags, stream & 0x7FFFFFFF, bytes(self._rest[_HEAD : _HEAD + size])))
            del self._rest[: _HEAD + size]
        return found


def parse_settings(payload: bytes) -> List[Tuple[int, int]]:
    if len(payload) % 6:
        raise HttpError("settings of a wrong length")
    return [(name, value) for name, value in struct.iter_unpack(">HI", payload)]


def parse_number(payload: bytes) -> int:
    """Of a WINDOW_UPDATE."""
    if len(payload) != 4:
        raise HttpError("a frame of a wrong length")
    return int.from_bytes(payload, "big") & 0x7FFFFFFF


def unpad(frame: Frame) -> bytes:
    """The data of a DATA frame."""
    if not frame.flags & PADDED:
        return frame.payload
    if not frame.payload or frame.payload[0] >= len(frame.payload):
        raise HttpError("more padding than data")
    return frame.payload[1 : len(frame.payload) - frame.payload[0]]
