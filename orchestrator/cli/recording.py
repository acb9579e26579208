"""What a run leaves to others while it lives and afterwards: the metrics endpoint and the files of metrics and events.

Made by `cli.run` around a session. A disk that is full never ends a run: what was lost is counted and said.
"""

import asyncio
import os
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli.arguments import RunOptions
from orchestrator.cli.errors import Refused
from orchestrator.cli.render_json import JsonRenderer
from orchestrator.cli.session import LocalSession, utc_now
from orchestrator.cli.summary import Summary
from orchestrator.cli.view import Renderer, RunEvent, RunView
from orchestrator.metrics import exporter
from orchestrator.metrics.runlog import MetricsLog
from orchestrator.metrics.samples import AgentNumbers
from orchestrator.metrics.server import MetricsServer


class Recording:
    """Entered before the job starts, so that a port that is taken is refused in time."""

    def __init__(self, session: LocalSession, options: RunOptions) -> None:
        self._session = session
        self._options = options
        self._folder: RunFolder = session.run_plan.folder
        self._exporter = exporter.Exporter(session.store, utc_now, self._agent_numbers)
        self._server: MetricsServer | None = None
        self._log = MetricsLog(self._folder.metrics_jsonl)
        self._lost = 0
        self._told = 0

    async def __aenter__(self) -> Self:
        if self._options.metrics_port:
            self._server = self._serve()
            self._session.metrics_url = self._server.url
            self._session.backend.set_runner_url(self._server.url)
        return self

    def _serve(self) -> MetricsServer:
        try:
            return exporter.serve(
                self._exporter, port=self._options.metrics_port, asked=self._options.metrics_port_asked
            )
        except OSError as error:
            raise Refused(f"--metrics-port: {error.strerror or error}") from None

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
        lost = self._log.lost_lines + self._session.backend.lost_writes
        is_first = lost > 0 and self._lost == 0
        self._lost = lost
        if is_first:
            why = self._log.error or "the disk is full"
            yield f"cannot write to {self._folder.path}: {why}; training goes on"
        notes = self._session.store.notes(view.info.uid)
        yield from notes[self._told :]
        self._told = len(notes)

    def finish(self) -> None:
        """The last values, before the summary says where they are."""
        now = utc_now()
        view = self._session.view(now)
        self._log.append(self._session.store.training(view.info.uid, now), view.attempt, now, last=True)
        try:
            self._exporter.write_prom(self._folder.metrics_prom)
        except OSError:
            self._lost += 1

    async def linger(self) -> None:
        """Goes on serving the final values for a while."""
        if self._server is not None and self._options.metrics_linger:
            await asyncio.sleep(self._options.metrics_linger)


class Tee:
    """Implements Renderer: shows the run, and writes the same events to the run folder."""

    def __init__(self, shown: Renderer, recording: Recording, folder: RunFolder) -> None:
        self._shown = shown
        self._recording = recording
        self._folder = folder
        self._file: TextIO | None = None
        self._written: JsonRenderer | None = None

    def __enter__(self) -> Self:
        self._file = _opened(self._folder.events)
        self._written = JsonRenderer(self._file, self._folder.job, self._folder.number)
        self._written.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._written is not None:
            self._written.__exit__(kind, error, trace)
        if self._file is not None:
            self._file.close()

    def refresh(self, view: RunView) -> None:
        self._shown.refresh(view)
        for note in self._recording.look(view):
            self._shown.note(note, view.now)

    def told(self, event: RunEvent) -> None:
        self._shown.told(event)
        if self._written is not None:
            self._written.told(event)

    def note(self, text: str, now: datetime) -> None:
        self._shown.note(text, now)

    def close(self, summary: Summary) -> None:
        self._shown.close(summary)
        if self._written is not None:
            self._written.close(summary)


def _opened(path: Path) -> TextIO:
    """Events of a run that cannot be kept are still shown."""
    try:
        return path.open("a", encoding="utf-8")
    except OSError:
        return Path(os.devnull).open("a", encoding="utf-8")
