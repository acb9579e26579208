"""Requested ends: a user's stop, suspension, a resize or an announced disruption; and how an attempt ends at all.

`begin` opens the stopping of an attempt, `go_on` carries it to its end, `end_attempt` closes the books. Grace is for
requested stops only: survivors of a lost member are killed at once, since no collective of theirs can end any more.
"""

from datetime import datetime

from msgspec.structs import replace

from orchestrator.api.status import Attempt, Cause, EndedAttempt, JobStatus, Member, Phase, Side, Stopping
from orchestrator.core import membership, policies, status
from orchestrator.core.actions import Decision, DeleteReplica, Event, EventType, Reason, WantedOrder
from orchestrator.core.cause import BARRIER_SECONDS, End, Fate, MemberFate, fate_of
from orchestrator.core.observed import StopRequest
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import Order, SaveAndStop, Stop

SAVE_SECONDS = 30.0
"""How long a requested stop may take to save."""


def stop_for_user(turn: Turn) -> Decision | None:
    """Ctrl-C or `tfo stop` of a local run."""
    request = turn.seen.stop_request
    if request is None:
        return None
    if turn.attempt is None:
        return _stopped(turn)
    if request is StopRequest.NOW:
        return end_attempt(turn, _requested_end(turn, Cause.USER))
    if turn.attempt.stopping is None:
        return begin(turn, Cause.USER)
    return None


def _stopped(turn: Turn) -> Decision:
    message = "the job was stopped"
    done = status.enter(turn.status, Phase.STOPPED, Reason.STOPPED, message, turn.now)
    event = Event(type=EventType.NORMAL, reason=Reason.STOPPED, message=message, attempt=turn.last_number)
    return Decision(status=done, events=(event,), requeue_after=0.0)


def suspend(turn: Turn) -> Decision | None:
    """runPolicy.suspend: members save and stop, then every replica goes."""
    if not turn.spec.run_policy.suspend:
        return None
    if turn.attempt is not None:
        return begin(turn, Cause.SUSPEND) if turn.attempt.stopping is None else None
    entered = turn.status
    events: tuple[Event, ...] = ()
    if turn.status.phase is not Phase.SUSPENDED:
        message = "the job is suspended"
        entered = status.enter(turn.status, Phase.SUSPENDED, Reason.SUSPENDED, message, turn.now)
        entered = replace(entered, sides=tuple(replace(one, uid="") for one in entered.sides))
        events = (Event(type=EventType.NORMAL, reason=Reason.SUSPENDED, message=message),)
    gone = tuple(
        DeleteReplica(role=one.role, index=one.index, uid=one.uid, grace_seconds=int(SAVE_SECONDS))
        for one in turn.seen.replicas
        if not one.deleting
    )
    return Decision(status=entered, actions=gone, events=events)


def begin(turn: Turn, cause: Cause, member: str = "") -> Decision:
    """Persists the wish to end this attempt and tells every member to save."""
    attempt = turn.attempt
    if attempt is None:
        raise ValueError("no attempt to stop")
    wish = Stopping(cause=cause, since=turn.now, deadline=turn.later(SAVE_SECONDS), member=member)
    recorded = replace(turn.status, attempt=replace(attempt, stopping=wish))
    after = Turn(replace(turn.seen, status=recorded), turn.now)
    return Decision(status=recorded, wanted=orders(after), requeue_after=SAVE_SECONDS)


def go_on(turn: Turn, attempt: Attempt, wish: Stopping, gang: tuple[MemberFate, ...]) -> Decision:
    """Waits for every program to end, kills what is left at the deadline, then ends the attempt."""
    everyone = (*gang, *_side_fates(turn))
    late = turn.since(wish.deadline)
    if all(_is_quiet(one, late) for one in everyone):
        return end_attempt(turn, _requested_end(turn, wish.cause, wish.member))
    is_broken = any(one.fate is Fate.ENDED for one in gang)
    left = max(0.0, (wish.deadline - turn.now).total_seconds())
    return Decision(
        status=turn.status, wanted=orders(turn, kill=is_broken or left == 0.0), requeue_after=left or 1.0
    )


def _is_quiet(one: MemberFate, late: float) -> bool:
    return one.is_over or one.fate is Fate.WAITING or (one.fate is Fate.UNKNOWN and late >= BARRIER_SECONDS)


def _side_fates(turn: Turn) -> list[MemberFate]:
    return [fate_of(turn, _seat(one), one.run) for one in turn.status.sides if one.uid and not one.succeeded]


def _seat(side: Side) -> Member:
    return Member(side.role, side.index, side.uid, side.address)


def orders(turn: Turn, *, kill: bool = False) -> tuple[WantedOrder, ...]:
    """Save and stop for every program of this attempt, or the end at once."""
    attempt = turn.attempt
    wish = attempt.stopping if attempt else None
    grace = 0.0 if kill or wish is None else max(0.0, (wish.deadline - turn.now).total_seconds())

    def order(run: int) -> Order:
        return SaveAndStop(run, grace) if grace else Stop(run, 0.0)

    members = gang_members(turn, attempt) if attempt else ()
    number = attempt.number if attempt else 0
    first = [WantedOrder(uid=one.uid, order=order(number)) for one in members if one.uid]
    return (*first, *(WantedOrder(uid=one.uid, order=order(one.run)) for one in turn.status.sides if one.uid))


