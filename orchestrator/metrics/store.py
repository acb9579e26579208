"""The store of training metrics: folds reports and recorded statuses, hands out frozen samples.

The coordinator folds reports, the controller statuses; the exporter, `tfo run`'s views and `observe` read. `now` is
always an argument. Bounded: a fixed amount per replica, at most 16 metric names, and ended jobs are forgotten.
Locked, since rendering happens in another thread; the lock is held for one job at a time.
"""

import threading
from datetime import datetime, timedelta

import msgspec

from orchestrator.api.status import JobStatus, Phase, Progress
from orchestrator.api.types import Role, TensorFlowJob
from orchestrator.metrics.fleet import Fleet
from orchestrator.metrics.life import LifeFold, elapsed, key_of
from orchestrator.metrics.samples import JobKey, JobSample, StoreSample, TrainingSample
from orchestrator.metrics.training import Context, TrainingFold
from orchestrator.protocol.datagrams import BUILT_IN_METRICS
from orchestrator.protocol.messages import Report

MAX_METRICS = 16
MAX_METRIC_NAME = 64
MAX_NOTES = 64
MAX_NOTE = 512
RETENTION = timedelta(minutes=5)
EXPIRE_EVERY = timedelta(seconds=1)
"""Going through all jobs at every status would cost more the more there are."""


class FinalMetrics(msgspec.Struct, frozen=True, kw_only=True):
    """The last measured values of a job, for its closing summary."""

    metrics: dict[str, float] = {}
    step: int | None = None
    steps: int = 0
    examples: int = 0
    non_finite: int = 0
    examples_per_second: float | None = None
    goodput_ratio: float | None = None
    callback_seconds: float = 0.0
    checkpoint_failures: int = 0


class _Job:
    def __init__(self, key: JobKey, now: datetime) -> None:
        self.key = key
        self.training = TrainingFold(BUILT_IN_METRICS)
        self.life: LifeFold | None = None
        self.notes: dict[str, None] = {}
        self.touched = now

    def note(self, replica: str, notes: tuple[str, ...]) -> None:
        for note in notes:
            if len(self.notes) < MAX_NOTES:
                self.notes.setdefault(f"{replica}: {note[:MAX_NOTE]}")

    def context(self, now: datetime | None) -> Context:
        return self.life.context(now or self.training.last_seen) if self.life else Context()

    def training_sample(self, now: datetime | None) -> TrainingSample:
        return self.training.sample(self.context(now), now)

    def sample(self, now: datetime) -> JobSample:
        life = self.life.sample if self.life else None
        return JobSample(key=self.key, training=self.training_sample(now), life=life)


