"""One replica outside the gang: its seat, its runs under numbers of their own, and how each of them ends.

Called by `sides`, which counts the ends. A replica's seat is free from the end of a run until the next one is given to
it; the barrier before that, its back-off and its progress are its own. Pure.
"""

import dataclasses
from dataclasses import dataclass

from msgspec.structs import replace

from orchestrator.api.status import Cause, Member, Side
from orchestrator.api.types import RestartPolicy, Role
from orchestrator.core import hanging, membership, policies, seating, stopping, waiting
from orchestrator.core.actions import Action, Event, EventType, Reason, WantedOrder
from orchestrator.core.cause import End, Fate, MemberFate, disruption_cause, unexplained
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Agent, Replica
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import SaveAndStop, Stop

PAUSE_SECONDS = 1.0
"""Between two runs of a program that has done its work and is to do it again."""


@dataclass(frozen=True)
class Outcome:
    """What one replica's turn comes to. `end`: that of its program, if this turn is the one that counts it."""

    side: Side | None = None
    actions: tuple[Action, ...] = ()
    order: WantedOrder | None = None
    end: End | None = None
    look_again: float | None = None
    events: tuple[Event, ...] = ()


def attend_seat(turn: Turn, seat: Seat) -> Outcome:
    side = turn.sides.get(seat)
    if side is not None and side.over:
        return Outcome(side, order=_clear_order(turn, seat, side, side.run))
    if _is_done(turn, side) or _is_held(turn, seat):
        return Outcome(side)
    if side is None or not side.uid or _is_outdated(turn, side):
        return _take_seat(turn, seat, side)
    return _follow(turn, side)


def _is_done(turn: Turn, side: Side | None) -> bool:
    return side is not None and side.succeeded and not _is_outdated(turn, side)


def _is_outdated(turn: Turn, side: Side) -> bool:
    """A trainer started for an older attempt knows an older cluster."""
    attempt = turn.attempt
    is_alone = membership.is_alone(turn.spec, side.role)
    return not is_alone and attempt is not None and side.attempt != attempt.number


def _is_held(turn: Turn, seat: Seat) -> bool:
    """The attempt is about to end, and this replica with it; or it has no place in the attempt."""
    attempt = turn.attempt
    if attempt is None:
        return seat[0] is not Role.EVALUATOR or turn.spec.run_policy.suspend
    if attempt.stopping is not None and attempt.stopping.cause in stopping.EVERYBODY:
        return True
    if membership.is_alone(turn.spec, seat[0]):
        return False
    is_ending = attempt.stopping is not None or attempt.broken_since is not None
    return is_ending or seat not in turn.members


def _take_seat(turn: Turn, seat: Seat, side: Side | None) -> Outcome:
    """Fills the seat: gets the replica ready, then gives it the next run number."""
    run = _last_run(turn, seat, side)
    wait = turn.until(side.not_before) if side else 0.0
    if wait > 0:
        return Outcome(side, order=_clear_order(turn, seat, side, run), look_again=wait)
    replica = turn.seats.get(seat)
    if replica is not None and not turn.has_agents:
        return _take_pod(turn, side, replica, run + 1)
    early = seating.early_end(turn, replica, run + 1) if replica else None
    if early is not None:
        # Its number is used up, so that the same end is not counted again.
        return _ended(turn, _seated(turn, side, early.member, run + 1), early)
    actions = seating.fill(turn, seat, run + 1, _waited(turn, side))
    if actions or replica is None or replica.phase.is_terminal:
        return Outcome(side, actions)
    if not seating.is_ready(turn, seat):
        return Outcome(side, order=_clear_order(turn, seat, side, run), look_again=seating.LOOK_SECONDS)
    taken = _seated(turn, side, Member(*seat, replica.uid), run + 1)
    return Outcome(taken, order=_run_order(turn, taken))


def _waited(turn: Turn, side: Side | None) -> float:
    """How long somebody has been wanted in this seat: since the attempt, or what its last run had a right to."""
    waited = turn.since(turn.attempt.start_time) if turn.attempt else waiting.seconds(turn)
    later = (side.not_before, side.saves_until) if side else ()
    return min((waited, *(turn.since(one) for one in later if one is not None)))


def _clear_order(turn: Turn, seat: Seat, side: Side | None, run: int) -> WantedOrder | None:
    """Ends what still runs here of older runs: at once, unless it was asked to save."""
    agent = turn.agent_at(seat)
    if agent is None or seating.is_at_rest(agent):
        return None
    may_save = side is not None and turn.until(side.saves_until) > 0
    order = SaveAndStop(run, stopping.SAVE_SECONDS) if may_save else Stop(run, 0.0)
    return WantedOrder(uid=agent.uid, order=order)


