"""What happened to a job on a cluster, told from two states of its status: the events of `tfo run`, from the API.

Called by `cluster_watch`. From the status and not from Kubernetes' events, which come in no order, are best effort, and
are not everybody's to read. What a status does not hold is not told: the first step of an attempt, say. Pure.
"""

from collections.abc import Iterator
from datetime import datetime

from orchestrator.api.status import (
    Attempt,
    Cause,
    Condition,
    ConditionType,
    EndedAttempt,
    JobStatus,
    Member,
    Phase,
    Side,
)
from orchestrator.api.types import JobSpec
from orchestrator.cli.view import RunEvent, attempt_number
from orchestrator.core import hanging, opening, policies
from orchestrator.core.actions import Event, EventType, Reason
from orchestrator.core.cause import End

_REQUESTED = {Cause.USER: Reason.STOPPED, Cause.SUSPEND: Reason.SUSPENDED, Cause.RESIZE: Reason.RESIZED}
_ENTERED = {
    ConditionType.CREATED: Reason.CREATED,
    ConditionType.RUNNING: Reason.RUNNING,
    ConditionType.RESTARTING: Reason.RESTARTING,
    ConditionType.SUCCEEDED: Reason.SUCCEEDED,
    ConditionType.FAILED: Reason.INVALID,
    ConditionType.SUSPENDED: Reason.SUSPENDED,
    ConditionType.WAITING: Reason.WAITING,
}
"""What a condition says that a newer controller has set for a reason that we do not know."""
_WARNINGS = (ConditionType.FAILED, ConditionType.WAITING)


def news(before: JobStatus, after: JobStatus, spec: JobSpec, now: datetime) -> tuple[RunEvent, ...]:
    """In the order of time. However much has happened between the two, nothing is told twice."""
    told = (
        *_ends(before, after),
        *_entered(before, after),
        *_opened(before, after, spec),
        *_halts(before, after, spec),
        *_sides(before, after, spec, now),
    )
    return tuple(sorted(told, key=lambda one: one.time))


def _ends(before: JobStatus, after: JobStatus) -> Iterator[RunEvent]:
    """Only the last few are kept, so it is numbers that are compared."""
    known = before.attempts[-1].number if before.attempts else 0
    for ended in after.attempts:
        if ended.number > known:
            yield RunEvent(_end(ended), ended.end_time)


def _end(ended: EndedAttempt) -> Event:
    is_requested = ended.cause in _REQUESTED
    return Event(
        type=EventType.NORMAL if is_requested else EventType.WARNING,
        reason=_REQUESTED.get(ended.cause, Reason.MEMBER_LOST),
        message=ended.message,
        attempt=ended.number,
        member="" if is_requested else ended.member,
        cause=ended.cause,
        exit_code=ended.exit_code,
        signal=ended.signal,
        last_lines=ended.last_lines,
    )


def _entered(before: JobStatus, after: JobStatus) -> Iterator[RunEvent]:
    for condition in after.conditions:
        if condition.status and _is_new(before, condition) and not _is_told_by_an_end(after, condition):
            yield RunEvent(_condition(after, condition), condition.last_transition_time)


def _is_new(before: JobStatus, condition: Condition) -> bool:
    """Who is waited for may change: that is told once for each reason."""
    known = next((one for one in before.conditions if one.type is condition.type), None)
    if known is None or not known.status:
        return True
    if condition.type is ConditionType.WAITING:
        return known.reason != condition.reason
    return known.last_transition_time != condition.last_transition_time


def _is_told_by_an_end(status: JobStatus, condition: Condition) -> bool:
    """That the attempt ended was the news; that another one follows is none."""
    if condition.type is ConditionType.RESTARTING:
        return condition.reason == Reason.RESTARTING
    is_end = bool(status.attempts) and status.attempts[-1].cause is Cause.SUSPEND
    return condition.type is ConditionType.SUSPENDED and is_end and status.attempt is None


def _condition(status: JobStatus, condition: Condition) -> Event:
    is_warning = condition.type in _WARNINGS
    is_next = condition.type is ConditionType.WAITING and status.attempt is None
    blamed = status.failure if condition.type is ConditionType.FAILED else None
    return Event(
        type=EventType.WARNING if is_warning else EventType.NORMAL,
        reason=_reason(condition),
        message=condition.message,
        attempt=attempt_number(status) + is_next,
        member=blamed.member if blamed else "",
        cause=blamed.cause if blamed else None,
        exit_code=blamed.exit_code if blamed else None,
        signal=blamed.signal if blamed else None,
    )


def _reason(condition: Condition) -> Reason:
    try:
        return Reason(condition.reason)
    except ValueError:
        return _ENTERED[condition.type]


def _opened(before: JobStatus, after: JobStatus, spec: JobSpec) -> Iterator[RunEvent]:
    attempt = after.attempt
    if attempt is None or attempt.number <= attempt_number(before) or after.phase is Phase.SUSPENDED:
        return
    event = Event(
        type=EventType.NORMAL,
        reason=Reason.STARTING,
        message=opening.describe(spec, attempt),
        attempt=attempt.number,
    )
    yield RunEvent(event, attempt.start_time)


def _halts(before: JobStatus, after: JobStatus, spec: JobSpec) -> Iterator[RunEvent]:
    known = set(_halted(before.attempt)) | set(_halted_sides(before))
    for name, since in {**_halted(after.attempt), **_halted_sides(after)}.items():
        if name not in known:
            event = Event(
                type=EventType.WARNING,
                reason=Reason.REPLICA_STOPPED,
                message=hanging.describe_stop(spec, name),
                attempt=attempt_number(after),
                member=name,
            )
            yield RunEvent(event, since)


def _halted(attempt: Attempt | None) -> dict[str, datetime]:
    return {one.member: one.since for one in attempt.halted} if attempt else {}


def _halted_sides(status: JobStatus) -> dict[str, datetime]:
    return {one.name: one.stopped_since for one in status.sides if one.stopped_since is not None}


def _sides(before: JobStatus, after: JobStatus, spec: JobSpec, now: datetime) -> Iterator[RunEvent]:
    """Ends of replicas outside the gang. Their records hold no time."""
    known = {one.name: one for one in before.sides}
    for side in after.sides:
        old = known.get(side.name)
        if side.cause is None or (old is not None and (old.restarts, old.over) == (side.restarts, side.over)):
            continue
        fate = "its restartPolicy forbids another start" if side.over else "it restarts alone"
        reason = Reason.RESTART_POLICY if side.over else Reason.SIDE_RESTART
        is_done = side.cause is Cause.PROGRAM_EXIT and side.exit_code == 0
        event = Event(
            type=EventType.NORMAL if is_done else EventType.WARNING,
            reason=reason,
            message=f"{_describe(side)}; {fate}",
            attempt=attempt_number(after),
            member=side.name,
            cause=side.cause,
            exit_code=side.exit_code,
        )
        yield RunEvent(event, now)


def _describe(side: Side) -> str:
    """By which signal is not recorded."""
    if side.cause is Cause.PROGRAM_SIGNAL:
        return f"{side.name} was killed by a signal"
    member = Member(side.role, side.index, side.uid)
    return policies.describe(End(member, side.cause or Cause.POD_LOST, None, exit_code=side.exit_code))
