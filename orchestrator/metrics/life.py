"""What the recorded status of one job says, folded into counters; `store` holds one per job.

Counts only what is in a status that was written: an attempt once, by its number, a side restart by its count. So
repeating a status, or a conflict that wrote nothing, changes nothing. What ended before this process first looked
and is no longer listed counts as reason "unknown". The evaluator's restarts are told apart by their replica type: they
are not among the restarts that the status counts.
"""

import re
from datetime import datetime, timedelta

from orchestrator.api.status import Cause, EndedAttempt, JobStatus, Phase, Side
from orchestrator.api.types import Role, TensorFlowJob
from orchestrator.core import membership
from orchestrator.metrics.samples import JobKey, LifeSample
from orchestrator.metrics.training import Context

LOCAL_NAMESPACE = "local"
UNKNOWN = "unknown"
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9.]{0,61}[a-z0-9])?")
Series = dict[tuple[str, str], int]
"""(reason, replica type) -> count."""


def key_of(job: TensorFlowJob) -> JobKey:
    metadata = job.metadata
    return JobKey(metadata.namespace or LOCAL_NAMESPACE, metadata.name, metadata.uid or "")


def snake(cause: Cause) -> str:
    """ProgramExit -> program_exit."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", cause.value).lower()


class LifeFold:
    """One job's life as its statuses tell it."""

    def __init__(self, job: TensorFlowJob, status: JobStatus, now: datetime) -> None:
        self.watched_from_start = status.phase is Phase.CREATED and status.attempt is None
        self.submitted = _submitted(job) or now
        self.running_at: datetime | None = None
        self.first_step_at: datetime | None = None
        self.ended_at: datetime | None = None
        self.status = status
        self._job = job
        self._last_attempt = 0
        self._side: dict[str, int] = {}
        types = _replica_types(job)
        self._restarts = _zeros(types, [cause for cause in Cause if cause.is_restart])
        self._disruptions = _zeros(types, [cause for cause in Cause if cause.is_disruption])
        self._resizes = 0
        self._lost_steps = 0
        self._fold(status)
        self._count_unlisted(status)

    def observe(self, job: TensorFlowJob, status: JobStatus, now: datetime) -> None:
        self._job = job
        self.status = status
        self._fold(status)
        if status.phase is Phase.RUNNING and self.running_at is None:
            self.running_at = now if self.watched_from_start else status.start_time or now
        if status.phase.is_final and self.ended_at is None:
            self.ended_at = status.completion_time or now

    def context(self, now: datetime | None) -> Context:
        end = self.ended_at or now
        return Context(
            attempt=self.status.attempt,
            learning_since=_learning_since(self.status),
            lost_steps=self._lost_steps,
            running=end - self.running_at if self.running_at and end else None,
        )

    @property
    def sample(self) -> LifeSample:
        return LifeSample(
            strategy=self._job.spec.strategy.value,
            queue=_queue(self._job),
            status=self.status,
            restarts=tuple(sorted(self._restarts.items())),
            disruptions=tuple(sorted(self._disruptions.items())),
            resizes=self._resizes,
            lost_steps=self._lost_steps,
        )

    def _fold(self, status: JobStatus) -> None:
        for ended in status.attempts:
            if ended.number > self._last_attempt:
                self._count_attempt(ended)
        self._last_attempt = max((self._last_attempt, *(ended.number for ended in status.attempts)))
        for side in status.sides:
            self._count_side(side)
        self._resizes = max(self._resizes, status.resizes)
        self._lost_steps = max(self._lost_steps, status.steps_lost)

    def _count_attempt(self, ended: EndedAttempt) -> None:
        if ended.cause.is_disruption:
            _add(self._disruptions, ended.cause, ended.member)
        elif ended.cause.is_restart:
            _add(self._restarts, ended.cause, ended.member)

    def _count_side(self, side: Side) -> None:
        more = side.restarts - self._side.get(side.name, 0)
        if more > 0 and side.cause is not None:
            series = self._disruptions if side.cause.is_disruption else self._restarts
            _add(series, side.cause, side.name, more)
            self._side[side.name] = side.restarts

    def _count_unlisted(self, status: JobStatus) -> None:
        for series, recorded in ((self._restarts, status.restarts), (self._disruptions, status.disruptions)):
            missing = recorded - sum(count for (_, kind), count in series.items() if kind != Role.EVALUATOR)
            if missing > 0:
                series[UNKNOWN, UNKNOWN] = missing


def _zeros(types: tuple[str, ...], causes: list[Cause]) -> Series:
    return {(snake(cause), replica_type): 0 for cause in causes for replica_type in types}


def _add(series: Series, cause: Cause, member: str, count: int = 1) -> None:
    key = snake(cause), _type_of(member)
    series[key] = series.get(key, 0) + count


def _type_of(member: str) -> str:
    role = member.rpartition("-")[0]
    return role if role in tuple(Role) else UNKNOWN


def _replica_types(job: TensorFlowJob) -> tuple[str, ...]:
    return tuple(role.value for role in Role if membership.replicas(job.spec, role))


def _queue(job: TensorFlowJob) -> str:
    """A user's string: a label value only if it is a name."""
    scheduling = job.spec.run_policy.scheduling_policy
    queue = (scheduling.queue if scheduling else None) or ""
    return queue if _LABEL.fullmatch(queue) else ""


def _submitted(job: TensorFlowJob) -> datetime | None:
    stamp = job.metadata.creation_timestamp
    if not stamp:
        return None
    try:
        moment = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def elapsed(start: datetime, end: datetime) -> float:
    return max(end - start, timedelta()).total_seconds()


def _learning_since(status: JobStatus) -> int:
    """The attempt in which the weights began that were trained last: what was measured before is not theirs."""
    opened = [one for one in status.attempts if one.opened]
    newest = status.attempt or (opened[-1] if opened else None)
    return newest.number if newest is not None and newest.restore_step is None else 0