def _take_pod(turn: Turn, side: Side | None, replica: Replica, run: int) -> Outcome:
    """Without agents the pod is the program: it has the seat, to be judged, even if it has ended before it was seen.

    One of an older run, or that we have told to go, has to be gone first.
    """
    is_dismissed = replica.deleting and disruption_cause(replica) is None
    if replica.attempt != run or is_dismissed:
        return Outcome(side, seating.delete(replica))
    return Outcome(_seated(turn, side, Member(replica.role, replica.index, replica.uid), run))


def _last_run(turn: Turn, seat: Seat, side: Side | None) -> int:
    """An agent may remember more than our records: those of a seat that the spec had given up are gone."""
    agent = turn.agent_at(seat)
    return max(side.run if side else 0, agent.attempt if agent else 0)


def _seated(turn: Turn, side: Side | None, member: Member, run: int) -> Side:
    seat = (member.role, member.index)
    return replace(
        side or Side(role=member.role, index=member.index, uid="", run=0),
        uid=member.uid,
        run=run,
        attempt=turn.last_number,
        address=_address(turn, seat),
        start_time=turn.now,
        restore_step=_restore_step(turn, seat),
        progressed=False,
        not_before=None,
        saves_until=None,
        announced=None,
        stopped_since=None,
        exit_code=None,
        succeeded=False,
    )


def _address(turn: Turn, seat: Seat) -> str:
    """The address in the attempt's record; the evaluator, which is in none, has one of its own."""
    member = turn.members.get(seat)
    return member.address if member else seating.address(turn, seat, turn.last_number)


def _restore_step(turn: Turn, seat: Seat) -> int | None:
    """Who trains alone restores what it sees itself."""
    is_evaluator = seat[0] is Role.EVALUATOR
    is_alone = membership.is_alone(turn.spec, seat[0])
    return turn.checkpoint_at(seat) if is_alone and not is_evaluator else turn.checkpoint_step


def _run_order(turn: Turn, side: Side) -> WantedOrder:
    return WantedOrder(uid=side.uid, order=seating.start(turn, side.uid, turn.orders.run_side(side)))


def _follow(turn: Turn, side: Side) -> Outcome:
    """A seated replica: running, done, or to be restarted alone."""
    found = stopping.side_fate(turn, side)
    if found.fate is Fate.SUCCEEDED and not _is_to_start_again(turn, side):
        return Outcome(replace(side, succeeded=True))
    if found.fate is Fate.SUCCEEDED:
        return _ended(turn, side, End(found.member, Cause.PROGRAM_EXIT, turn.now, exit_code=0))
    end = _as_announced(side, found.end) if found.fate is Fate.ENDED else _unasked_end(turn, side, found)
    if end is not None:
        return _ended(turn, side, end)
    if found.end is not None:
        # Its replica, and what its agent knew, may be gone before anybody looks again.
        side = replace(_with_progress(turn, side), announced=found.end.cause)
    if found.fate is Fate.ALIVE:
        return _watched(turn, side, found)
    if found.fate is Fate.WAITING:
        left = hanging.start_left(turn, side.start_time)
        return Outcome(side, order=_run_order(turn, side), look_again=left)
    if found.fate is Fate.UNKNOWN and _was_heard_before(turn, side):
        return _await_start(turn, side)
    # One that cannot be reached and was told by others to go is lost, as soon as absence means anything.
    return Outcome(side, look_again=turn.settling_left or None)


def _is_to_start_again(turn: Turn, side: Side) -> bool:
    """restartPolicy Always; who trains has done its work with exit code 0, whatever the policy says."""
    is_always = policies.policy_of(turn.spec, side.role) is RestartPolicy.ALWAYS
    return is_always and side.role is Role.EVALUATOR


def _was_heard_before(turn: Turn, side: Side) -> bool:
    """Its agent was last heard before it had started this run."""
    agent = turn.agents.get(side.uid)
    return agent is not None and agent.attempt < side.run


def _await_start(turn: Turn, side: Side) -> Outcome:
    """Until its agent says that it has started, the seat is as good as not taken: who cannot be reached is replaced."""
    gone = seating.fill(turn, (side.role, side.index), side.run, turn.since(side.start_time))
    return Outcome(replace(side, uid="") if gone else side, gone, look_again=seating.LOOK_SECONDS)


