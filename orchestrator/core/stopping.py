"""Requested ends: a user's stop, suspension, a resize or an announced disruption; and how an attempt ends at all.

`begin` opens the stopping of an attempt, `go_on` carries it to its end, `end_attempt` closes the books. Grace is for
requested stops only: survivors of a lost member are killed at once, since no collective of theirs can end any more.
"""

import dataclasses
from signal import SIGKILL

from msgspec.structs import replace

from orchestrator.api.status import Attempt, Cause, EndedAttempt, JobStatus, Member, Phase, Side, Stopping
from orchestrator.api.types import Role, Strategy
from orchestrator.core import membership, policies, status
from orchestrator.core.actions import Action, Decision, DeleteReplica, Event, EventType, Reason, WantedOrder
from orchestrator.core.cause import BARRIER_SECONDS, End, Fate, MemberFate, fate_of
from orchestrator.core.observed import StopRequest
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import Order, SaveAndStop, Stop

SAVE_SECONDS = 30.0
"""How long a requested stop may take to save."""
EVERYBODY = (Cause.SUSPEND, Cause.USER)
"""Requests that concern the whole job; the others leave alone whoever runs beside the gang."""


def stop_for_user(turn: Turn) -> Decision | None:
    """Ctrl-C or `tfo stop` of a local run."""
    request = turn.seen.stop_request
    if request is None:
        return None
    attempt = turn.attempt
    if attempt is None:
        return _stopped(turn)
    if request is StopRequest.NOW:
        return end_attempt(turn, attempt, _requested_end(turn, Cause.USER))
    if attempt.stopping is None:
        return begin(turn, attempt, Cause.USER)
    return None


def _stopped(turn: Turn) -> Decision:
    message = policies.describe(_requested_end(turn, Cause.USER))
    done = status.enter(turn.status, Phase.STOPPED, Reason.STOPPED, message, turn.now)
    event = Event(type=EventType.NORMAL, reason=Reason.STOPPED, message=message, attempt=turn.last_number)
    return Decision(status=done, events=(event,), requeue_after=0.0)


def suspend(turn: Turn) -> Decision | None:
    """runPolicy.suspend: members save and stop, then every replica goes."""
    if not turn.spec.run_policy.suspend:
        return None
    attempt = turn.attempt
    if attempt is not None:
        return begin(turn, attempt, Cause.SUSPEND) if attempt.stopping is None else None
    entered = turn.status
    events: tuple[Event, ...] = ()
    if turn.status.phase is not Phase.SUSPENDED:
        message = policies.describe(_requested_end(turn, Cause.SUSPEND))
        entered = status.enter(turn.status, Phase.SUSPENDED, Reason.SUSPENDED, message, turn.now)
        entered = replace(entered, sides=_closed_sides(turn))
        if not _is_told(turn):
            events = (Event(type=EventType.NORMAL, reason=Reason.SUSPENDED, message=message),)
    gone = tuple(
        DeleteReplica(role=one.role, index=one.index, uid=one.uid, grace_seconds=int(SAVE_SECONDS))
        for one in turn.seen.replicas
        if not one.deleting
    )
    return Decision(status=entered, actions=gone, events=events)


def _is_told(turn: Turn) -> bool:
    """The end of the attempt was the news."""
    if not turn.status.attempts or turn.status.attempts[-1].cause is not Cause.SUSPEND:
        return False
    resumed = turn.status.resume_time
    return resumed is None or resumed < turn.status.attempts[-1].end_time


def begin(turn: Turn, attempt: Attempt, cause: Cause, member: str = "") -> Decision:
    """Persists the wish to end this attempt and tells every member to save."""
    wish = Stopping(cause=cause, since=turn.now, deadline=turn.later(SAVE_SECONDS), member=member)
    recorded = replace(turn.status, attempt=replace(attempt, stopping=wish))
    return _stop(turn.with_status(recorded), attempt, wish)


