"""What the barrier before an attempt waits for, told once: a condition, and an event when it begins.

Called by `opening`. Names taken by somebody else's objects are told at once, missing members after ten seconds. The
message holds nothing that changes by time alone, so that a long wait writes no status. Pure.
"""

from msgspec.structs import replace

from orchestrator.api.status import Condition, ConditionType, JobStatus
from orchestrator.core import membership, names, seating, status
from orchestrator.core.actions import Decision, Event, EventType, Reason
from orchestrator.core.turn import Turn

WAITING_SECONDS = 10.0
NAMED_MEMBERS = 3


def notice(turn: Turn, decision: Decision, waited: float) -> Decision:
    """The decision to go on waiting, with what is waited for. `waited`: how long this barrier has lasted."""
    message = _conflict(turn)
    reason = Reason.NAME_CONFLICT if message else Reason.WAITING
    message = message or (_missing(turn) if waited >= WAITING_SECONDS else "")
    if not message:
        return decision
    condition = Condition(ConditionType.WAITING, True, reason.value, message, turn.now)
    event = Event(type=EventType.WARNING, reason=reason, message=message, attempt=turn.last_number + 1)
    return replace(
        decision,
        status=_with(decision.status, condition),
        events=() if _is_told(turn.status, reason) else (event,),
    )


def over(turn: Turn, message: str) -> JobStatus:
    """The status once the attempt has opened."""
    if not any(one.type is ConditionType.WAITING for one in turn.status.conditions):
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
    job = turn.seen.job.metadata.name
    needed = (
        names.service(job),
        *(names.replica(job, *seat) for seat in membership.trainer_seats(turn.spec)),
    )
    taken = next((name for name in needed if name in turn.seen.foreign), "")
    return f"{taken} belongs to somebody else; the job waits until this name is free" if taken else ""


def _missing(turn: Turn) -> str:
    if not turn.has_agents:
        return ""
    seats = [seat for seat in membership.trainer_seats(turn.spec) if not seating.is_ready(turn, seat)]
    named = ", ".join(names.member(*seat) for seat in seats[:NAMED_MEMBERS])
    others = " and others" if len(seats) > NAMED_MEMBERS else ""
    return f"the attempt waits for {named}{others}" if seats else ""
