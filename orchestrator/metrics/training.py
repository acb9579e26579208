"""What the reports of one job say, folded over its replicas; `store` holds one per job.

Members of a synchronous job make the same steps, so the job's steps are, per attempt, those of the member that made
most; the members' examples are shares of the batch and are added. Independent replicas are added in everything.
Workers of ParameterServer restart alone, under run numbers of their own, and so have no say in the job's steps. The
evaluator trains nothing: only its `val_` metrics speak for the job, where no member has reported them.
"""

import math
from bisect import insort
from collections.abc import Iterable
from datetime import datetime, timedelta
from statistics import median

import msgspec

from orchestrator.api.status import Attempt, Progress
from orchestrator.api.types import Role, Strategy
from orchestrator.metrics.counts import Counts, total
from orchestrator.metrics.replica import ProgramRun, ReplicaFold
from orchestrator.metrics.samples import ReplicaSample, TrainingSample
from orchestrator.metrics.window import Rates
from orchestrator.protocol.messages import Report

KEPT_ATTEMPTS = 64
_RANKS = {role: rank for rank, role in enumerate(Role)}


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What the recorded status adds to the reports. `running`: wall time since the job first ran.

    `learning_since`: the first attempt whose metrics are those of the present weights.
    """

    attempt: Attempt | None = None
    learning_since: int = 0
    lost_steps: int = 0
    running: timedelta | None = None


class Peak(msgspec.Struct, frozen=True):
    """The most that any member did in an attempt, or sums of such."""

    steps: int = 0
    non_finite: int = 0
    step_seconds: float = 0.0


class TrainingFold:
    """All replicas of one job."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.strategy = Strategy.MULTI_WORKER_MIRRORED
        self.last_seen: datetime | None = None
        self.names = names
        self._seen_names: set[str] = set()
        self._seats: dict[tuple[Role, int], ReplicaFold] = {}
        self._replicas: list[ReplicaFold] = []
        self._peaks: dict[int, Peak] = {}
        self._past = Peak()
        self._oldest_attempt = 0

    def fold(self, seat: tuple[Role, int], report: Report, agent: str, now: datetime) -> None:
        known = self._seats.get(seat)
        if known is None:
            known = self._seats[seat] = ReplicaFold(*seat, report, agent, now)
            insort(self._replicas, known, key=_rank)
        accepted = known.fold(report, agent, self.names, now)
        self._seen_names.update(name for name in report.metrics if name in self.names)
        self.last_seen = max(self.last_seen or now, now)
        if accepted and self._has_say(known.role):
            self._raise_peak(report.attempt, known.counts_in(report.attempt))

    def _raise_peak(self, attempt: int, counts: Counts) -> None:
        if attempt < self._oldest_attempt:
            return
        known = self._peaks.get(attempt, Peak())
        self._peaks[attempt] = Peak(
            max(known.steps, counts.steps),
            max(known.non_finite, counts.non_finite),
            max(known.step_seconds, counts.step_seconds),
        )
        if len(self._peaks) > KEPT_ATTEMPTS:
            oldest = min(self._peaks)
            self._past = _sum_of((self._past, self._peaks.pop(oldest)))
            self._oldest_attempt = oldest + 1

    def _has_say(self, role: Role) -> bool:
        if role is Role.WORKER:
            return self.strategy is not Strategy.PARAMETER_SERVER
        return role is not Role.EVALUATOR

    @property
    def is_independent(self) -> bool:
        return self.strategy is Strategy.INDEPENDENT

    def last_steps(self) -> dict[str, int]:
        """Per replica name the last step of its newest run; absent before its first step."""
        latest = {fold.name: fold.current.latest for fold in self._replicas}
        return {name: each.step for name, each in latest.items() if each and each.step is not None}

    def progress(self, context: Context, now: datetime | None) -> Progress:
        """Asked for at every turn of a job, so without what only a scrape or a view needs."""
        members = self._members(context)
        return self._progress(members, _rates(members, now), self._metrics(context), context)

    def sample(self, context: Context, now: datetime | None) -> TrainingSample:
        members = self._members(context)
        rates = _rates(members, now)
        metrics = self._metrics(context)
        counts = self._counts()
        job = self._job_peak()
        progress = self._progress(members, rates, metrics, context)
        return TrainingSample(
            progress=progress,
            metrics=tuple(metrics.items()),
            counts=counts,
            steps=job.steps,
            non_finite=job.non_finite,
            progress_ratio=_progress_ratio(progress),
            eta_seconds=_eta_seconds(progress, rates),
            input_wait_ratio=_input_wait_ratio(rates) if counts.input_wait_seconds else None,
            step_skew_ratio=_step_skew_ratio(rates),
            goodput_ratio=_goodput_ratio(job, context, len(members) if self.is_independent else 1),
            replicas=self.replicas(now),
        )

    def replicas(self, now: datetime | None) -> tuple[ReplicaSample, ...]:
        return tuple(_replica_sample(fold, now) for fold in self._replicas)

    def _training(self) -> list[ReplicaFold]:
        return [fold for fold in self._replicas if fold.role is not Role.EVALUATOR]

    def _members(self, context: Context) -> list[ProgramRun]:
        """The newest runs of those who train together now; a replica left behind in an older attempt is none."""
        runs = [fold.current for fold in self._replicas if self._has_say(fold.role)]
        if self.is_independent:
            return runs
        newest = max((run.attempt for run in runs), default=0)
        if context.attempt is not None:
            newest = max(newest, context.attempt.number)
        return [run for run in runs if run.attempt == newest]

    def _progress(
        self, members: list[ProgramRun], rates: list[Rates], metrics: dict[str, float], context: Context
    ) -> Progress:
        latest = [run.latest for run in members if run.latest]
        counts_examples = bool(rates) and any(run.counts.examples for run in members)
        return Progress(
            step=_least((report.step for report in latest), _restored(context)),
            total_steps=_total_steps(latest) or self._last_total_steps(),
            epoch=_least((report.epoch for report in latest), None),
            loss=_short(metrics.get("loss")),
            accuracy=_short(metrics.get("accuracy")),
            examples_per_second=sum(each.examples_per_second for each in rates) if counts_examples else None,
            non_finite=self._job_peak().non_finite,
            update_time=self.last_seen,
        )

    def _last_total_steps(self) -> int | None:
        """As an older attempt said, until the members of the new one have said it."""
        return _total_steps([fold.current.latest for fold in self._training() if fold.current.latest])

    def _metrics(self, context: Context) -> dict[str, float]:
        since = 0 if self.is_independent else context.learning_since
        found = {name: self._metric(name, since) for name in self.names if name in self._seen_names}
        return {name: value for name, value in found.items() if value is not None and math.isfinite(value)}

    def _metric(self, name: str, since: int) -> float | None:
        """Who counts runs of his own, as workers of ParameterServer do, may speak whenever he has begun."""
        speakers = [(fold, since if self._has_say(fold.role) else 0) for fold in self._training()]
        if name.startswith("val_"):
            speakers += [(fold, 0) for fold in self._replicas if fold.role is Role.EVALUATOR]
        return next(
            (value for fold, first in speakers if (value := fold.metric(name, first)) is not None), None
        )

    def _counts(self) -> Counts:
        counts = Counts()
        for fold in self._training():
            counts = total(counts, fold.counts)
        return counts

    def _job_peak(self) -> Peak:
        if self.is_independent:
            counts = self._counts()
            return Peak(counts.steps, counts.non_finite, counts.step_seconds)
        return _sum_of((self._past, *self._peaks.values()))


