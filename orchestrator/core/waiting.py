"""What a job waits for, told once: a condition, and an event when it begins.

Called by `opening` for missing members, after ten seconds, and by `decide` at every turn for what is told at once:
names taken by somebody else's objects, and a number of replicas that no attempt can have. Messages hold nothing that
changes by time alone: a long wait writes no status. Pure.
"""

from msgspec.structs import replace

from orchestrator.api.status import Condition, ConditionType, JobStatus, Phase
from orchestrator.core import capacity, membership, names, seating, status
from orchestrator.core.actions import Decision, Event, EventType, Reason
from orchestrator.core.observed import ReplicaPhase
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


def hindrance(turn: Turn, decision: Decision) -> Decision:
    """The decision, with what keeps the job from being as its spec says.

    A name that is somebody else's is looked at again until it is free; a size changes with the spec alone.
    """
    phase = decision.status.phase
    if phase.is_final or phase is Phase.SUSPENDED:
        return decision
    if (message := _conflict(turn)) != "":
        return _told_of_conflict(turn, decision, message)
    if turn.seen.refused:
        return _told_of_refusal(turn, decision)
    if (message := capacity.refusal(turn)) != "":
        return _told(turn, decision, Reason.TOO_LARGE, f"the job stays as it is: {message}")
    if (message := _bare_obstacle(turn)) != "":
        return _told(turn, decision, Reason.WAITING, message)
    return replace(decision, status=_freed(turn, decision.status))


def _told_of_conflict(turn: Turn, decision: Decision, message: str) -> Decision:
    """With those who are missing for other reasons; looked at again until the name is free."""
    others = _missing(turn) if decision.status.attempt is None else ""
    told = _told(turn, decision, Reason.NAME_CONFLICT, "; ".join(filter(None, (message, others))))
    look = WAITING_SECONDS if decision.status.phase is Phase.RUNNING else seating.LOOK_SECONDS
    looks = [one for one in (decision.requeue_after, look) if one is not None]
    return replace(told, requeue_after=min(looks))


def _told_of_refusal(turn: Turn, decision: Decision) -> Decision:
    """A quota, say: asked for again from time to time."""
    message = f"a replica cannot be created for now: {turn.seen.refused}"
    looks = [one for one in (decision.requeue_after, seating.LOOK_SECONDS) if one is not None]
    return replace(_told(turn, decision, Reason.REFUSED, message), requeue_after=min(looks))


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


_FREED = {
    Reason.NAME_CONFLICT: "the name is free",
    Reason.REFUSED: "replicas are created again",
    Reason.TOO_LARGE: "every program can be told of so many replicas",
}


def _freed(turn: Turn, recorded: JobStatus) -> JobStatus:
    freed = _FREED if turn.has_agents else _FREED | {Reason.WAITING: "every replica could start"}
    for reason, message in freed.items():
        if _is_told(recorded, reason):
            return _with(recorded, Condition(ConditionType.WAITING, False, reason.value, message, turn.now))
    return recorded


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
    return f"the attempt waits for {named}{others}{_because(turn, seats)}" if seats else ""


def _because(turn: Turn, seats: list[membership.Seat]) -> str:
    """Of the first of them of which it is known."""
    found = ((seat, turn.seats[seat].obstacle) for seat in seats if seat in turn.seats)
    return next((f"; {names.member(*seat)}: {obstacle}" for seat, obstacle in found if obstacle), "")


def _bare_obstacle(turn: Turn) -> str:
    """Without agents nobody is waited for at a barrier: the pods of the open attempt themselves are late."""
    if turn.has_agents or turn.attempt is None or turn.since(turn.attempt.start_time) < WAITING_SECONDS:
        return ""
    late = [seat for seat in membership.trainer_seats(turn.spec) if _is_late(turn, seat)]
    return f"{names.member(*late[0])} cannot start yet{_because(turn, late)}" if late else ""


def _is_late(turn: Turn, seat: membership.Seat) -> bool:
    replica = turn.seats.get(seat)
    return replica is not None and bool(replica.obstacle) and replica.phase is ReplicaPhase.PENDING
