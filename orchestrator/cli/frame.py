"""The lines of the live view: a RunView laid out for a terminal of so many columns and rows; pure.

Called by `render_live`. Wide: one header line, one line with bar and measures, one per replica. Narrow: the same in
more lines. More than 12 replicas, or too few rows: counts, those that are not running, and the slowest.
"""

from collections import Counter

import msgspec
from rich.text import Text

from orchestrator.api.status import Phase
from orchestrator.cli import facts, wording
from orchestrator.cli.view import ReplicaRow, RunView

MAX_ROWS = 12
SLOWEST = 3
UNUSUAL = 5
BAR_COLUMNS = 40
MIN_BAR_COLUMNS = 10
_LEFT_OUT_FIRST = ("pid", "node", "speed", "restarts")
_STYLES = {
    Phase.RUNNING: "bold green",
    Phase.SUCCEEDED: "bold green",
    Phase.RESTARTING: "bold yellow",
    Phase.FAILED: "bold red",
}


class Glyphs(msgspec.Struct, frozen=True):
    """What is drawn with: bar done, its tip, bar to do, times, and what stands for cut text."""

    done: str = "━"
    tip: str = "╸"
    to_do: str = "━"
    times: str = "×"
    cut: str = "…"


ASCII = Glyphs("#", "", "-", "x", "...")


def glyphs_for(encoding: str | None) -> Glyphs:
    """ASCII for a terminal whose encoding cannot say otherwise."""
    fine = Glyphs()
    try:
        "".join((fine.done, fine.tip, fine.times, fine.cut)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return fine


def render_frame(view: RunView, columns: int, rows: int, glyphs: Glyphs) -> list[Text]:
    """At most rows - 1 lines, none longer than `columns`."""
    room = max(rows - 1, 1)
    head = [*_header(view, columns, glyphs), *_progress(view, columns, glyphs)]
    table = _replicas(view, columns, room - len(head), glyphs)
    lines = [*head, *table][:room]
    for line in lines:
        _fit(line, columns, glyphs)
    return lines


def _fit(line: Text, columns: int, glyphs: Glyphs) -> None:
    if line.cell_len > columns:
        line.truncate(max(columns - len(glyphs.cut), 0), overflow="crop")
        line.append(glyphs.cut[:columns])


def _header(view: RunView, columns: int, glyphs: Glyphs) -> list[Text]:
    """title  phase  attempt  (history)  metrics; in several lines where it does not fit."""
    name = Text(view.info.title, "bold")
    phase = Text(facts.phase(view), _STYLES.get(view.phase, "bold"))
    attempt = [Text(_attempt(view))] if _attempt(view) else []
    first = [name, phase, *attempt, Text(wording.duration(_age(view)), "dim")]
    history = facts.history(view, glyphs.times)
    second = [Text(f"({history})", "yellow")] if history else []
    third = [Text(f"metrics {view.info.metrics_url}", "dim")] if view.info.metrics_url else []
    whole = _joined([*first, *second, *third])
    if whole.cell_len <= columns:
        return [whole]
    top = _joined([*first, *second])
    if top.cell_len <= columns:
        return [top, *third]
    return [_joined(first), *second, *third]


def _attempt(view: RunView) -> str:
    if view.attempt:
        return f"attempt {view.attempt}"
    return "" if view.phase is Phase.SUSPENDED or view.phase.is_final else "starting"


def _age(view: RunView) -> float:
    return (view.now - view.info.started).total_seconds()


def _progress(view: RunView, columns: int, glyphs: Glyphs) -> list[Text]:
    place = [part for part in (facts.steps(view), facts.percent(view), facts.eta(view)) if part]
    if not place:
        return [Text(_waiting(view), "dim")]
    measures = facts.measures(view)
    done = facts.share(view)
    words = "  ".join(place) + ("   " + "  ".join(measures) if measures else "")
    if done is None:
        return (
            [Text(words)] if len(words) <= columns else [Text("  ".join(place)), *_wrapped(measures, columns)]
        )
    if (room := columns - len(words) - 2) >= MIN_BAR_COLUMNS:
        return [_bar(done, min(room, BAR_COLUMNS), glyphs).append(f"  {words}")]
    short = "  ".join(place)
    room = columns - len(short) - 2
    bar = [_bar(done, min(room, BAR_COLUMNS), glyphs).append(f"  {short}")] if room >= MIN_BAR_COLUMNS else []
    return [*(bar or [Text(short)]), *_wrapped(measures, columns)]


def _waiting(view: RunView) -> str:
    """Before the first step: what is known of why."""
    if view.phase is Phase.RUNNING:
        return "no step reported yet"
    return wording.clean(view.obstacle or view.status.message) or "starting"


def _bar(done: float, columns: int, glyphs: Glyphs) -> Text:
    filled = int(done * columns)
    tip = glyphs.tip if filled < columns else ""
    rest = columns - filled - len(tip)
    return Text().append(glyphs.done * filled + tip, "green").append(glyphs.to_do * rest, "bright_black")


def _wrapped(parts: list[str], columns: int) -> list[Text]:
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 + len(part) <= columns:
            lines[-1] += f"  {part}"
        else:
            lines.append(part)
    return [Text(line) for line in lines]


def _replicas(view: RunView, columns: int, room: int, glyphs: Glyphs) -> list[Text]:
    if len(view.rows) <= min(MAX_ROWS, room):
        return _table(view.rows, columns, glyphs)
    counts = Counter(row.state for row in view.rows)
    told = ", ".join(f"{number:,} {state}" for state, number in sorted(counts.items()))
    head = Text(f"{wording.count(len(view.rows), 'replica')}: {wording.clean(told)}")
    return [head, *_table(_worth_showing(view.rows), columns, glyphs)][: max(room, 0)]


def _worth_showing(rows: tuple[ReplicaRow, ...]) -> tuple[ReplicaRow, ...]:
    """Those that are not running while others are, and the slowest."""
    idle = [row for row in rows if not row.is_running]
    unusual = idle[:UNUSUAL] if len(idle) < len(rows) else []
    measured = [row for row in rows if row.step_seconds is not None and row not in unusual]
    slowest = sorted(measured, key=lambda row: row.step_seconds or 0.0, reverse=True)
    return (*unusual, *slowest[:SLOWEST])


def _table(rows: tuple[ReplicaRow, ...], columns: int, glyphs: Glyphs) -> list[Text]:
    """Aligned; columns that nobody needs are left out, and in a narrow terminal those that matter least."""
    cells = [facts.replica_cells(row, glyphs.times) for row in rows]
    used = [field for field in facts.ReplicaCells._fields if any(getattr(line, field) for line in cells)]
    for least in _LEFT_OUT_FIRST:
        if sum(_width(cells, field) + 2 for field in used) - 2 > columns and least in used:
            used.remove(least)
    widths = {field: _width(cells, field) for field in used}
    lines = ("  ".join(getattr(line, field).ljust(widths[field]) for field in used) for line in cells)
    return [Text(line.rstrip()) for line in lines]


def _width(cells: list[facts.ReplicaCells], field: str) -> int:
    return max((len(getattr(line, field)) for line in cells), default=0)


def _joined(parts: list[Text]) -> Text:
    return Text("  ").join(parts)