def _watched(turn: Turn, side: Side, found: MemberFate) -> Outcome:
    """It runs. That it was stopped by a signal is told once."""
    events = (hanging.stop_event(turn, side.name),) if found.stopped and side.stopped_since is None else ()
    since = (side.stopped_since or turn.now) if found.stopped else None
    agent = _stepping_agent(turn, side)
    waits = [hanging.silence_left(turn, agent) if agent else None, hanging.halt_left(turn, since)]
    waits.append(hanging.start_look(turn, (found,), side.start_time))
    wait = min((one for one in waits if one is not None and one > 0), default=None)
    return Outcome(replace(side, stopped_since=since), look_again=wait, events=events)


def _as_announced(side: Side, end: End | None) -> End | None:
    return dataclasses.replace(end, cause=side.announced) if end and side.announced else end


def _unasked_end(turn: Turn, side: Side, found: MemberFate) -> End | None:
    """It hangs, does not start, or was ended by an order that was not ours."""
    if found.fate is Fate.TOLD and found.end is None:
        return unexplained(turn, found.member)
    late = hanging.late_end(turn, (found,), side.start_time)
    if late is not None or found.fate is not Fate.ALIVE:
        return late
    if found.stopped and hanging.is_halted_too_long(turn, side.stopped_since):
        return hanging.halted_end(turn, found.member)
    agent = _stepping_agent(turn, side)
    return hanging.silent_end(turn, found.member) if agent and hanging.is_silent(turn, agent) else None


def _stepping_agent(turn: Turn, side: Side) -> Agent | None:
    return turn.agents.get(side.uid) if membership.makes_steps(turn.spec, side.role) else None


def _ended(turn: Turn, side: Side, end: End) -> Outcome:
    """One more restart of this replica alone. The back-off is for its program's next start, not for what is left of it.

    Its seat is free again, and a replica that can stay in it is there for the next run.
    """
    is_judged = side.role is Role.EVALUATOR and not end.by_order
    forbidden = policies.restart_policy(turn.spec, end) if is_judged else None
    if forbidden is not None:
        return _over(turn, side, end, forbidden)
    side = _with_progress(turn, side)
    is_done = end.cause is Cause.PROGRAM_EXIT and end.exit_code == 0
    restarts = 0 if is_done else (0 if side.progressed else side.restarts_in_a_row) + end.cause.is_restart
    is_vain = end.cause.is_disruption and not side.progressed and not end.by_order
    wait = PAUSE_SECONDS if is_done else policies.backoff(restarts) if end.cause.is_restart else 0.0
    replica = turn.replicas.get(side.uid)
    stays = turn.has_agents and replica is not None and seating.is_staying(replica)
    after = replace(
        side,
        uid="",
        restarts=side.restarts + 1,
        restarts_in_a_row=restarts,
        disruptions_in_a_row=side.disruptions_in_a_row + 1 if is_vain else 0,
        not_before=turn.later(wait),
        cause=end.cause,
        exit_code=end.exit_code,
    )
    gone = () if replica is None or stays else seating.delete(replica)
    order = _clear_order(turn, (side.role, side.index), after, side.run)
    return Outcome(after, gone, order, end=end, look_again=wait)


def _over(turn: Turn, side: Side, end: End, forbidden: policies.Failure) -> Outcome:
    """An evaluator that is not started again, which fails nothing."""
    after = replace(side, over=True, cause=end.cause, exit_code=end.exit_code)
    order = _clear_order(turn, (side.role, side.index), after, side.run)
    return Outcome(after, order=order, events=(event(turn, end, forbidden.reason, forbidden.message),))


def _with_progress(turn: Turn, side: Side) -> Side:
    """With what its present run has come to: a higher step than ever, or a newer checkpoint than it restored."""
    agent = turn.agents.get(side.uid)
    step = agent.step if agent is not None and agent.attempt == side.run else None
    restored = side.restore_step or 0
    has_progressed = (step or 0) > max(restored, side.step or 0) or _saved(turn, side) > restored
    highest = max((one for one in (step, side.step) if one is not None), default=None)
    return replace(side, step=highest, progressed=side.progressed or has_progressed)


def _saved(turn: Turn, side: Side) -> int:
    """The newest checkpoint that it has a part in; an evaluator has in none."""
    if not membership.is_alone(turn.spec, side.role):
        return turn.checkpoint_step or 0
    agent = turn.agents.get(side.uid) if membership.is_trainer(side.role) else None
    return (agent.checkpoint_step or 0) if agent is not None else 0


def event(turn: Turn, end: End, reason: Reason, message: str) -> Event:
    is_done = end.cause is Cause.PROGRAM_EXIT and end.exit_code == 0
    return Event(
        type=EventType.NORMAL if is_done else EventType.WARNING,
        reason=reason,
        message=message,
        attempt=turn.attempt.number if turn.attempt else 0,
        member=end.member.name,
        cause=end.cause,
        exit_code=end.exit_code,
        signal=end.signal,
        last_lines=end.last_lines,
    )
