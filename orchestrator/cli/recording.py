"""What a run leaves to others while it lives and afterwards: the metrics endpoint and the files of metrics and events.

Made by `cli.run` around a session. A disk that is full never ends a run: what was lost is counted and said.
"""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from msgspec.structs import replace

from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli.arguments import RunOptions
from orchestrator.cli.errors import Refused
from orchestrator.cli.render_json import JsonRenderer
from orchestrator.cli.session import LocalSession, utc_now
from orchestrator.cli.summary import Summary
from orchestrator.cli.view import Renderer, RunEvent, RunView
from orchestrator.metrics import exporter, server
from orchestrator.metrics.runlog import MetricsLog
from orchestrator.metrics.samples import AgentNumbers

METRICS_HOST = "127.0.0.1"
FULL = "the disk is full"


@dataclass(frozen=True)
class Losses:
    """What could not be written, and why. `logs`: the replicas of whose output so many lines are missing."""

    writes: int
    reason: str
    logs: tuple[str, ...]
    log_lines: int


def listen(options: RunOptions) -> socket.socket | None:
    """The port of the metrics, before anything is made: a port that is taken is refused in time. None: no metrics."""
    if not options.metrics_port:
        return None
    try:
        return server.listen(METRICS_HOST, options.metrics_port, asked=options.metrics_port_asked)
    except OSError as error:
        raise Refused(f"--metrics-port: {error.strerror or error}") from None


def say_lingering(url: str, seconds: float) -> str:
    return f"metrics stay at {url} for {seconds:,.15g} s; Ctrl-C ends that"


class Recording:
    """Entered before the job starts. `endpoint`: where the metrics are served, if they are."""

    def __init__(self, session: LocalSession, options: RunOptions, endpoint: socket.socket | None) -> None:
        self._endpoint = endpoint
        self._session = session
        self._options = options
        self._folder: RunFolder = session.run_plan.folder
        self._exporter = exporter.Exporter(session.store, utc_now, self._agent_numbers)
        self._server: server.MetricsServer | None = None
        self._log = MetricsLog(self._folder.metrics_jsonl)
        self._has_told_loss = False
        self._told = 0
        self._lost_files = 0
        self._error = ""

    async def __aenter__(self) -> Self:
        if self._endpoint is not None:
            self._server = server.MetricsServer(self._endpoint, self._exporter.render)
            self._session.metrics_url = self._server.url
            self._session.backend.set_runner_url(self._server.url)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()

    def _agent_numbers(self) -> AgentNumbers:
        counts = self._session.counts()
        return AgentNumbers(
            connected=counts.connected, messages=counts.messages, auth_failures=counts.denials
        )

    def look(self, view: RunView) -> Iterator[str]:
        """Appends to metrics.jsonl what is new; gives what has to be said: by programs, or of a full disk."""
        training = self._session.store.training(view.info.uid, view.now)
        self._log.append(training, view.attempt, view.now)
        lost = self.losses()
        if lost.writes and not self._has_told_loss:
            self._has_told_loss = True
            yield f"cannot write to {self._folder.path}: {lost.reason}; training goes on"
        notes = self._session.store.notes(view.info.uid)
        yield from notes[self._told :]
        self._told = len(notes)

    def losses(self) -> Losses:
        """Of state, metrics and programs' output; so far."""
        backend = self._session.backend
        replicas = self._session.store.training(self._session.uid, utc_now()).replicas
        return Losses(
            writes=self._log.lost_lines + backend.lost_writes + self._lost_files,
            reason=self._log.error or backend.write_error or self._error or FULL,
            logs=tuple(sorted(one.name for one in replicas if one.lost_lines)),
            log_lines=sum(one.lost_lines for one in replicas),
        )

    def finish(self) -> None:
        """The last values, before the summary says where they are."""
        now = utc_now()
        view = self._session.view(now)
        self._log.append(self._session.store.training(view.info.uid, now), view.attempt, now, last=True)
        try:
            self._exporter.write_prom(self._folder.metrics_prom)
        except OSError as error:
            self._lost_files += 1
            self._error = error.strerror or str(error)

    def farewell(self) -> str:
        """What is said where the final values are served for a while; a run that was interrupted waits for nothing."""
        if self._server is None or not self._options.metrics_linger or self._session.interrupted is not None:
            return ""
        return say_lingering(self._server.url, self._options.metrics_linger)

    async def linger(self, leave: threading.Event) -> None:
        """Goes on serving the final values for a while, or until `leave` is set."""
        if self.farewell():
            await asyncio.to_thread(leave.wait, self._options.metrics_linger)


class Tee:
    """Implements Renderer: shows the run, and writes the same events to the run folder."""

    def __init__(self, shown: Renderer, recording: Recording, folder: RunFolder) -> None:
        self._shown = shown
        self._recording = recording
        self._file = _opened(folder.events)
        self._written = JsonRenderer(self._file, folder.job, folder.number)

    def __enter__(self) -> Self:
        self._written.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_file()

    def refresh(self, view: RunView) -> None:
        self._shown.refresh(view)
        for note in self._recording.look(view):
            self._shown.note(note, view.now)

    def told(self, event: RunEvent) -> None:
        self._shown.told(event)
        self._written.told(event)

    def note(self, text: str, now: datetime) -> None:
        self._shown.note(text, now)

    def close(self, summary: Summary) -> None:
        """The file first, since what is lost there must be shown."""
        self._written.close(self._with_losses(summary))
        self._end_file()
        self._shown.close(self._with_losses(summary))

    def _with_losses(self, summary: Summary) -> Summary:
        lost = self._recording.losses()
        failed = self._written.failed + (self._file.name == os.devnull)
        return replace(
            summary,
            lost_writes=lost.writes + failed,
            lost_logs=lost.logs,
            lost_log_lines=lost.log_lines,
            lost_reason=lost.reason if lost.writes + failed else "",
        )

    def _end_file(self) -> None:
        self._written.__exit__(None, None, None)
        self._file.close()


def _opened(path: Path) -> TextIO:
    """Events of a run that cannot be kept are still shown."""
    try:
        return path.open("a", encoding="utf-8")
    except OSError:
        return Path(os.devnull).open("a", encoding="utf-8")
