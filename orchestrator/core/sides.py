"""Replicas outside the gang: the evaluator, workers of ParameterServer, every replica of Independent.

Called by `decide` beside its chain. What each of them does is `side_runs`' to say; here it is joined with the chain's
decision. The evaluator's failures never touch the job, those of the others count as its restarts and disruptions.
"""

from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Phase, Side
from orchestrator.api.types import Role
from orchestrator.core import ending, membership, policies, seating, stopping
from orchestrator.core.actions import Decision, Event, Reason, WantedOrder
from orchestrator.core.cause import End
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Replica
from orchestrator.core.side_runs import Outcome, attend_seat, event
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import SaveAndStop


def attend(turn: Turn, main: Decision) -> Decision:
    """The chain's decision, with the replicas outside the gang looked after."""
    if main.status.phase.is_final or main.status.phase is Phase.SUSPENDED:
        return main
    after, recorded = turn.with_status(main.status), main.status
    found: dict[Seat, Outcome] = {}
    for seat in membership.side_seats(turn.spec):
        outcome = attend_seat(after, seat)
        if outcome.end is not None and seat[0] is not Role.EVALUATOR:
            failure = _failure(turn, recorded, outcome.side, outcome.end)
            if failure is not None:
                return _failed(after, _merged(after, main, recorded, found), outcome.end, failure)
            recorded = _counted(recorded, outcome.end)
        found[seat] = outcome
    dismissed = {(one.role, one.index): _dismiss(after, one) for one in _unwanted(after)}
    return _merged(after, main, recorded, found | dismissed)


def _failure(turn: Turn, recorded: JobStatus, side: Side | None, end: End) -> policies.Failure | None:
    failure = policies.failure(turn.spec, recorded, end)
    if failure is not None or side is None or not membership.is_alone(turn.spec, side.role):
        return failure
    return policies.no_progress_alone(side)


def _counted(recorded: JobStatus, end: End) -> JobStatus:
    return replace(
        recorded,
        restarts=recorded.restarts + end.cause.is_restart,
        disruptions=recorded.disruptions + end.cause.is_disruption,
    )


def _failed(after: Turn, so_far: Decision, end: End, failure: policies.Failure) -> Decision:
    """This end is one too many: the job fails, with whatever else this turn has found."""
    failed = ending.fail(after.with_status(so_far.status), failure, end)
    return replace(failed, events=(*so_far.events, *failed.events))


def _merged(after: Turn, main: Decision, recorded: JobStatus, found: dict[Seat, Outcome]) -> Decision:
    """A replica's own order beats the chain's."""
    orders = {one.order.uid: one.order for one in found.values() if one.order}
    looks = [main.requeue_after, *(one.look_again for one in found.values())]
    return Decision(
        status=replace(recorded, sides=_sides(after, found)),
        actions=(*main.actions, *(action for one in found.values() for action in one.actions)),
        wanted=(*(one for one in main.wanted if one.uid not in orders), *orders.values()),
        events=(*main.events, *(told for one in found.values() for told in _told(after, one))),
        requeue_after=min((look for look in looks if look is not None), default=None),
    )


def _sides(after: Turn, found: dict[Seat, Outcome]) -> tuple[Side, ...]:
    """What is known of a seat that the spec has given up is kept, in case that it comes back."""
    seats = dict.fromkeys(membership.side_seats(after.spec))
    kept = [found[seat].side if seat in found else after.sides.get(seat) for seat in seats]
    wanted = set(seats)
    given_up = [_given_up(after, one) for seat, one in after.sides.items() if seat not in wanted]
    return (*(one for one in kept if one is not None), *given_up)


def _given_up(turn: Turn, side: Side) -> Side:
    return replace(side, uid="", saves_until=turn.later(stopping.SAVE_SECONDS)) if side.uid else side


def _unwanted(turn: Turn) -> list[Replica]:
    """Replicas of Independent that have no seat any more; with a gang they end with its attempt."""
    seats = set(membership.seats(turn.spec))
    found = [one for one in turn.seen.replicas if (one.role, one.index) not in seats]
    return [
        one for one in found if membership.is_alone(turn.spec, one.role) and membership.is_trainer(one.role)
    ]


def _dismiss(turn: Turn, replica: Replica) -> Outcome:
    """Its program saves and stops; then it goes, with the same grace if nobody can be told."""
    agent = turn.agents.get(replica.uid)
    if agent is not None and agent.connected and not seating.is_at_rest(agent) and not replica.deleting:
        return Outcome(
            order=WantedOrder(uid=replica.uid, order=SaveAndStop(agent.attempt, stopping.SAVE_SECONDS))
        )
    return Outcome(actions=seating.delete(replica, stopping.SAVE_SECONDS))


def _told(turn: Turn, outcome: Outcome) -> tuple[Event, ...]:
    end = outcome.end
    if end is None:
        return outcome.events
    message = f"{policies.describe(end)}; it restarts alone"
    return (*outcome.events, event(turn, end, Reason.SIDE_RESTART, message))