class Store:
    """All jobs of this process, by UID. `namespace`: said of every job in place of its own, as for local runs."""

    def __init__(
        self,
        retention: timedelta = RETENTION,
        *,
        namespace: str | None = None,
    ) -> None:
        self._retention = retention
        self._namespace = namespace
        self._jobs: dict[str, _Job] = {}
        self._fleet = Fleet()
        self._lock = threading.Lock()
        self._expired_at: datetime | None = None

    def fold(
        self, job: JobKey, role: Role, index: int, report: Report, now: datetime, *, agent: str = ""
    ) -> None:
        """`agent`: the UID of the agent that sent it; counters begin again with every agent and attempt."""
        with self._lock:
            known = self._job(job, now)
            known.training.fold((role, index), report, agent, now)
            known.note(f"{role.value}-{index}", report.notes)
            life = known.life
            if report.step is not None and role is not Role.EVALUATOR and life and life.first_step_at is None:
                life.first_step_at = now
                if life.watched_from_start:
                    self._fleet.observe_first_step(known.key.namespace, elapsed(life.submitted, now))

    def observe_status(self, job: TensorFlowJob, status: JobStatus, now: datetime) -> None:
        """To be called with a status that was written, never with one that is about to be."""
        with self._lock:
            if self._expired_at is None or abs(now - self._expired_at) >= EXPIRE_EVERY:
                self._expire(now)
            key = key_of(job)
            ended = status.completion_time if status.phase.is_final else None
            if key.uid not in self._jobs and ended and now - ended > self._retention:
                return
            known = self._job(key, now)
            known.training.strategy = job.spec.strategy
            known.training.names = allowed_names(job.spec.telemetry.metrics)
            if known.life is None:
                known.life = LifeFold(job, status, now)
                self._fleet.observe_created(known.key.namespace, known.life.watched_from_start)
            self._observe_transition(known, known.life, status, now)
            known.life.observe(job, status, now)

    def forget(self, uid: str) -> None:
        """The job is gone: its series vanish at the next scrape."""
        with self._lock:
            self._jobs.pop(uid, None)

    def progress(self, uid: str, now: datetime | None = None) -> Progress:
        """`now` lets the rates of a job that has gone silent sink; without it they are as of its last report."""
        with self._lock:
            known = self._jobs.get(uid)
            return known.training.progress(known.context(now), now) if known else Progress()

    def last_steps(self, uid: str) -> dict[str, int]:
        """Per replica name (role-index) the last step of its newest run; absent before its first step."""
        with self._lock:
            known = self._jobs.get(uid)
            return known.training.last_steps() if known else {}

    def training(self, uid: str, now: datetime) -> TrainingSample:
        """Everything about one job's training, for a live view."""
        return self._training(uid, now)

    def notes(self, uid: str) -> tuple[str, ...]:
        """What programs wanted said ("worker-1: disk full ..."), each once, oldest first."""
        with self._lock:
            known = self._jobs.get(uid)
            return tuple(known.notes) if known else ()

    def summary(self, uid: str) -> FinalMetrics:
        training = self._training(uid, None)
        return FinalMetrics(
            metrics=dict(training.metrics),
            step=training.progress.step,
            steps=training.steps,
            examples=training.counts.examples,
            non_finite=training.non_finite,
            examples_per_second=training.progress.examples_per_second,
            goodput_ratio=training.goodput_ratio,
            callback_seconds=training.counts.callback_seconds,
            checkpoint_failures=training.counts.save_failures,
        )

    def sample(self, now: datetime) -> StoreSample:
        """What there is to export; safe to call from another thread."""
        with self._lock:
            self._expire(now)
            uids = sorted(self._jobs, key=lambda uid: self._jobs[uid].key)
        jobs = tuple(sample for uid in uids if (sample := self._sample(uid, now)))
        with self._lock:
            return StoreSample(jobs=jobs, namespaces=self._fleet.sample(jobs))

    def _sample(self, uid: str, now: datetime) -> JobSample | None:
        with self._lock:
            known = self._jobs.get(uid)
            return known.sample(now) if known else None

    def _training(self, uid: str, now: datetime | None) -> TrainingSample:
        with self._lock:
            known = self._jobs.get(uid)
            return known.training_sample(now) if known else TrainingSample()

    def _job(self, key: JobKey, now: datetime) -> _Job:
        known = self._jobs.get(key.uid)
        if known is None:
            named = JobKey(self._namespace or key.namespace, key.name, key.uid)
            known = self._jobs[key.uid] = _Job(named, now)
        known.touched = max(known.touched, now)
        return known

    def _observe_transition(self, known: _Job, life: LifeFold, status: JobStatus, now: datetime) -> None:
        """What happens once in a life and was seen to happen."""
        namespace = known.key.namespace
        if status.phase is Phase.RUNNING and life.running_at is None and life.watched_from_start:
            self._fleet.observe_running(namespace, elapsed(life.submitted, now))
        was_final = life.status.phase.is_final
        if status.phase.is_final and not was_final:
            end = status.completion_time or now
            self._fleet.observe_finished(namespace, status.phase, elapsed(life.submitted, end))

    def _expire(self, now: datetime) -> None:
        self._expired_at = now
        for uid in [uid for uid, job in self._jobs.items() if _is_over(job, now, self._retention)]:
            del self._jobs[uid]


def allowed_names(wanted: tuple[str, ...]) -> tuple[str, ...]:
    """The metric names that are kept: ours first, then the user's, at most 16 of at most 64 characters."""
    usable = (name for name in wanted if 0 < len(name) <= MAX_METRIC_NAME and name.isprintable())
    return tuple(dict.fromkeys((*BUILT_IN_METRICS, *usable)))[:MAX_METRICS]


def _is_over(job: _Job, now: datetime, retention: timedelta) -> bool:
    if job.life is None:
        return now - job.touched > retention
    return job.life.ended_at is not None and now - job.life.ended_at > retention
