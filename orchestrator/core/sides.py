"""Replicas outside the gang: the evaluator, workers of ParameterServer, every replica of Independent.

Called by `decide` beside its chain. Each restarts alone, under a run number of its own; the evaluator's failures
never touch the job, those of the others count as the job's restarts.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Member, Phase, Side
from orchestrator.api.types import Role
from orchestrator.core import ending, membership, policies
from orchestrator.core.actions import (
    Action,
    CreateReplica,
    Decision,
    DeleteReplica,
    Event,
    EventType,
    Reason,
    WantedOrder,
)
from orchestrator.core.cause import End, Fate, fate_of
from orchestrator.core.membership import Seat
from orchestrator.core.observed import ReplicaPhase
from orchestrator.core.opening import is_seat_ready, member_address
from orchestrator.core.turn import Turn
from orchestrator.core.wanted import run_side


@dataclass(frozen=True)
class _Outcome:
    """What one replica's turn comes to."""

    side: Side | None = None
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    order: WantedOrder | None = None
    failure: policies.Failure | None = None
    restarts: int = 0
    look_again: float | None = None


def attend(turn: Turn, main: Decision) -> Decision:
    """The chain's decision, with the replicas outside the gang looked after."""
    seats = membership.side_seats(turn.spec)
    is_ending = main.status.attempt is not None and main.status.attempt.stopping is not None
    if not seats or main.status.phase.is_final or main.status.phase is Phase.SUSPENDED or is_ending:
        return main
    after = Turn(replace(turn.seen, status=main.status), turn.now)
    found = [_attend_one(after, seat) for seat in seats]
    failure = next((one.failure for one in found if one.failure), None)
    if failure is not None:
        return ending.fail(Turn(replace(turn.seen, status=_recorded(main.status, found)), turn.now), failure)
    return _merged(main, found)


def _recorded(status: JobStatus, found: list[_Outcome]) -> JobStatus:
    sides = tuple(one.side for one in found if one.side is not None)
    return replace(status, sides=sides, restarts=status.restarts + sum(one.restarts for one in found))


def _merged(main: Decision, found: list[_Outcome]) -> Decision:
    mine = {one.order.uid for one in found if one.order}
    looks = [main.requeue_after, *(one.look_again for one in found)]
    return Decision(
        status=_recorded(main.status, found),
        actions=(*main.actions, *(action for one in found for action in one.actions)),
        wanted=(
            *(one for one in main.wanted if one.uid not in mine),
            *(one.order for one in found if one.order),
        ),
        events=(*main.events, *(event for one in found for event in one.events)),
        requeue_after=min((look for look in looks if look is not None), default=None),
    )


def _attend_one(turn: Turn, seat: Seat) -> _Outcome:
    side = next((one for one in turn.status.sides if (one.role, one.index) == seat), None)
    if side is not None and side.succeeded and not _is_outdated(turn, side):
        return _Outcome(side)
    if seat[0] is not Role.EVALUATOR and turn.attempt is None:
        return _Outcome(side)
    if side is None or not side.uid or _is_outdated(turn, side):
        return _take_seat(turn, seat, side)
    return _follow(turn, side)


def _is_outdated(turn: Turn, side: Side) -> bool:
    """A trainer started for an older attempt knows an older cluster."""
    attempt = turn.attempt
    return side.role is not Role.EVALUATOR and attempt is not None and side.attempt != attempt.number


def _take_seat(turn: Turn, seat: Seat, side: Side | None) -> _Outcome:
    """Fills the seat: creates the replica, waits for it, then gives it the next run number."""
    wait = (side.not_before - turn.now).total_seconds() if side and side.not_before else 0.0
    replica = turn.seats.get(seat)
    if replica is None:
        if wait > 0:
            return _Outcome(side, look_again=wait)
        number = (side.run if side else 0) + 1
        return _Outcome(side, (CreateReplica(role=seat[0], index=seat[1], attempt=number),))
    if replica.phase.is_terminal:
        gone = () if replica.deleting else (DeleteReplica(role=seat[0], index=seat[1], uid=replica.uid),)
        return _Outcome(side, gone)
    is_ready = is_seat_ready(turn, seat) if turn.has_agents else not replica.deleting
    if not is_ready or wait > 0:
        return _Outcome(side, look_again=max(wait, 1.0))
    return _started(turn, _seated(turn, seat, side, replica.uid))


