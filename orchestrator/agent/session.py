"""The agent's side of the session with its coordinator: one gRPC stream, made again for ever with jittered back-off.

Owned by `agent.loop`, which hands in whole states and takes out what arrived; the stream lives in a thread behind it.
Only the latest State and the latest Report wait to be sent, so a slow or absent coordinator costs neither memory nor
time. Python 3.9, standard library only.
"""

from __future__ import annotations

import random
import sys
import threading
from collections import deque
from dataclasses import replace
from time import monotonic
from typing import Callable, Deque, List, Optional

from orchestrator.agent.config import Config
from orchestrator.agent.connection import Bell, Connection, authority, connect
from orchestrator.agent.stream import Stream
from orchestrator.protocol.codec import Message, ProtocolError, UnknownType, decode, encode
from orchestrator.protocol.messages import (
    MAX_COORDINATOR_MESSAGE_BYTES,
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


class Session:
    """`wake` is called, on any thread, whenever `take` or `lost_since` has news."""

    def __init__(self, config: Config, hello: Hello, wake: Callable[[], None]) -> None:
        self.lost_since: Optional[float] = monotonic()
        self._config, self._hello, self._wake = config, hello, wake
        self._lock = threading.Lock()
        self._bell = Bell()
        self._state: Optional[State] = None
        self._report: Optional[Report] = None
        self._last_state: State = State()
        self._stated_at = monotonic()
        self._last_report: Optional[Report] = None
        self._said_attempt = -1
        self._arrived: Deque[Wanted] = deque(maxlen=MAX_WAITING)
        self._heard_at = monotonic()
        self._closed = threading.Event()
        self._complaint = ""
        self._thread = threading.Thread(target=self._run, name="session", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def say(self, message: Message) -> None:
        """Send the latest State or Report as soon as possible; an older one that still waits is replaced."""
        with self._lock:
            if isinstance(message, State):
                self._state = self._last_state = message
                self._stated_at = monotonic()
            elif isinstance(message, Report):
                self._report = self._last_report = message
        self._bell.ring()

    def take(self) -> List[Wanted]:
        """What has arrived, oldest first."""
        found = []
        while self._arrived:
            found.append(self._arrived.popleft())
        return found

    def close(self, wait: float) -> None:
        """Send what waits, if that is possible soon, and end."""
        self._closed.set()
        self._bell.ring()
        self._thread.join(wait)

    def _run(self) -> None:
        backoff = FIRST_BACKOFF_SECONDS
        while not self._closed.is_set():
            if self._talk():
                backoff = FIRST_BACKOFF_SECONDS
            self._closed.wait(backoff * random.uniform(0.5, 1.0))
            backoff = min(2 * backoff, LAST_BACKOFF_SECONDS)

    def _talk(self) -> bool:
        """One stream from its beginning to its end; whether the coordinator accepted it."""
        try:
            with self._connect() as connection:
                self._converse(connection)
        except ValueError as error:  # of TLS, HTTP/2, a message, a token that no header can hold
            self._complain(str(error))
        except OSError:
            pass  # nobody is there: somebody may be soon
        accepted = self.lost_since is None
        if accepted:
            self.lost_since = monotonic()
            self._wake()
        return accepted

    def _connect(self) -> Connection:
        """Raises OSError and ValueError."""
        connected = connect(self._config.address)
        if not self._config.authority:
            return Connection(connected, self._bell)
        from orchestrator.agent import tls

        name = self._config.server_name or self._config.address.rpartition(":")[0]
        return Connection(tls.secure(connected, self._config.authority, name), self._bell, tls.WOULD_BLOCK)

    def _converse(self, connection: Connection) -> None:
        """Until the stream has ended, or nothing was heard on it for too long."""
        headers = [("user-agent", "tf-orchestrator-agent"), ("authorization", f"Bearer {self._token()}")]
        address = authority(self._config.address)
        headers.append((":scheme", "https" if self._config.authority else "http"))
        stream = Stream(SESSION_METHOD, address, headers, MAX_COORDINATOR_MESSAGE_BYTES)
        self._begin(stream)
        data: Optional[bytes] = b""
        while data is not None and not stream.is_over:
            self._hand_over(stream)
            stream.put_back(connection.write(stream.take()))
            left = self._heard_at + SILENCE_SECONDS - monotonic()
            if left <= 0:
                return
            connection.wait(left, for_room=stream.is_blocked)
            data = connection.read()
            for message in stream.receive(data or b""):
                self._hear(message)

    def _begin(self, stream: Stream) -> None:
        """A coordinator that may be new is told everything."""
        self._heard_at = monotonic()
        with self._lock:
            self._state, self._report, self._said_attempt = self._last_state, self._last_report, -1
        stream.send(encode(self._hello))

    def _hand_over(self, stream: Stream) -> None:
        """Whatever waits, unless the one before still does: then it may yet be replaced by a newer one."""
        while stream.has_room:
            with self._lock:
                message = self._next()
            if message is None:
                break
            stream.send(encode(message))
        if self._closed.is_set() and self._state is None and self._report is None:
            stream.finish()

    def _next(self) -> Optional[Message]:
        """The State first, unless the Report is about an attempt that is known already: the last one before an exit."""
        report, state = self._report, self._state
        if report is not None and (state is None or report.attempt == self._said_attempt):
            self._report = None
            return report
        if state is not None:
            self._state = None
            self._said_attempt = state.attempt
            state = _aged(state, monotonic() - self._stated_at)
        return state

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

    def _complain(self, text: str) -> None:
        """Once per text: a refusal is repeated with every attempt to connect."""
        if text != self._complaint:
            self._complaint = text
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


def _aged(state: State, seconds: float) -> State:
    """As it is now, so long after it was handed in: it may have waited for a stream."""
    if state.ended_seconds is None:
        return state
    return replace(state, ended_seconds=state.ended_seconds + seconds)
