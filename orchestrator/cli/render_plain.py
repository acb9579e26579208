"""The view where nobody looks at a terminal: timestamped lines for events, now and then one for progress.

A progress line comes with the first step, then after a further tenth of the steps but not within 5 seconds, and at
least once a minute while steps are made.
"""

import threading
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self, TextIO

from orchestrator.cli import facts, wording
from orchestrator.cli.line_writer import LineWriter
from orchestrator.cli.summary import Summary, render_summary
from orchestrator.cli.view import RunEvent, RunView
from orchestrator.core.actions import EventType

SOONEST = timedelta(seconds=5)
LATEST = timedelta(seconds=60)
PERCENTS = 10


class PlainRenderer:
    """See view.Renderer."""

    def __init__(self, stream: TextIO, leave: threading.Event | None = None) -> None:
        self._lines = LineWriter(stream, lambda lost: f"({wording.count(lost, 'line')} not shown)", leave)
        self._metrics_url = ""
        self._shown: RunView | None = None

    def __enter__(self) -> Self:
        self._lines.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def refresh(self, view: RunView) -> None:
        if view.info.metrics_url != self._metrics_url:
            self._metrics_url = view.info.metrics_url
            self._say(view.now, f"metrics {view.info.metrics_url}")
        if is_due(self._shown, view):
            self._shown = view
            self._say(view.now, facts.progress_line(view), may_be_lost=True)

    def told(self, event: RunEvent) -> None:
        warning = "warning: " if event.event.type is EventType.WARNING else ""
        self._say(event.time, f"{warning}{event.event.message}")

    def note(self, text: str, now: datetime) -> None:
        self._say(now, text)

    def close(self, summary: Summary) -> None:
        self._lines.write("")
        self._lines.write(render_summary(summary))

    def _say(self, now: datetime, text: str, *, may_be_lost: bool = False) -> None:
        self._lines.write(f"{wording.clock(now)}  {wording.clean(text)}", may_be_lost=may_be_lost)


def is_due(shown: RunView | None, view: RunView) -> bool:
    """Whether the progress since the one that was shown deserves a line."""
    if view.progress.step is None:
        return False
    if shown is None or shown.attempt != view.attempt:
        return True
    passed = view.now - shown.now
    if passed < SOONEST or view.progress.step == shown.progress.step:
        return False
    return passed >= LATEST or _percents(view) - _percents(shown) >= PERCENTS


def _percents(view: RunView) -> int:
    return int(100 * (facts.share(view) or 0.0))