def gang_members(turn: Turn, attempt: Attempt) -> tuple[Member, ...]:
    return tuple(one for one in attempt.members if membership.is_gang(turn.spec, one.role))


def _requested_end(turn: Turn, cause: Cause, member: str = "") -> End:
    role, index = turn.leader
    name = next((one for one in (turn.attempt.members if turn.attempt else ()) if one.name == member), None)
    return End(name or Member(role, index, ""), cause, turn.now)


def kill_survivors(turn: Turn, attempt: Attempt) -> tuple[WantedOrder, ...]:
    """Every member that is left of a broken attempt, parameter-server workers included."""
    gang = [
        WantedOrder(uid=one.uid, order=Stop(attempt.number, 0.0))
        for one in gang_members(turn, attempt)
        if one.uid
    ]
    others = [
        WantedOrder(uid=one.uid, order=Stop(one.run, 0.0))
        for one in turn.status.sides
        if one.uid and membership.is_trainer(one.role)
    ]
    return (*gang, *others)


def end_attempt(turn: Turn, end: End) -> Decision:
    """Closes the books of the attempt: one cause, counted once; then a new one, or the job has failed."""
    attempt = turn.attempt
    if attempt is None:
        raise ValueError("no attempt to end")
    recorded = _counted(turn.status, _closed(turn, attempt, end))
    told: tuple[Event, ...] = (_told(end, attempt.number),)
    failure = policies.failure(turn.spec, recorded, end) if _is_judged(end) else None
    if failure is not None:
        recorded = status.enter(recorded, Phase.FAILED, failure.reason, failure.message, turn.now)
        told = (*told, _failed(failure, attempt.number))
    else:
        recorded = _next_phase(recorded, end, turn.now)
    return Decision(status=recorded, wanted=kill_survivors(turn, attempt), events=told, requeue_after=0.0)


def _failed(failure: policies.Failure, number: int) -> Event:
    return Event(type=EventType.WARNING, reason=failure.reason, message=failure.message, attempt=number)


def _next_phase(recorded: JobStatus, end: End, now: datetime) -> JobStatus:
    if end.cause is Cause.USER:
        return status.enter(recorded, Phase.STOPPED, Reason.STOPPED, policies.describe(end), now)
    if end.cause is Cause.SUSPEND:
        return recorded
    recorded = replace(recorded, restarts=recorded.restarts + end.cause.is_restart)
    return status.enter(recorded, Phase.RESTARTING, Reason.RESTARTING, policies.describe(end), now)


def _is_judged(end: End) -> bool:
    return end.cause.is_restart or end.cause.is_disruption


def _told(end: End, number: int) -> Event:
    kind = EventType.WARNING if _is_judged(end) else EventType.NORMAL
    return Event(
        type=kind,
        reason=Reason.MEMBER_LOST if _is_judged(end) else _REQUESTED[end.cause],
        message=policies.describe(end),
        attempt=number,
        member=end.member.name if _is_judged(end) else "",
        cause=end.cause,
        exit_code=end.exit_code,
    )


_REQUESTED = {Cause.USER: Reason.STOPPED, Cause.SUSPEND: Reason.SUSPENDED, Cause.RESIZE: Reason.RESIZED}


def _closed(turn: Turn, attempt: Attempt, end: End) -> EndedAttempt:
    step = last_step(turn, attempt)
    start = attempt.restore_step or 0
    saved = turn.checkpoint_step or 0
    return EndedAttempt(
        number=attempt.number,
        cause=end.cause,
        start_time=attempt.start_time,
        end_time=turn.now,
        member=end.member.name if _is_judged(end) else "",
        exit_code=end.exit_code,
        signal=end.signal,
        message=policies.describe(end),
        last_lines=end.last_lines,
        step=step,
        restore_step=attempt.restore_step,
        steps_lost=lost(step, saved),
        progressed=(step is not None and step > start) or saved > start,
    )


def last_step(turn: Turn, attempt: Attempt) -> int | None:
    """Highest step that any gang member reported in this attempt."""
    seen = (turn.agents.get(one.uid) for one in gang_members(turn, attempt))
    return max(
        (one.step for one in seen if one and one.attempt == attempt.number and one.step is not None),
        default=None,
    )


def lost(step: int | None, saved: int) -> int:
    return max(0, step - saved) if step is not None else 0


def _counted(recorded: JobStatus, closed: EndedAttempt) -> JobStatus:
    """The attempt moves to the ended ones. Suspend and User are counted nowhere."""
    cause = closed.cause
    return replace(
        recorded,
        attempt=None,
        attempts=(*recorded.attempts, closed)[-policies.KEPT_ATTEMPTS :],
        disruptions=recorded.disruptions + cause.is_disruption,
        resizes=recorded.resizes + (cause is Cause.RESIZE),
    )
