"""The agent's side of the session with its coordinator: one gRPC stream, made again for ever with jittered back-off.

Owned by `agent.loop`, which hands in whole states and takes out what arrived; gRPC's threads live behind it. Only the
latest State and the latest Report wait to be sent, so a slow or absent coordinator costs neither memory nor time.
The only module of the agent that imports grpc.
"""

from __future__ import annotations

import random
import sys
import threading
from collections import deque
from contextlib import suppress
from time import monotonic
from typing import Callable, Deque, Iterator, List, Optional

import grpc

from orchestrator.agent.config import Config
from orchestrator.protocol.codec import Message, ProtocolError, UnknownType, decode, encode
from orchestrator.protocol.messages import (
    MAX_MESSAGE_BYTES,
    SESSION_METHOD,
    Hello,
    Refused,
    Report,
    State,
    Wanted,
)

SILENCE_SECONDS = 15.0
FIRST_BACKOFF_SECONDS = 0.05
LAST_BACKOFF_SECONDS = 5.0
MAX_WAITING = 64
_OPTIONS = (
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_retries", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
    ("grpc.enable_http_proxy", 0),
)


def _calm_grpc() -> None:
    """gRPC wakes each thread that waits for a message ten times a second, only so that Ctrl-C can reach it.

    Ours is not the main thread, and those wake-ups cost more than everything else that an idle agent does.
    """
    common = vars(sys.modules["grpc._common"]) if "grpc._common" in sys.modules else {}
    if "MAXIMUM_WAIT_TIMEOUT" in common:
        common["MAXIMUM_WAIT_TIMEOUT"] = SILENCE_SECONDS


class Session:
    """`wake` is called, on any thread, whenever `take` or `lost_since` has news."""

    def __init__(self, config: Config, hello: Hello, wake: Callable[[], None]) -> None:
        self.lost_since: Optional[float] = monotonic()
        self._config, self._hello, self._wake = config, hello, wake
        self._changed = threading.Condition()
        self._state: Optional[State] = None
        self._report: Optional[Report] = None
        self._last_state: State = State()
        self._last_report: Optional[Report] = None
        self._said_attempt = -1
        self._arrived: Deque[Wanted] = deque(maxlen=MAX_WAITING)
        self._call: Optional[grpc.Call] = None
        self._heard_at = monotonic()
        self._closed = False
        self._refusal = ""
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)

    def start(self) -> None:
        _calm_grpc()
        self._thread.start()

    def say(self, message: Message) -> None:
        """Send the latest State or Report as soon as possible; an older one that still waits is replaced."""
        with self._changed:
            if isinstance(message, State):
                self._state = self._last_state = message
            elif isinstance(message, Report):
                self._report = self._last_report = message
            self._changed.notify_all()

    def take(self) -> List[Wanted]:
        """What has arrived, oldest first."""
        found = []
        while self._arrived:
            found.append(self._arrived.popleft())
        return found

    def check_silence(self, now: float) -> None:
        """Cut a stream on which nothing was heard for too long; to be called at least every few seconds."""
        call = self._call
        if call is not None and now - self._heard_at > SILENCE_SECONDS:
            call.cancel()

    def close(self, wait: float) -> None:
        """Send what waits, if that is possible soon, and end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join(wait)

    def _run(self) -> None:
        backoff = FIRST_BACKOFF_SECONDS
        while not self._closed:
            if self._talk():
                backoff = FIRST_BACKOFF_SECONDS
            with self._changed:
                self._changed.wait_for(lambda: self._closed, backoff * random.uniform(0.5, 1.0))
            backoff = min(2 * backoff, LAST_BACKOFF_SECONDS)

    def _talk(self) -> bool:
        """One stream from its beginning to its end; whether the coordinator accepted it."""
        ended = threading.Event()
        with grpc.insecure_channel(self._config.address, options=_OPTIONS) as channel:
            method: grpc.StreamStreamMultiCallable[Message, bytes] = channel.stream_stream(
                SESSION_METHOD, request_serializer=encode
            )
            self._heard_at = monotonic()
            call = method(self._messages(ended), metadata=(("authorization", f"Bearer {self._token()}"),))
            self._call = call
            with suppress(grpc.RpcError):
                for data in call:
                    self._hear(data)
            self._call = None
            connected = self.lost_since is None
            self._lose(ended)
        return connected

    def _messages(self, ended: threading.Event) -> Iterator[Message]:
        """What to send on one stream; runs in a thread of gRPC until the stream or the session ends."""
        with self._changed:
            self._state, self._report, self._said_attempt = self._last_state, self._last_report, -1
        yield self._hello
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._next_waits() or self._closed or ended.is_set())
                if ended.is_set() or not self._next_waits():
                    return
                message = self._next()
            yield message

    def _next_waits(self) -> bool:
        return self._state is not None or self._report is not None

    def _next(self) -> Message:
        """The State first, unless the Report is about an attempt that is known already: the last one before an exit."""
        report, state = self._report, self._state
        if report is not None and (state is None or report.attempt == self._said_attempt):
            self._report = None
            return report
        self._state = None
        self._said_attempt = self._last_state.attempt
        return self._last_state

    def _hear(self, data: bytes) -> None:
        self._heard_at = monotonic()
        try:
            message = decode(data)
        except UnknownType:
            return
        except ProtocolError as error:
            self._complain(f"unreadable message: {error}")
            return
        if isinstance(message, Refused):
            self._complain(f"refused by the coordinator: {message.reason}")
        elif isinstance(message, Wanted):
            self.lost_since = None
            self._arrived.append(message)
            self._wake()

    def _lose(self, ended: threading.Event) -> None:
        with self._changed:
            ended.set()
            self._changed.notify_all()
        if self.lost_since is None:
            self.lost_since = monotonic()
            self._wake()

    def _complain(self, text: str) -> None:
        """Once per text: a refusal is repeated with every attempt to connect."""
        if text != self._refusal:
            self._refusal = text
            print(f"agent {self._config.name}: {text}", file=sys.stderr, flush=True)

    def _token(self) -> str:
        """A token file is read anew each time, since its content is renewed."""
        if self._config.token_file is None:
            return self._config.token
        try:
            with open(self._config.token_file, encoding="ascii") as file:
                return file.read().strip()
        except (OSError, ValueError) as error:
            self._complain(f"token cannot be read: {error}")
            return ""