def go_on(turn: Turn, attempt: Attempt, wish: Stopping, gang: tuple[MemberFate, ...]) -> Decision:
    """Waits for every program to end, kills what is left at the deadline, then ends the attempt."""
    everyone = (*gang, *(side_fate(turn, one) for one in _concerned(turn, wish.cause)))
    late = turn.since(wish.deadline)
    if all(_is_quiet(one, late) for one in everyone):
        end = _requested_end(turn, wish.cause, wish.member)
        return end_attempt(turn, attempt, dataclasses.replace(end, message=_unsaved(turn, wish, everyone)))
    return _stop(turn, attempt, wish)


def _unsaved(turn: Turn, wish: Stopping, everyone: tuple[MemberFate, ...]) -> str:
    """Who would not stop in time; empty: nobody. Who was killed before the deadline was so for another reason."""
    if turn.until(wish.deadline):
        return ""
    agents = [(one.member.name, turn.agents.get(one.member.uid)) for one in everyone]
    killed = [
        name
        for name, agent in agents
        if agent and agent.signal == SIGKILL and agent.since and agent.since >= wish.deadline
    ]
    if not killed:
        return ""
    others = f" and {len(killed) - 1} more" if len(killed) > 1 else ""
    seconds = (wish.deadline - wish.since).total_seconds()
    return f"{killed[0]}{others} had not ended after {seconds:g} s and got SIGKILL"


def _is_quiet(one: MemberFate, late: float) -> bool:
    return one.is_over or one.fate is Fate.WAITING or late >= BARRIER_SECONDS


def _concerned(turn: Turn, cause: Cause) -> list[Side]:
    """Replicas outside the gang that have to stop with it."""
    return [
        one
        for one in turn.status.sides
        if one.uid
        and not one.succeeded
        and (cause in EVERYBODY or not membership.is_alone(turn.spec, one.role))
    ]


def _closed_sides(turn: Turn) -> tuple[Side, ...]:
    """What concerns the whole job ends their runs too, and is no end of their own; a success before that stands."""
    return tuple(replace(one, uid="", succeeded=_has_succeeded(turn, one)) for one in turn.status.sides)


def _has_succeeded(turn: Turn, side: Side) -> bool:
    return side.succeeded or side_fate(turn, side).fate is Fate.SUCCEEDED


def side_fate(turn: Turn, side: Side) -> MemberFate:
    return fate_of(turn, Member(side.role, side.index, side.uid, side.address), side.run)


def _stop(turn: Turn, attempt: Attempt, wish: Stopping) -> Decision:
    """Save and stop for every program of this attempt, at the deadline the end; without agents the pods go.

    The grace is the same whenever it is said, since agents count it from their SIGTERM. Who only serves the chief
    holds what the chief has to save, and is told after it.
    """
    left = turn.until(wish.deadline)
    grace = (wish.deadline - wish.since).total_seconds()

    def order(run: int) -> Order:
        return SaveAndStop(run, grace) if left else Stop(run, 0.0)

    programs = [(one.role, one.uid, attempt.number) for one in gang_members(turn, attempt)]
    programs += [(one.role, one.uid, one.run) for one in _concerned(turn, wish.cause)]
    is_served = bool(left) and _is_chief_served(turn, attempt)
    runs = [
        (uid, run) for role, uid, run in programs if not (is_served and membership.is_server(turn.spec, role))
    ]
    return Decision(
        status=turn.status,
        actions=() if turn.has_agents else delete(turn, {uid for uid, _ in runs}, grace if left else 0.0),
        wanted=tuple(WantedOrder(uid=uid, order=order(run)) for uid, run in runs),
        requeue_after=left or 1.0,
    )


def _is_chief_served(turn: Turn, attempt: Attempt) -> bool:
    """Whether there is a chief of parameter servers, and its program has not ended yet."""
    chief = turn.members.get((Role.CHIEF, 0))
    if turn.spec.strategy is not Strategy.PARAMETER_SERVER or chief is None:
        return False
    return not _is_quiet(fate_of(turn, chief, attempt.number), 0.0)


