"""One bidirectional gRPC stream, the client's side, without I/O: messages in, bytes out, and the other way round.

Used by `agent.session`, which moves the bytes. Why not grpcio? Its library costs an agent most of its start, its
memory and its wake-ups (docs/design/20261124.agent-without-grpcio.md). Python 3.9, standard library only.
"""

from __future__ import annotations

import struct
from typing import Callable, Dict, List, Sequence, Tuple

from orchestrator.agent.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAX_FRAME,
    PING,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    FrameReader,
    HttpError,
    parse_number,
    parse_settings,
    render_frame,
    render_headers,
    unpad,
)

STREAM = 1
WINDOW = 65535
MAX_WINDOW = 2**31 - 1
_INITIAL_WINDOW_SIZE, _ENABLE_PUSH = 4, 2
_PREFIX = 5


class Stream:
    """`take` is to be written to the other side; what comes from there goes to `receive`, which returns messages.

    `is_over`: nothing will come any more.
    """

    def __init__(self, path: str, authority: str, headers: Sequence[Tuple[str, str]], limit: int) -> None:
        """`headers`: with `:scheme`; `limit`: bytes of a message."""
        self.is_over = False
        self._limit = limit
        self._frames = FrameReader()
        self._incoming = bytearray()
        self._unsaid = bytearray()
        self._finishing = self._finished = False
        self._heard = 0
        self._window = self._stream_window = WINDOW
        self._initial_window = WINDOW
        self._out = bytearray(PREFACE + render_frame(SETTINGS, 0, 0, struct.pack(">HI", _ENABLE_PUSH, 0)))
        self._out += render_frame(HEADERS, END_HEADERS, STREAM, _request(path, authority, headers))
        self._handlers: Dict[int, Callable[[Frame], None]] = {
            DATA: self._hear,
            HEADERS: self._head,
            RST_STREAM: self._reset,
            SETTINGS: self._settle,
            PUSH_PROMISE: self._refuse,
            PING: self._answer,
            GOAWAY: self._leave,
            WINDOW_UPDATE: self._widen,
        }

    @property
    def has_room(self) -> bool:
        """Whether nothing that was sent waits for room that the other side has to give."""
        return not self._unsaid

    @property
    def is_blocked(self) -> bool:
        """Whether there is something to `take`."""
        return bool(self._out)

    def send(self, message: bytes) -> None:
        self._unsaid += struct.pack(">BI", 0, len(message)) + message
        self._flow()

    def finish(self) -> None:
        """Nothing more will be sent."""
        self._finishing = True
        self._flow()

    def take(self) -> bytes:
        data, self._out = bytes(self._out), bytearray()
        return data

    def put_back(self, data: bytes) -> None:
        """The part of what was taken for which there was no room."""
        self._out[:0] = data

    def receive(self, data: bytes) -> List[bytes]:
        """Raises HttpError."""
        for frame in self._frames.feed(data):
            if frame.kind in self._handlers:
                self._handlers[frame.kind](frame)
        return self._messages()

    def _messages(self) -> List[bytes]:
        found = []
        while len(self._incoming) >= _PREFIX:
            compressed, size = struct.unpack(">BI", self._incoming[:_PREFIX])
            if compressed or size > self._limit:
                raise HttpError(
                    f"a message of {size} bytes" if size > self._limit else "a compressed message"
                )
            if len(self._incoming) < _PREFIX + size:
                break
            found.append(bytes(self._incoming[_PREFIX : _PREFIX + size]))
            del self._incoming[: _PREFIX + size]
        return found

    def _flow(self) -> None:
        """Send as much as the other side has room for."""
        while self._unsaid:
            room = min(self._window, self._stream_window, MAX_FRAME)
            if room <= 0:
                return
            data = bytes(self._unsaid[:room])
            del self._unsaid[:room]
            self._window -= len(data)
            self._stream_window -= len(data)
            self._out += render_frame(DATA, 0, STREAM, data)
        if self._finishing and not self._finished:
            self._finished = True
            self._out += render_frame(DATA, END_STREAM, STREAM)

    def _hear(self, frame: Frame) -> None:
        if frame.stream != STREAM:
            raise HttpError("data of a stream that is not ours")
        self._incoming += unpad(frame)
        self._heard += len(frame.payload)
        if self._heard > WINDOW // 2:
            update = struct.pack(">I", self._heard)
            self._out += render_frame(WINDOW_UPDATE, 0, 0, update) + render_frame(
                WINDOW_UPDATE, 0, STREAM, update
            )
            self._heard = 0
        self._head(frame)

    def _head(self, frame: Frame) -> None:
        self.is_over = self.is_over or bool(frame.flags & END_STREAM)

    def _reset(self, frame: Frame) -> None:
        self.is_over = True

    def _settle(self, frame: Frame) -> None:
        if frame.flags & ACK:
            return
        for name, value in parse_settings(frame.payload):
            if name == _INITIAL_WINDOW_SIZE:
                self._stream_window += value - self._initial_window
                self._initial_window = value
        self._out += render_frame(SETTINGS, ACK)
        self._flow()

    def _refuse(self, frame: Frame) -> None:
        raise HttpError("a push that was not asked for")

    def _answer(self, frame: Frame) -> None:
        if not frame.flags & ACK:
            self._out += render_frame(PING, ACK, 0, frame.payload)

    def _leave(self, frame: Frame) -> None:
        """A server that is about to stop lets streams that it knows end by themselves."""
        if len(frame.payload) < 8:
            raise HttpError("a farewell of a wrong length")
        last, code = struct.unpack(">II", frame.payload[:8])
        self.is_over = self.is_over or code != 0 or last & 0x7FFFFFFF < STREAM

    def _widen(self, frame: Frame) -> None:
        more = parse_number(frame.payload)
        if frame.stream == STREAM:
            self._stream_window += more
        else:
            self._window += more
        if max(self._window, self._stream_window) > MAX_WINDOW:
            raise HttpError("a window that is too large")
        self._flow()


def _request(path: str, authority: str, headers: Sequence[Tuple[str, str]]) -> bytes:
    """What HTTP/2 itself is told stands before everything else."""
    fixed = [
        (":method", "POST"),
        (":path", path),
        (":authority", authority),
        *(header for header in headers if header[0].startswith(":")),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ]
    return render_headers([*fixed, *(header for header in headers if not header[0].startswith(":"))])
