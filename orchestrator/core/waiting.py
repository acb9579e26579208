"""What the barrier before an attempt waits for, told once: a condition, and an event when it begins.

Called by `opening`, and for names by `decide` at every turn: those taken by somebody else's objects are told at once,
missing members after ten seconds. Messages hold nothing that changes by time alone: a long wait writes no status. Pure.
"""

from msgspec.structs import replace

from orchestrator.api.status import Condition, ConditionType, JobStatus, Phase
from orchestrator.core import membership, names, seating, status
from orchestrator.core.actions import Decision, Event, EventType, Reason
from orchestrator.core.turn import Turn

WAITING_SECONDS = 10.0
NAMED_MEMBERS = 3


def seconds(turn: Turn) -> float:
    """How long this barrier has lasted."""
    ended = turn.status.attempts[-1].end_time if turn.status.attempts else None
    begun = max(
        (one for one in (ended, turn.status.start_time, turn.status.resume_time) if one), default=None
    )
    return turn.since(begun)


def notice(turn: Turn, decision: Decision) -> Decision:
    """The decision to go on waiting, with who is waited for; a taken name is told by `conflict`, with the others."""
    message = _missing(turn) if not _conflict(turn) else ""
    return _told(turn, decision, Reason.WAITING, message) if message else decision


def conflict(turn: Turn, decision: Decision) -> Decision:
    """The decision, with a name that is somebody else's; it is looked at again until it is free."""
    phase = decision.status.phase
    if phase.is_final or phase is Phase.SUSPENDED:
        return decision
    message = _conflict(turn)
    if not message:
        return replace(decision, status=_freed(turn, decision.status))
    others = _missing(turn) if decision.status.attempt is None else ""
    told = _told(turn, decision, Reason.NAME_CONFLICT, "; ".join(filter(None, (message, others))))
    look = WAITING_SECONDS if phase is Phase.RUNNING else seating.LOOK_SECONDS
    looks = [one for one in (decision.requeue_after, look) if one is not None]
    return replace(told, requeue_after=min(looks))


def _told(turn: Turn, decision: Decision, reason: Reason, message: str) -> Decision:
    condition = Condition(ConditionType.WAITING, True, reason.value, message, turn.now)
    number = turn.last_number + (turn.attempt is None)
    event = Event(type=EventType.WARNING, reason=reason, message=message, attempt=number)
    is_told = _is_told(decision.status, reason)
    return replace(
        decision,
        status=_with(decision.status, condition),
        events=decision.events if is_told else (*decision.events, event),
    )


def _freed(turn: Turn, recorded: JobStatus) -> JobStatus:
    if not _is_told(recorded, Reason.NAME_CONFLICT):
        return recorded
    message = "the name is free"
    return _with(
        recorded, Condition(ConditionType.WAITING, False, Reason.NAME_CONFLICT.value, message, turn.now)
    )


def over(turn: Turn, message: str) -> JobStatus:
    """The status once the attempt has opened."""
    if not _is_told(turn.status, Reason.WAITING):
        return turn.status
    return _with(
        turn.status, Condition(ConditionType.WAITING, False, Reason.STARTING.value, message, turn.now)
    )


def _with(recorded: JobStatus, condition: Condition) -> JobStatus:
    return replace(recorded, conditions=status.with_condition(recorded.conditions, condition))


def _is_told(recorded: JobStatus, reason: Reason) -> bool:
    """Who is missing may change while it waits; that it waits is told once."""
    return any(
        one.type is ConditionType.WAITING and one.status and one.reason == reason.value
        for one in recorded.conditions
    )


def _conflict(turn: Turn) -> str:
    if not turn.seen.foreign:
        return ""
    job = turn.seen.job.metadata.name
    empty = (seat for seat in membership.seats(turn.spec) if seat not in turn.seats)
    needed = {names.service(job): "the job"} | {
        names.replica(job, *seat): names.member(*seat) for seat in empty
    }
    taken = next((name for name in needed if name in turn.seen.foreign), "")
    return f"{taken} belongs to somebody else; {needed[taken]} waits until this name is free" if taken else ""


def _missing(turn: Turn) -> str:
    """Who is late, but for those whose names are taken; without its service nobody is got at all."""
    has_begun = names.service(turn.seen.job.metadata.name) in turn.seen.services
    if not turn.has_agents or not has_begun or seconds(turn) < WAITING_SECONDS:
        return ""
    absent = (seat for seat in membership.trainer_seats(turn.spec) if not seating.is_ready(turn, seat))
    seats = [seat for seat in absent if not seating.is_foreign(turn, seat)]
    named = ", ".join(names.member(*seat) for seat in seats[:NAMED_MEMBERS])
    others = " and others" if len(seats) > NAMED_MEMBERS else ""
    return f"the attempt waits for {named}{others}" if seats else ""
