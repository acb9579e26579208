"""From the program's datagrams to the Reports of the session: receive, fold, and say it at most once per interval.

Owned by `agent.loop`. Holds the telemetry of the running attempt and the socket; the folding itself is pure and in
`agent.telemetry`. Python 3.9, standard library only.
"""

from __future__ import annotations

import sys
from typing import Callable, Optional

from orchestrator.agent import telemetry
from orchestrator.agent.config import Config
from orchestrator.agent.folder import Folder
from orchestrator.agent.logs import LogPump
from orchestrator.agent.reports import MAX_TURNS, ReportSocket
from orchestrator.agent.wakeup import Wakeup
from orchestrator.protocol.datagrams import STARTING
from orchestrator.protocol.messages import Report

PAUSE_SECONDS = 0.1
"""Between two hurried looks at the socket, so that a program that floods it costs no more than one that does not."""


class Reporting:
    """`say` hands a Report to the session."""

    def __init__(self, config: Config, folder: Folder, wakeup: Wakeup, say: Callable[[Report], None]) -> None:
        self._interval = config.report_seconds
        self._wakeup = wakeup
        self._say = say
        self._socket = _open(config, folder)
        self._telemetry = self._said = telemetry.begin(0)
        self._sequence = 0
        self._lost_lines = 0
        self._said_at = self._received_at = self._listen_at = float("-inf")

    @property
    def path(self) -> Optional[str]:
        return self._socket.path if self._socket is not None else None

    @property
    def checkpoint_step(self) -> Optional[int]:
        """Newest checkpoint that this attempt has told of."""
        return self._telemetry.report.checkpoint_step

    @property
    def is_starting(self) -> bool:
        """Whether the program has said that there is nothing to save yet."""
        return self._telemetry.report.busy == STARTING

    def begin(self, attempt: int) -> None:
        """Forget what an earlier attempt has said."""
        if self._socket is not None:
            self._socket.discard()
        self._telemetry = self._said = telemetry.begin(attempt)
        self._sequence, self._lost_lines = 0, 0

    def receive(self, now: float) -> None:
        """Take in what has arrived."""
        if self._socket is not None and now >= self._listen_at:
            self._take(self._socket, now)

    def finish(self, now: float, pump: Optional[LogPump] = None) -> None:
        """The program is gone: take in its last words and pass them on at once, with what its log has lost."""
        if self._socket is not None:
            for _ in range(MAX_TURNS):
                if not self._take(self._socket, now):
                    break
        self._note_lost(pump)
        self._tell(now)

    def tell(self, now: float, pump: Optional[LogPump]) -> None:
        """Say what is new, if the last time is long enough ago."""
        self._note_lost(pump)
        if now - self._said_at >= self._interval:
            self._tell(now)

    def next_at(self, now: float) -> float:
        """When there is something to do though nothing happens; until then datagrams may or may not wake the loop."""
        moment = float("inf") if self._telemetry is self._said else self._said_at + self._interval
        if self._socket is None:
            return moment
        self._wakeup.listen(self._socket.fileno(), now >= self._listen_at)
        return moment if now >= self._listen_at else min(moment, self._listen_at)

    def close(self) -> None:
        if self._socket is not None:
            self._wakeup.listen(self._socket.fileno(), False)
            self._socket.close()

    def _take(self, socket: ReportSocket, now: float) -> bool:
        datagrams = socket.take()
        if datagrams:
            # A program that reports now and then is heard at once; one that floods waits for its next turn.
            hurried = now - self._received_at < PAUSE_SECONDS
            self._received_at, self._listen_at = now, now + PAUSE_SECONDS if hurried else now
        for datagram in datagrams:
            if datagram is None:
                self._telemetry = telemetry.drop(self._telemetry)
            else:
                self._telemetry = telemetry.fold(self._telemetry, datagram, now)
        return bool(datagrams)

    def _note_lost(self, pump: Optional[LogPump]) -> None:
        if pump is not None and pump.lost != self._lost_lines:
            self._lost_lines = pump.lost
            self._telemetry = telemetry.lose(self._telemetry, pump.lost, pump.trouble)

    def _tell(self, now: float) -> None:
        if self._telemetry is self._said:
            return
        self._sequence += 1
        self._say(telemetry.render(self._telemetry, self._sequence, now))
        self._said, self._said_at = self._telemetry, now


def _open(config: Config, folder: Folder) -> Optional[ReportSocket]:
    try:
        return ReportSocket(folder)
    except OSError as error:
        print(
            f"agent {config.name}: no metrics, the report socket cannot be made: {error}",
            file=sys.stderr,
            flush=True,
        )
        return None
