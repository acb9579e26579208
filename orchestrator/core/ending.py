"""How a job ends: success, failure by deadline or by a replica that can never start, and what follows the end.

Judgements of `decide`'s chain. Success is persisted before anybody is told to finish, and no later exit counts.
"""

from datetime import datetime

from msgspec.structs import replace

from orchestrator.api.status import EndedAttempt, JobStatus, Member, Phase
from orchestrator.api.types import CleanPodPolicy, Role, Strategy
from orchestrator.core import membership, policies, seating, status
from orchestrator.core.actions import (
    Action,
    Decision,
    DeleteJob,
    Event,
    EventType,
    Reason,
    WantedOrder,
)
from orchestrator.core.cause import End, Fate, fate_of
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Replica, StopRequest
from orchestrator.core.policies import Failure
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import Finish

OWN_END_SECONDS = 30.0
"""After success the others get this long to end by themselves."""
GRACE_SECONDS = 10.0


def succeed(turn: Turn) -> Decision | None:
    """The success policy is met."""
    seats = _deciding_seats(turn)
    if not seats or not all(_has_succeeded(turn, seat) for seat in seats):
        return None
    message = "the job has succeeded"
    done = status.enter(turn.status, Phase.SUCCEEDED, Reason.SUCCEEDED, message, turn.now)
    event = Event(type=EventType.NORMAL, reason=Reason.SUCCEEDED, message=message, attempt=turn.last_number)
    return conclude(turn, done, (event,))


def _deciding_seats(turn: Turn) -> tuple[Seat, ...]:
    """Among the members of the attempt, from which workers may be missing; among all where each is alone."""
    is_alone = turn.spec.strategy is Strategy.INDEPENDENT
    taking_part = membership.trainer_seats(turn.spec) if is_alone else tuple(turn.members)
    return membership.deciding_seats(turn.spec, taking_part)


def _has_succeeded(turn: Turn, seat: Seat) -> bool:
    attempt, side = turn.attempt, turn.sides.get(seat)
    if attempt is not None and membership.is_gang(turn.spec, seat[0]):
        return fate_of(turn, turn.members[seat], attempt.number).fate is Fate.SUCCEEDED
    if side is None:
        return False
    return side.succeeded or fate_of(turn, Member(*seat, side.uid), side.run).fate is Fate.SUCCEEDED


def expire(turn: Turn) -> Decision | None:
    """activeDeadlineSeconds: fires by itself, see `remaining`."""
    left = remaining(turn)
    if left is None or left > 0:
        return None
    limit = turn.spec.run_policy.active_deadline_seconds
    return fail(turn, Failure(Reason.DEADLINE, f"the job ran longer than activeDeadlineSeconds ({limit} s)"))


def remaining(turn: Turn) -> float | None:
    """Seconds until the deadline."""
    limit = turn.spec.run_policy.active_deadline_seconds
    if limit is None or turn.status.start_time is None:
        return None
    return limit - turn.since(turn.status.start_time)


def reject(turn: Turn) -> Decision | None:
    """A replica that the server refuses can never start: the job fails with the server's words."""
    refused = next((one for one in turn.seen.replicas if one.error and not one.phase.is_terminal), None)
    if refused is None:
        return None
    return fail(turn, Failure(Reason.REPLICA_INVALID, f"{refused.name} cannot be created: {refused.error}"))


def invalid(recorded: JobStatus, message: str, generation: int, now: datetime) -> JobStatus:
    """The status of a job that is none, whatever it was before; one that has ended stays so."""
    if recorded.phase.is_final:
        return recorded
    done = status.enter(recorded, Phase.FAILED, Reason.INVALID, message, now)
    return replace(done, attempt=None, observed_generation=generation)


