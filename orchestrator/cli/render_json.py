"""`--output json` of `tfo run` and `tfo submit --watch`: one event per line, for programs; the last one is the summary.

The types of the lines are in `events`; this only decides when a line is due.
"""

import threading
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TextIO

import msgspec

from orchestrator.cli import events, wording
from orchestrator.cli.line_writer import LineWriter
from orchestrator.cli.summary import Summary
from orchestrator.cli.view import RunEvent, RunView

SOONEST = timedelta(seconds=1)


class JsonRenderer:
    """See view.Renderer."""

    def __init__(
        self,
        stream: TextIO,
        job: str,
        number: int | None,
        leave: threading.Event | None = None,
        namespace: str = "",
    ) -> None:
        self._lines = LineWriter(stream, leave=leave)
        self._job = job
        self._number = number
        self._namespace = namespace
        self._attempt = 0
        self._metrics_url = ""
        self._has_told = False
        self._shown: tuple[datetime, events.Progressed] | None = None

    @property
    def failed(self) -> int:
        """How many lines the stream did not take."""
        return self._lines.failed

    def __enter__(self) -> Self:
        self._lines.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def refresh(self, view: RunView) -> None:
        self._attempt = view.attempt
        self._metrics_url = view.info.metrics_url
        line = events.of_progress(view)
        if self._is_due(line, view.now):
            self._shown = (view.now, line)
            self._lines.write(events.encode(line), may_be_lost=True)

    def told(self, event: RunEvent) -> None:
        """The first event has the address of the metrics with it."""
        url = "" if self._has_told else self._metrics_url
        self._has_told = True
        line = events.of_event(self._job, self._number, event, url, self._namespace)
        self._lines.write(events.encode(line))

    def note(self, text: str, now: datetime) -> None:
        line = events.Note(
            time=wording.timestamp(now),
            job=self._job,
            number=self._number,
            namespace=self._namespace or None,
            attempt=self._attempt,
            message=wording.clean(text),
        )
        self._lines.write(events.encode(line))

    def close(self, summary: Summary) -> None:
        """The summary stays the last line."""
        if summary.farewell:
            self.note(summary.farewell, summary.time)
        self._lines.write(events.encode(events.of_summary(summary)))

    def _is_due(self, line: events.Progressed, now: datetime) -> bool:
        if line.step is None and not line.metrics:
            return False
        if self._shown is None:
            return True
        before, shown = self._shown
        same = msgspec.structs.replace(shown, time=line.time, eta_seconds=line.eta_seconds)
        return now - before >= SOONEST and same != line
