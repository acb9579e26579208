"""One seat and the replica in it: what it needs to become ready, and what it means if it never does.

Called by whatever fills seats or looks at who is in them. A seat is filled only when it is empty. Pure.
"""

from orchestrator.api.status import Cause, Member
from orchestrator.core import membership, names, policies
from orchestrator.core.actions import Action, CreateReplica, DeleteReplica
from orchestrator.core.cause import BARRIER_SECONDS, End, disruption_cause, signal_in
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Agent, Replica, ReplicaPhase
from orchestrator.core.plan import container_of
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import Order, ProgramState, Run, Stop

LOOK_SECONDS = 1.0
"""How often somebody who is waited for is looked at though nothing happened."""
_AT_REST = (ProgramState.IDLE, ProgramState.EXITED)


def address(turn: Turn, seat: Seat, number: int) -> str:
    """A port reserved for this attempt where the backend reserves them, else the replica's name and port."""
    role, index = seat
    reserved = turn.seen.ports.get(names.member(role, index))
    if reserved is not None:
        return names.address(names.LOOPBACK, reserved)
    base = names.base_port(container_of(turn.spec, role))
    return names.address(names.host(turn.seen.job, role, index), names.port(base, number))


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
    if replica is None and is_foreign(turn, seat):
        return ()
    if replica is None:
        return (CreateReplica(role=seat[0], index=seat[1], attempt=number),)
    if replica.orphaned or replica.phase.is_terminal or _is_stuck(turn, seat, replica, waited):
        return delete(replica)
    return ()


def is_foreign(turn: Turn, seat: Seat) -> bool:
    """Somebody else's object has the name of this seat's replica: it is left alone."""
    return names.replica(turn.seen.job.metadata.name, *seat) in turn.seen.foreign


def _is_stuck(turn: Turn, seat: Seat, replica: Replica, waited: float) -> bool:
    """It kept us waiting for two minutes. Not while this controller has only just begun to lead."""
    if turn.settling_left or replica.phase is not ReplicaPhase.RUNNING or is_ready(turn, seat):
        return False
    return min(waited, turn.since(replica.since)) >= BARRIER_SECONDS


def delete(replica: Replica, grace: float = 0.0) -> tuple[Action, ...]:
    """Nothing if it is being deleted already, unless nobody is left to do it."""
    if replica.deleting and not replica.orphaned:
        return ()
    return (
        DeleteReplica(
            role=replica.role,
            index=replica.index,
            uid=replica.uid,
            grace_seconds=int(grace),
            force=replica.orphaned,
        ),
    )


def surplus(turn: Turn) -> tuple[Action, ...]:
    """Ends replicas for which the spec has no seat any more, and whose attempt has ended; `sides` ends who is alone."""
    wanted = set(membership.trainer_seats(turn.spec))
    found = (
        one
        for one in turn.seen.replicas
        if not membership.is_alone(turn.spec, one.role) and (one.role, one.index) not in wanted
    )
    return tuple(action for one in found for action in delete(one))


def early_end(turn: Turn, replica: Replica, number: int) -> End | None:
    """Of a replica made for this number that ended by itself before it was ever ready.

    It counts: an agent that dies at its start would else be started again for ever.
    """
    is_early = replica.phase.is_terminal and replica.attempt == number
    if not is_early or replica.deleting or disruption_cause(replica) is not None:
        return None
    signal = replica.signal or signal_in(replica.exit_code)
    how = f"by {policies.signal_name(signal)}" if signal else f"with code {replica.exit_code}"
    return End(
        member=Member(replica.role, replica.index, replica.uid),
        cause=Cause.OUT_OF_MEMORY if replica.out_of_memory else Cause.AGENT_LOST,
        at=replica.since or turn.now,
        exit_code=replica.exit_code,
        signal=signal,
        message=replica.error or f"it ended {how} before it was ready",
        last_lines=replica.last_lines,
    )


def start(turn: Turn, uid: str, order: Run) -> Order:
    """Run, unless an older program is still there: an agent does not replace what runs, it has to end first."""
    agent = turn.agents.get(uid)
    return order if agent is None or is_at_rest(agent) else Stop(order.attempt - 1, 0.0)