def delete(turn: Turn, uids: set[str], grace: float) -> tuple[Action, ...]:
    """Ends pods without agents; those that have ended stay to be read."""
    return tuple(
        DeleteReplica(role=one.role, index=one.index, uid=one.uid, grace_seconds=int(grace))
        for one in turn.seen.replicas
        if one.uid in uids and not one.deleting and not one.phase.is_terminal
    )


def gang_members(turn: Turn, attempt: Attempt) -> tuple[Member, ...]:
    return tuple(one for one in attempt.members if membership.is_gang(turn.spec, one.role))


def _requested_end(turn: Turn, cause: Cause, name: str = "") -> End:
    """`name`: of the member whose announced end is the reason, if that is one."""
    members = turn.attempt.members if turn.attempt else ()
    role, index = turn.leader
    member = next((one for one in members if one.name == name), Member(role, index, ""))
    return End(member, cause, turn.now)


def kill_survivors(turn: Turn, attempt: Attempt, cause: Cause) -> tuple[WantedOrder, ...]:
    """Every member that is left of an attempt that is over, parameter-server workers included."""
    gang = [WantedOrder(uid=one.uid, order=Stop(attempt.number, 0.0)) for one in gang_members(turn, attempt)]
    others = [WantedOrder(uid=one.uid, order=Stop(one.run, 0.0)) for one in _concerned(turn, cause)]
    return (*gang, *others)


def end_attempt(turn: Turn, attempt: Attempt, end: End) -> Decision:
    """Closes the books of the attempt: one cause, counted once; then a new one, or the job has failed."""
    recorded = _counted(turn.status, _closed(turn, attempt, end))
    if end.cause in EVERYBODY:
        recorded = replace(recorded, sides=_closed_sides(turn))
    told: tuple[Event, ...] = (_told(end, attempt.number),)
    failure = policies.failure(turn.spec, recorded, end) if _is_judged(end) else None
    if failure is not None:
        recorded = status.enter(recorded, Phase.FAILED, failure.reason, failure.message, turn.now)
        recorded = replace(recorded, failure=recorded.attempts[-1])
        told = (*told, _failed(failure, attempt.number))
    else:
        recorded = _next_phase(turn, recorded, end)
    killed = kill_survivors(turn, attempt, end.cause)
    return Decision(status=recorded, wanted=killed, events=told, requeue_after=0.0)


def _failed(failure: policies.Failure, number: int) -> Event:
    return Event(type=EventType.WARNING, reason=failure.reason, message=failure.message, attempt=number)


def _next_phase(turn: Turn, recorded: JobStatus, end: End) -> JobStatus:
    if end.cause is Cause.USER:
        return status.enter(recorded, Phase.STOPPED, Reason.STOPPED, policies.describe(end), turn.now)
    if end.cause is Cause.SUSPEND and turn.spec.run_policy.suspend:
        return recorded
    recorded = replace(recorded, restarts=recorded.restarts + end.cause.is_restart)
    return status.enter(recorded, Phase.RESTARTING, Reason.RESTARTING, policies.describe(end), turn.now)


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
        signal=end.signal,
        last_lines=end.last_lines,
    )


_REQUESTED = {Cause.USER: Reason.STOPPED, Cause.SUSPEND: Reason.SUSPENDED, Cause.RESIZE: Reason.RESIZED}


def _closed(turn: Turn, attempt: Attempt, end: End) -> EndedAttempt:
    step = last_step(turn, attempt)
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
        progressed=saved > (attempt.restore_step or 0) or (step or 0) > _highest_step(turn, attempt),
        opened=bool(attempt.members),
        by_order=end.by_order,
    )


def _highest_step(turn: Turn, attempt: Attempt) -> int:
    """The furthest that training had come before this attempt: reaching the same step again is no progress."""
    earlier = [one.step or 0 for one in turn.status.attempts]
    return max((attempt.restore_step or 0, *earlier))


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
