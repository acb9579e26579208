"""`tfo ps`: which runs there are and how far they have come.

Reads the state files of all runs; the runners are not asked. Rows are made from values by `describe`, then printed as
a table or as JSON.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from orchestrator.api.status import Phase
from orchestrator.backends.local.run_folder import RunFolder, RunState
from orchestrator.cli import exit_codes
from orchestrator.cli.arguments import PsOptions
from orchestrator.cli.lookup import UNREADABLE, every_run, label, read_state

_COLUMNS = ("JOB", "PHASE", "ATTEMPT", "STEP", "LOSS", "ACCURACY", "RESTARTS", "AGE", "PID")
_AGES = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


class Row(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One run. `pid`: of the runner, while it lives. `age_seconds`: since its start."""

    run: str
    job: str
    number: int
    phase: str
    path: str
    live: bool = False
    attempt: int | None = None
    step: int | None = None
    total_steps: int | None = None
    loss: str | None = None
    accuracy: str | None = None
    restarts: int = 0
    disruptions: int = 0
    start_time: datetime | None = None
    completion_time: datetime | None = None
    age_seconds: float | None = None
    pid: int | None = None
    metrics_url: str | None = None

    @property
    def is_ended(self) -> bool:
        return self.phase in (Phase.SUCCEEDED, Phase.FAILED, Phase.STOPPED) and not self.live


def ps_command(options: PsOptions) -> int:
    now = datetime.now(UTC)
    rows = [row for folder in every_run(options.runs_dir) if (row := _look(folder, now)) is not None]
    shown = [row for row in rows if options.all or not row.is_ended]
    if options.output == "json":
        print(msgspec.json.format(msgspec.json.encode(shown), indent=2).decode())
        return exit_codes.OK
    print("\n".join(render(shown)))
    if len(shown) < len(rows):
        ended = len(rows) - len(shown)
        print(f"{ended} ended {'run' if ended == 1 else 'runs'} not shown: tfo ps --all", file=sys.stderr)
    return exit_codes.OK


def _look(folder: RunFolder, now: datetime) -> Row | None:
    """None when the run has just been removed."""
    is_live = folder.is_live()
    state = read_state(folder)
    if state is None:
        return _unreadable(folder, is_live) if folder.state_file.exists() else None
    return describe(folder, state, is_live, now)


def _unreadable(folder: RunFolder, is_live: bool) -> Row:
    return Row(
        run=label(folder),
        job=folder.job,
        number=folder.number,
        phase=UNREADABLE,
        path=str(folder.path),
        live=is_live,
    )


def describe(folder: RunFolder, state: RunState, is_live: bool, now: datetime) -> Row:
    """A run that has not ended and has no runner is Lost."""
    status, progress = state.status, state.status.progress
    numbers = [one.number for one in (*status.attempts, status.attempt) if one]
    is_lost = not status.phase.is_final and not is_live
    return Row(
        run=label(folder),
        job=folder.job,
        number=folder.number,
        phase=(Phase.LOST if is_lost else status.phase).value,
        path=str(folder.path),
        live=is_live,
        attempt=numbers[-1] if numbers else None,
        step=progress.step,
        total_steps=progress.total_steps,
        loss=progress.loss,
        accuracy=progress.accuracy,
        restarts=status.restarts,
        disruptions=status.disruptions,
        start_time=state.runner.start_time,
        completion_time=status.completion_time,
        age_seconds=max(0.0, round((now - state.runner.start_time).total_seconds(), 3)),
        pid=state.runner.pid if is_live else None,
        metrics_url=(state.runner.metrics_url or None) if is_live else None,
    )


def render(rows: Sequence[Row]) -> list[str]:
    """Columns as wide as they must be; what is not known is a dash."""
    table = [_COLUMNS, *(_cells(row) for row in rows)]
    widths = [max(len(line[place]) for line in table) for place in range(len(_COLUMNS))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.run,
        row.phase,
        _known(row.attempt),
        _steps(row),
        _known(row.loss),
        _known(row.accuracy),
        str(row.restarts),
        "-" if row.age_seconds is None else age(row.age_seconds),
        _known(row.pid),
    )


def _known(value: object) -> str:
    return "-" if value is None else str(value)


def _steps(row: Row) -> str:
    if row.step is None:
        return "-"
    return f"{row.step}/{row.total_steps}" if row.total_steps else str(row.step)


def age(seconds: float) -> str:
    """The two largest units that say something: 45s, 5m3s, 2h5m, 3d4h."""
    left, parts = int(seconds), []
    for size, unit in _AGES:
        count, left = divmod(left, size)
        parts.append(f"{count}{unit}")
    first = next((place for place, part in enumerate(parts) if part[0] != "0"), len(parts) - 1)
    return "".join(part for part in parts[first : first + 2] if part[0] != "0") or "0s"
