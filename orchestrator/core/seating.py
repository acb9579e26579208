"""One seat and the replica in it: what it needs to become ready, and signs that its program hangs.

Called by `opening`, `running` and `sides`. A seat is filled only when it is empty. Pure.
"""

from orchestrator.api.status import Cause, Member
from orchestrator.core import membership
from orchestrator.core.actions import Action, CreateReplica, DeleteReplica
from orchestrator.core.cause import BARRIER_SECONDS, End, disruption_cause
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Agent, Replica, ReplicaPhase
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import Order, ProgramState, Run, Stop

LOOK_SECONDS = 1.0
"""How often somebody who is waited for is looked at though nothing happened."""
_AT_REST = (ProgramState.IDLE, ProgramState.EXITED)


def is_at_rest(agent: Agent) -> bool:
    """No process of any program is left."""
    return agent.state in _AT_REST


def is_ready(turn: Turn, seat: Seat) -> bool:
    """Its replica lives and is to stay, its agent is connected, and nothing of an older attempt is left in it."""
    replica = turn.seats.get(seat)
    if replica is None or not is_staying(replica):
        return False
    agent = turn.agents.get(replica.uid)
    return agent is not None and agent.connected and is_at_rest(agent)


def is_staying(replica: Replica) -> bool:
    """It runs, and nobody has told it to go."""
    is_leaving = replica.deleting or disruption_cause(replica) is not None
    return replica.phase is ReplicaPhase.RUNNING and not is_leaving


def fill(turn: Turn, seat: Seat, number: int, waited: float) -> tuple[Action, ...]:
    """The next thing to do for a ready replica in this seat. `waited`: how long anybody has been waiting for it."""
    replica = turn.seats.get(seat)
    if replica is None:
        return (CreateReplica(role=seat[0], index=seat[1], attempt=number),)
    if replica.phase.is_terminal or _is_stuck(turn, seat, replica, waited):
        return delete(replica)
    return ()


def _is_stuck(turn: Turn, seat: Seat, replica: Replica, waited: float) -> bool:
    """It kept us waiting for two minutes. Not while this controller has only just begun to lead."""
    if turn.settling_left or replica.phase is not ReplicaPhase.RUNNING or is_ready(turn, seat):
        return False
    return min(waited, turn.since(replica.since)) >= BARRIER_SECONDS


def delete(replica: Replica) -> tuple[Action, ...]:
    """Nothing if it is being deleted already."""
    if replica.deleting:
        return ()
    return (DeleteReplica(role=replica.role, index=replica.index, uid=replica.uid),)


def surplus(turn: Turn) -> tuple[Action, ...]:
    """Ends replicas of trainers for which the spec has no seat any more."""
    wanted = set(membership.trainer_seats(turn.spec))
    found = (
        one
        for one in turn.seen.replicas
        if membership.is_trainer(one.role) and (one.role, one.index) not in wanted
    )
    return tuple(action for one in found for action in delete(one))


def silence(agent: Agent) -> float:
    """Seconds without a step; 0 before the first."""
    return (agent.seconds_since_step or 0.0) if agent.step is not None else 0.0


def is_silent(turn: Turn, agent: Agent) -> bool:
    """No step for hangTimeoutSeconds, armed by the first one, and not because it is busy with something else."""
    limit = turn.spec.recovery.hang_timeout_seconds
    return limit > 0 and not agent.busy and silence(agent) >= limit


def hang_left(turn: Turn, agent: Agent) -> float | None:
    """Seconds until it may be found to hang."""
    limit = turn.spec.recovery.hang_timeout_seconds
    if not limit:
        return None
    left = limit - silence(agent)
    return left if left > 0 else LOOK_SECONDS


def hang(turn: Turn, member: Member) -> End:
    limit = turn.spec.recovery.hang_timeout_seconds
    return End(member, Cause.HANG, turn.now, message=f"no step for {limit} s")


def start(turn: Turn, uid: str, order: Run) -> Order:
    """Run, unless an older program is still there: an agent does not replace what runs, it has to end first."""
    agent = turn.agents.get(uid)
    return order if agent is None or is_at_rest(agent) else Stop(order.attempt - 1, 0.0)