def _rates(runs: list[ProgramRun], now: datetime | None) -> list[Rates]:
    return [rates for run in runs if (rates := run.window.rates(now))]


def _sum_of(peaks: tuple[Peak, ...]) -> Peak:
    return Peak(
        sum(peak.steps for peak in peaks),
        sum(peak.non_finite for peak in peaks),
        sum(peak.step_seconds for peak in peaks),
    )


def _restored(context: Context) -> int | None:
    """Where training stands before the first step of an attempt is reported."""
    return context.attempt.restore_step if context.attempt else None


def _rank(fold: ReplicaFold) -> tuple[int, int]:
    return _RANKS[fold.role], fold.index


def _total_steps(reports: list[Report]) -> int | None:
    return max((report.total_steps or 0 for report in reports), default=0) or None


def _least(values: Iterable[int | None], default: int | None) -> int | None:
    return min((value for value in values if value is not None), default=default)


def _short(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def _progress_ratio(progress: Progress) -> float | None:
    if not progress.total_steps or progress.step is None:
        return None
    return min(max(progress.step / progress.total_steps, 0.0), 1.0)


def _eta_seconds(progress: Progress, rates: list[Rates]) -> float | None:
    if not progress.total_steps or progress.step is None:
        return None
    speeds = [each.steps_per_second for each in rates if each.steps]
    left = max(progress.total_steps - progress.step, 0)
    return left / min(speeds) if speeds else None


def _input_wait_ratio(rates: list[Rates]) -> float | None:
    busy = sum(each.step_seconds for each in rates)
    waited = sum(each.input_wait_seconds for each in rates)
    return min(waited / busy, 1.0) if busy > 0 else None


def _step_skew_ratio(rates: list[Rates]) -> float | None:
    means = [mean for each in rates if (mean := each.mean_step_seconds) is not None]
    if len(means) < 2:
        return None
    middle = median(means)
    return (max(means) - middle) / middle


def _goodput_ratio(job: Peak, context: Context, trainers: int) -> float | None:
    """Time in steps that were kept, of the time since the job first ran."""
    if not job.steps or context.running is None or context.running <= timedelta():
        return None
    kept = max(job.steps - context.lost_steps, 0) / job.steps
    return min(job.step_seconds * kept / max(trainers, 1) / context.running.total_seconds(), 1.0)


def _replica_sample(fold: ReplicaFold, now: datetime | None) -> ReplicaSample:
    run = fold.current
    rates = run.window.rates(now)
    return ReplicaSample(
        role=fold.role,
        index=fold.index,
        attempt=run.attempt,
        heartbeat=fold.last_seen,
        step=run.latest.step if run.latest else None,
        step_seconds=rates.mean_step_seconds if rates else None,
        busy=run.latest.busy if run.latest else "",
        lost_lines=fold.counts.lost_lines,
    )
