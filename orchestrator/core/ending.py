"""How a job ends: success, failure by deadline or by a replica that can never start, and what follows the end.

Judgements of `decide`'s chain. Success is persisted before anybody is told to finish, and no later exit counts.
"""

from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Member, Phase
from orchestrator.api.types import CleanPodPolicy, Role
from orchestrator.core import membership, status
from orchestrator.core.actions import (
    Action,
    Decision,
    DeleteJob,
    DeleteReplica,
    Event,
    EventType,
    Reason,
    WantedOrder,
)
from orchestrator.core.cause import Fate, fate_of
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Replica, StopRequest
from orchestrator.core.policies import Failure
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import Finish, ProgramState

OWN_END_SECONDS = 30.0
"""After success the others get this long to end by themselves."""
GRACE_SECONDS = 10.0
_AT_REST = (ProgramState.IDLE, ProgramState.EXITED)


def succeed(turn: Turn) -> Decision | None:
    """The success policy is met."""
    if not all(_has_succeeded(turn, seat) for seat in membership.deciding_seats(turn.spec)):
        return None
    message = "the job has succeeded"
    done = status.enter(turn.status, Phase.SUCCEEDED, Reason.SUCCEEDED, message, turn.now)
    event = Event(type=EventType.NORMAL, reason=Reason.SUCCEEDED, message=message, attempt=turn.last_number)
    return conclude(turn, done, (event,))


def _has_succeeded(turn: Turn, seat: Seat) -> bool:
    for side in turn.status.sides:
        if (side.role, side.index) == seat:
            member = Member(side.role, side.index, side.uid)
            return side.succeeded or fate_of(turn, member, side.run).fate is Fate.SUCCEEDED
    attempt = turn.attempt
    if attempt is None:
        return False
    found = [one for one in attempt.members if (one.role, one.index) == seat]
    return any(fate_of(turn, one, attempt.number).fate is Fate.SUCCEEDED for one in found)


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


def fail(turn: Turn, failure: Failure) -> Decision:
    done = status.enter(turn.status, Phase.FAILED, failure.reason, failure.message, turn.now)
    event = Event(
        type=EventType.WARNING, reason=failure.reason, message=failure.message, attempt=turn.last_number
    )
    return conclude(turn, done, (event,))


def conclude(turn: Turn, done: JobStatus, events: tuple[Event, ...]) -> Decision:
    """The decision of the turn in which the job ended."""
    after = finish(Turn(replace(turn.seen, status=done), turn.now))
    return replace(after, events=events) if after else Decision(status=done, events=events)


def finish(turn: Turn) -> Decision | None:
    """What is left to do for a job that has ended: programs, pods by cleanPodPolicy, the time to live."""
    recorded = turn.status
    if not recorded.phase.is_final:
        return None
    passed = turn.since(recorded.completion_time)
    orders = tuple(_finish_order(turn, one, passed) for one in turn.seen.replicas) if turn.has_agents else ()
    actions: list[Action] = [_delete(one) for one in turn.seen.replicas if _is_to_clean(turn, one, passed)]
    ttl = turn.spec.run_policy.ttl_seconds_after_finished
    if ttl is not None and passed >= ttl:
        actions.append(DeleteJob())
    waits = [
        mark - passed for mark in (OWN_END_SECONDS, OWN_END_SECONDS + GRACE_SECONDS, ttl) if mark is not None
    ]
    return Decision(
        status=recorded,
        actions=tuple(actions),
        wanted=tuple(one for one in orders if one),
        requeue_after=min((wait for wait in waits if wait > 0), default=None),
    )


def _finish_order(turn: Turn, replica: Replica, passed: float) -> WantedOrder | None:
    succeeded = turn.status.phase is Phase.SUCCEEDED
    agent = turn.agents.get(replica.uid)
    grace = 0.0 if _is_hopeless(turn) else GRACE_SECONDS
    at_rest = agent is not None and agent.state in _AT_REST
    if succeeded and replica.role is not Role.PS and not at_rest and passed < OWN_END_SECONDS:
        return None
    return WantedOrder(uid=replica.uid, order=Finish(0 if succeeded else 1, grace))


def _is_hopeless(turn: Turn) -> bool:
    """Nobody has anything to save: the attempt broke, or the user wants the end at once."""
    is_broken = turn.status.phase is Phase.FAILED and turn.attempt is None
    return is_broken or turn.seen.stop_request is StopRequest.NOW


def _is_to_clean(turn: Turn, replica: Replica, passed: float) -> bool:
    """With agents programs get their time to end; parameter servers and evaluators end whatever the policy says."""
    policy = turn.spec.run_policy.clean_pod_policy
    if replica.deleting:
        return False
    if replica.phase.is_terminal:
        return policy is CleanPodPolicy.ALL
    if policy is CleanPodPolicy.NONE and replica.role not in (Role.PS, Role.EVALUATOR):
        return False
    if replica.role is Role.PS and not turn.has_agents:
        return True
    if turn.status.phase is Phase.SUCCEEDED or turn.has_agents:
        return passed >= OWN_END_SECONDS + (GRACE_SECONDS if turn.has_agents else 0)
    return True


def _delete(replica: Replica) -> DeleteReplica:
    return DeleteReplica(role=replica.role, index=replica.index, uid=replica.uid)
