"""The files in which a run's metrics remain: `metrics.jsonl` line by line, `metrics.prom` at the end.

`cli.run` appends and the exporter writes. A full disk never ends a run: what could not be written is counted, and the
file goes on when there is room again.
"""

import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from orchestrator.metrics.samples import TrainingSample


class MetricsLine(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One line of metrics.jsonl."""

    time: str
    attempt: int
    step: int | None = None
    total_steps: int | None = None
    epoch: int | None = None
    metrics: dict[str, float] = {}
    examples_per_second: float | None = None
    steps_total: int = 0
    examples_total: int = 0
    non_finite: int = 0


class MetricsLog:
    """Appends a line whenever there is something new, at most one per `every_seconds`."""

    def __init__(self, path: Path, every_seconds: float = 1.0) -> None:
        self._path = path
        self._every = every_seconds
        self._last: tuple[datetime, MetricsLine] | None = None
        self._is_torn = False
        self.lost_lines = 0
        self.error = ""

    def append(self, training: TrainingSample, attempt: int, now: datetime, *, last: bool = False) -> bool:
        """Whether a line was written; `last` ignores the interval."""
        line = _line(training, attempt, now)
        if self._last is not None:
            before, previous = self._last
            is_same = msgspec.structs.replace(previous, time=line.time) == line
            if is_same or (not last and (now - before).total_seconds() < self._every):
                return False
        elif line.step is None and not line.metrics:
            return False
        self._last = (now, line)
        return self._write(msgspec.json.encode(line) + b"\n")

    def _write(self, data: bytes) -> bool:
        """A line that was cut off by a full disk is ended first, so that all others can be read."""
        try:
            fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        except OSError as error:
            return self._lose(error)
        try:
            written = os.write(fd, b"\n" + data if self._is_torn else data)
            is_whole = written == len(data) + self._is_torn
            self._is_torn = not is_whole
            self.lost_lines += not is_whole
            return is_whole
        except OSError as error:
            return self._lose(error)
        finally:
            os.close(fd)

    def _lose(self, error: OSError) -> bool:
        self.lost_lines += 1
        self.error = error.strerror or str(error)
        return False


def _line(training: TrainingSample, attempt: int, now: datetime) -> MetricsLine:
    progress = training.progress
    return MetricsLine(
        time=now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        attempt=attempt,
        step=progress.step,
        total_steps=progress.total_steps,
        epoch=progress.epoch,
        metrics=dict(training.metrics),
        examples_per_second=progress.examples_per_second,
        steps_total=training.steps,
        examples_total=training.counts.examples,
        non_finite=training.non_finite,
    )


def replace_file(path: Path, data: bytes) -> None:
    """A reader sees the old file or the new one. Raises OSError, and leaves nothing half-written behind."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(data)
        os.replace(beside, path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
