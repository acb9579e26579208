"""What one replica's reports say, folded so that their order and repetition do not matter.

`training` holds one per replica. A run is one program under one agent: (attempt, agent). Within a run the counters
grow, so the largest value is the latest; across runs they are added. Only the newest runs are kept apart.
"""

import math
from collections.abc import Collection
from datetime import datetime

from orchestrator.api.types import Role
from orchestrator.metrics.counts import Counts, counts_of, largest, total
from orchestrator.metrics.window import Window
from orchestrator.protocol.messages import Report

KEPT_RUNS = 8


class ProgramRun:
    """The reports of one program run, joined."""

    def __init__(self, attempt: int, agent: str, now: datetime) -> None:
        self.attempt = attempt
        self.agent = agent
        self.first_seen = now
        self.counts = Counts()
        self.metrics: dict[str, tuple[int, float]] = {}
        self.window = Window()
        self.latest: Report | None = None

    @property
    def order(self) -> tuple[int, datetime, str]:
        return self.attempt, self.first_seen, self.agent

    def fold(self, report: Report, names: Collection[str], now: datetime) -> None:
        self.first_seen = min(self.first_seen, now)
        self.counts = largest(self.counts, counts_of(report))
        for name in names:
            self._fold_metric(name, report)
        if self.latest is None or report.sequence > self.latest.sequence:
            self.latest = _lean(report)
            self.window.add(self.counts, now)

    def _fold_metric(self, name: str, report: Report) -> None:
        known = self.metrics.get(name)
        if name in report.metrics and (known is None or report.sequence > known[0]):
            value = report.metrics[name]
            self.metrics[name] = (report.sequence, math.nan if value is None else value)


class ReplicaFold:
    """All runs of one replica; made for the first report of its first run."""

    def __init__(self, role: Role, index: int, report: Report, agent: str, now: datetime) -> None:
        self.role = role
        self.index = index
        self.current = ProgramRun(report.attempt, agent, now)
        self.last_seen = now
        self._runs = {(report.attempt, agent): self.current}
        self._past = Counts()
        self._oldest_attempt = 0

    @property
    def name(self) -> str:
        return f"{self.role.value}-{self.index}"

    def fold(self, report: Report, agent: str, names: Collection[str], now: datetime) -> bool:
        """False if the report is of a run so old that it was closed."""
        self.last_seen = max(self.last_seen, now)
        if report.attempt < self._oldest_attempt:
            return False
        run = self._runs.get((report.attempt, agent))
        if run is None:
            run = self._runs[report.attempt, agent] = ProgramRun(report.attempt, agent, now)
        run.fold(report, names, now)
        if len(self._runs) > KEPT_RUNS:
            self._close_oldest()
        self.current = max(self._runs.values(), key=lambda each: each.order)
        return True

    def _close_oldest(self) -> None:
        oldest = min(self._runs.values(), key=lambda run: run.order)
        del self._runs[oldest.attempt, oldest.agent]
        self._past = total(self._past, oldest.counts)
        self._oldest_attempt = min(run.attempt for run in self._runs.values())

    @property
    def counts(self) -> Counts:
        """Over all runs; never decreases."""
        counts = self._past
        for key in sorted(self._runs):
            counts = total(counts, self._runs[key].counts)
        return counts

    def counts_in(self, attempt: int) -> Counts:
        counts = Counts()
        for key in sorted(key for key in self._runs if key[0] == attempt):
            counts = total(counts, self._runs[key].counts)
        return counts

    def metric(self, name: str, since: int = 0) -> float | None:
        """The latest value, of the newest run that reported it, from attempt `since` on; NaN where it is none now."""
        for run in sorted(self._runs.values(), key=lambda run: run.order, reverse=True):
            if name in run.metrics and run.attempt >= since:
                return run.metrics[name][1]
        return None


def _lean(report: Report) -> Report:
    """Without what is folded elsewhere: thousands of these are held."""
    return Report(
        attempt=report.attempt,
        sequence=report.sequence,
        step=report.step,
        total_steps=report.total_steps,
        epoch=report.epoch,
        total_epochs=report.total_epochs,
        seconds_since_step=report.seconds_since_step,
        busy=report.busy[:32],
        checkpoint_step=report.checkpoint_step,
    )
