"""The live view, on a terminal: a few lines that are redrawn in place, events scrolling by above them.

`frame` lays a RunView out as styled lines; LiveRenderer draws frames from a thread of its own, at most 4 a second and
only when something changed, so that a stopped terminal (Ctrl-S) never stops the run. The cursor is never hidden and
the alternate screen never used: whatever happens, the terminal stays usable.
"""

import os
import threading
import time
from collections import deque
from datetime import datetime
from types import TracebackType
from typing import Self, TextIO

from rich.console import Console
from rich.text import Text

from orchestrator.cli import frame, signals, wording
from orchestrator.cli.line_writer import write_text
from orchestrator.cli.streams import silence
from orchestrator.cli.summary import Summary, render_summary
from orchestrator.cli.view import RunEvent, RunView
from orchestrator.core.actions import EventType

SECONDS_BETWEEN = 0.25
MAX_WAITING = 1_000
DEFAULT_COLUMNS = 80
DEFAULT_ROWS = 24
_LOOK_SECONDS = 0.2
_UP = "\x1b[{}A"
_CLEAR_LINE = "\x1b[K"
_CLEAR_BELOW = "\x1b[J"


def size_of(stream: TextIO) -> tuple[int, int]:
    """Columns and rows of this terminal; asked every time, since windows change."""
    try:
        columns, rows = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        columns, rows = 0, 0
    return columns or DEFAULT_COLUMNS, rows or DEFAULT_ROWS


class Screen:
    """Draws frames over one another at the end of what was printed; used by one thread at a time."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._console = Console(file=stream, force_terminal=True, highlight=False, emoji=False, markup=False)
        self._drawn: list[str] = []
        self._columns = 0
        self._is_lost = False
        self.glyphs = frame.glyphs_for(stream.encoding)

    def lose(self) -> None:
        """Others have written below the last frame: it stays as it is, and the next one begins where they ended."""
        self._is_lost = True

    def draw(self, view: RunView | None, above: list[Text]) -> None:
        """`above`: lines that stay and scroll away; the frame, if there is one, comes below them."""
        columns, height = size_of(self._stream)
        # One column less than there is: some terminals take a full line for the first half of a longer one, and join
        # it with the next when they get wider.
        lines = frame.render_frame(view, max(columns - 1, 1), height, self.glyphs) if view else []
        texts = [self._styled(line) for line in lines]
        if self._is_lost:
            self._is_lost, self._drawn = False, []
        if texts == self._drawn and not above and columns == self._columns:
            return
        kept = [self._styled(line) for line in above]
        # As many rows as were written, also in a window that has become narrower since, where a part of the old frame
        # may stay. How many rows it fills by now cannot be known: some terminals wrap old lines, others cut them, and
        # those that wrap may have another width already than they tell of (tmux tells of the second of two changes up
        # to a quarter of a second late). Going up too far would wipe out what stays.
        start = _UP.format(len(self._drawn)) if self._drawn else ""
        body = "".join(f"{line}{_CLEAR_LINE}\n" for line in (*kept, *texts))
        self._write(f"\r{start}{body}{_CLEAR_BELOW}" if not kept else f"\r{start}{_CLEAR_BELOW}{body}")
        self._drawn, self._columns = texts, columns

    def _styled(self, line: Text) -> str:
        with self._console.capture() as captured:
            self._console.print(line, end="", soft_wrap=True)
        return captured.get()

    def _write(self, text: str) -> None:
        try:
            write_text(self._stream, text)
        except BrokenPipeError:
            silence(self._stream)
        except (OSError, ValueError):
            return  # a terminal that is gone takes the view with it, not the run


class LiveRenderer:
    """See view.Renderer."""

    def __init__(self, stream: TextIO, leave: threading.Event | None = None) -> None:
        self._screen = Screen(stream)
        self._leave = leave or threading.Event()
        self._view: RunView | None = None
        self._above: deque[Text] = deque(maxlen=MAX_WAITING)
        self._is_new = False
        self._is_closed = False
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live view", daemon=True)

    def __enter__(self) -> Self:
        # A shell says that the job was stopped, and what it takes up again.
        signals.on_continue(self._screen.lose)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """The frame disappears; what stood above it, and the summary, stay. A stopped terminal (Ctrl-S) is waited for
        until `leave` is set."""
        with self._changed:
            self._view = None
            self._is_closed = True
            self._changed.notify()
        self._stop.set()
        while self._thread.is_alive() and not self._leave.is_set():
            self._thread.join(_LOOK_SECONDS)

    def refresh(self, view: RunView) -> None:
        with self._changed:
            self._view = view
            self._is_new = True
            self._changed.notify()

    def told(self, event: RunEvent) -> None:
        style = "yellow" if event.event.type is EventType.WARNING else ""
        self._print(_timed(event.time, event.event.message, style))

    def note(self, text: str, now: datetime) -> None:
        self._print(_timed(now, text, ""))

    def close(self, summary: Summary) -> None:
        with self._changed:
            self._view = None
        self._print(Text())
        headline, *rest = render_summary(summary).split("\n")
        self._print(Text(headline, "bold green" if summary.is_success else "bold red"))
        for line in rest:
            self._print(Text(line))

    def _print(self, line: Text) -> None:
        with self._changed:
            self._above.append(line)
            self._changed.notify()

    def _run(self) -> None:
        while not self._stop.is_set():
            view, above = self._take()
            self._screen.draw(view, above)
            self._pause()
        self._screen.draw(*self._take_last())

    def _pause(self) -> None:
        """A pause that took longer was spent stopped; then another one lets the main thread hear of SIGCONT first."""
        began = time.monotonic()
        self._stop.wait(SECONDS_BETWEEN)
        if time.monotonic() - began > 2 * SECONDS_BETWEEN:
            self._stop.wait(SECONDS_BETWEEN)

    def _take(self) -> tuple[RunView | None, list[Text]]:
        """What is to be drawn, as soon as there is something new."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_new or self._above or self._is_closed)
            self._is_new = False
            above = list(self._above)
            self._above.clear()
            return self._view, above

    def _take_last(self) -> tuple[None, list[Text]]:
        with self._changed:
            return None, list(self._above)


def _timed(moment: datetime, text: str, style: str) -> Text:
    return Text(wording.clock(moment), "dim").append(f"  {wording.clean(text)}", style or "default")