def _seated(turn: Turn, seat: Seat, side: Side | None, uid: str) -> Side:
    number = turn.attempt.number if turn.attempt else 0
    return Side(
        role=seat[0],
        index=seat[1],
        uid=uid,
        run=(side.run if side else 0) + 1,
        attempt=number,
        address=_address(turn, seat),
        restarts=side.restarts if side else 0,
        start_time=turn.now,
        restore_step=turn.checkpoint_step,
        cause=side.cause if side else None,
    )


def _address(turn: Turn, seat: Seat) -> str:
    """The address in the attempt's record; the evaluator, which is in none, has one of its own."""
    members = turn.attempt.members if turn.attempt else ()
    known = next((one.address for one in members if (one.role, one.index) == seat), None)
    return known or member_address(turn, seat, turn.last_number)


def _started(turn: Turn, side: Side) -> _Outcome:
    return _Outcome(side, order=_run_order(turn, side))


def _run_order(turn: Turn, side: Side) -> WantedOrder | None:
    return (
        WantedOrder(uid=side.uid, order=run_side(turn.spec, turn.attempt, side)) if turn.has_agents else None
    )


def _follow(turn: Turn, side: Side) -> _Outcome:
    """A seated replica: running, done, or to be restarted alone."""
    found = fate_of(turn, Member(side.role, side.index, side.uid, side.address), side.run)
    if found.fate is Fate.SUCCEEDED:
        return _Outcome(replace(side, succeeded=True))
    if found.end is not None:
        return _ended(turn, side, found.end)
    wait = (side.not_before - turn.now).total_seconds() if side.not_before else 0.0
    if found.fate is Fate.WAITING and wait > 0:
        return _Outcome(side, look_again=wait)
    return _Outcome(side, order=_run_order(turn, side) if found.fate in (Fate.WAITING, Fate.ALIVE) else None)


def _ended(turn: Turn, side: Side, end: End) -> _Outcome:
    """One more restart of this replica alone; its program's next start waits for the back-off."""
    is_counted = side.role is not Role.EVALUATOR
    failure = policies.failure(turn.spec, turn.status, end) if is_counted else None
    if failure is not None:
        return _Outcome(side, failure=failure)
    wait = policies.backoff(side.restarts + 1)
    keeps_seat = turn.has_agents and _is_alive(turn, side.uid)
    after = replace(
        side,
        uid=side.uid if keeps_seat else "",
        run=side.run + 1 if keeps_seat else side.run,
        restarts=side.restarts + 1,
        not_before=turn.later(wait),
        restore_step=turn.checkpoint_step,
        cause=end.cause,
        exit_code=end.exit_code,
    )
    gone = () if keeps_seat else _gone(turn, side)
    return _Outcome(
        after, gone, (_told(turn, end),), restarts=int(is_counted and end.cause.is_restart), look_again=wait
    )


def _is_alive(turn: Turn, uid: str) -> bool:
    replica = turn.replicas.get(uid)
    return replica is not None and replica.phase is ReplicaPhase.RUNNING


def _gone(turn: Turn, side: Side) -> tuple[Action, ...]:
    replica = turn.replicas.get(side.uid)
    if replica is None or replica.deleting:
        return ()
    return (DeleteReplica(role=side.role, index=side.index, uid=side.uid),)


def _told(turn: Turn, end: End) -> Event:
    number = turn.attempt.number if turn.attempt else 0
    return Event(
        type=EventType.WARNING,
        reason=Reason.SIDE_RESTART,
        message=f"{policies.describe(end)}; it restarts alone",
        attempt=number,
        member=end.member.name,
        cause=end.cause,
        exit_code=end.exit_code,
    )