def fail(turn: Turn, failure: Failure, end: End | None = None) -> Decision:
    """`end`: of the replica outside the gang whose end is one too many."""
    done = status.enter(turn.status, Phase.FAILED, failure.reason, failure.message, turn.now)
    done = replace(done, failure=_blamed(turn, end) if end else None)
    event = Event(
        type=EventType.WARNING,
        reason=failure.reason,
        message=failure.message,
        attempt=turn.last_number,
        member=end.member.name if end else "",
        cause=end.cause if end else None,
        exit_code=end.exit_code if end else None,
        signal=end.signal if end else None,
        last_lines=end.last_lines if end else (),
    )
    return conclude(turn, done, (event,))


def _blamed(turn: Turn, end: End) -> EndedAttempt:
    """Its end, as that of an attempt is recorded."""
    return EndedAttempt(
        number=turn.last_number,
        cause=end.cause,
        start_time=turn.attempt.start_time if turn.attempt else turn.now,
        end_time=turn.now,
        member=end.member.name,
        exit_code=end.exit_code,
        signal=end.signal,
        message=policies.describe(end),
        last_lines=end.last_lines,
    )


def conclude(turn: Turn, done: JobStatus, events: tuple[Event, ...]) -> Decision:
    """The decision of the turn in which the job ended."""
    return replace(_finish(turn.with_status(done)), events=events)


def finish(turn: Turn) -> Decision | None:
    """A job that has ended stays so."""
    return _finish(turn) if turn.status.phase.is_final else None


def _finish(turn: Turn) -> Decision:
    """What is left to do: programs, pods by cleanPodPolicy, the time to live."""
    passed = turn.since(turn.status.completion_time)
    orders = tuple(_finish_order(turn, one, passed) for one in turn.seen.replicas)
    actions: list[Action] = []
    for one in turn.seen.replicas:
        actions += seating.delete(one) if _is_to_clean(turn, one, passed) else ()
    ttl = turn.spec.run_policy.ttl_seconds_after_finished
    if ttl is not None and passed >= ttl:
        actions.append(DeleteJob())
    waits = [
        mark - passed for mark in (OWN_END_SECONDS, OWN_END_SECONDS + GRACE_SECONDS, ttl) if mark is not None
    ]
    return Decision(
        status=turn.status,
        actions=tuple(actions),
        wanted=tuple(one for one in orders if one),
        requeue_after=min((wait for wait in waits if wait > 0), default=None),
    )


def _finish_order(turn: Turn, replica: Replica, passed: float) -> WantedOrder | None:
    succeeded = turn.status.phase is Phase.SUCCEEDED
    agent = turn.agents.get(replica.uid)
    grace = 0.0 if _is_hopeless(turn) else GRACE_SECONDS
    at_rest = agent is not None and seating.is_at_rest(agent)
    is_left = not at_rest and not membership.is_server(turn.spec, replica.role)
    if succeeded and is_left and passed < OWN_END_SECONDS:
        return None
    return WantedOrder(uid=replica.uid, order=Finish(0 if succeeded else 1, grace))


def _is_hopeless(turn: Turn) -> bool:
    """Nobody has anything to save: the attempt broke, or the user wants the end at once."""
    is_broken = turn.status.phase is Phase.FAILED and turn.attempt is None
    return is_broken or turn.seen.stop_request is StopRequest.NOW


def _is_to_clean(turn: Turn, replica: Replica, passed: float) -> bool:
    """Programs get their time to end; evaluators and whoever only serves end whatever the policy says."""
    policy = turn.spec.run_policy.clean_pod_policy
    if replica.phase.is_terminal:
        return policy is CleanPodPolicy.ALL
    is_server = membership.is_server(turn.spec, replica.role)
    if policy is CleanPodPolicy.NONE and not is_server and replica.role is not Role.EVALUATOR:
        return False
    if turn.has_agents:
        return passed >= OWN_END_SECONDS + GRACE_SECONDS
    is_needed = turn.status.phase is Phase.SUCCEEDED and not is_server
    return passed >= OWN_END_SECONDS if is_needed else True
