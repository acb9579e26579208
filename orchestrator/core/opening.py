"""Between two attempts: get every replica, wait for the barrier, open the next attempt.

The last judgement of `decide`'s chain. An attempt opens when every member is connected and no process of an older
attempt is left; its record is persisted with the same decision that says Run, before it.
"""

import hashlib

import msgspec
from msgspec.structs import replace

from orchestrator.api.status import Attempt, EndedAttempt, JobStatus, Member
from orchestrator.api.types import Role
from orchestrator.core import ending, membership, names, policies, stopping
from orchestrator.core.actions import (
    Action,
    CreateReplica,
    CreateService,
    Decision,
    DeleteReplica,
    Event,
    EventType,
    Reason,
    WantedOrder,
)
from orchestrator.core.cause import BARRIER_SECONDS
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Replica, ReplicaPhase
from orchestrator.core.plan import container_of
from orchestrator.core.turn import Turn
from orchestrator.core.wanted import run_member
from orchestrator.protocol.messages import ProgramState, Stop

_AT_REST = (ProgramState.IDLE, ProgramState.EXITED)
_LOOK_SECONDS = 1.0


def open_attempt(turn: Turn) -> Decision:
    """Opens the attempt, or does what is missing for it."""
    service = names.service(turn.seen.job.metadata.name)
    if service not in turn.seen.services:
        return Decision(status=turn.status, actions=(CreateService(name=service),), requeue_after=0.0)
    wait = policies.backoff_seconds(turn.status) - _since_last_end(turn)
    actions = _preparations(turn)
    seats = _seats_to_run(turn)
    if seats is None or wait > 0 or (not turn.has_agents and _has_left_overs(turn)):
        left = ending.remaining(turn)
        looks = [one for one in (wait, left, _LOOK_SECONDS) if one is not None and one > 0]
        return Decision(
            status=turn.status, actions=actions, wanted=_clear_orders(turn), requeue_after=min(looks)
        )
    return _opened(turn, seats, actions)


def _since_last_end(turn: Turn) -> float:
    return turn.since(turn.status.attempts[-1].end_time) if turn.status.attempts else 0.0


def _waiting_seconds(turn: Turn) -> float:
    """How long this barrier has lasted."""
    ended = turn.status.attempts[-1].end_time if turn.status.attempts else None
    begun = max(
        (one for one in (ended, turn.status.start_time, turn.status.resume_time) if one), default=None
    )
    return turn.since(begun)


def _trainer_seats(turn: Turn) -> tuple[Seat, ...]:
    return tuple(seat for seat in membership.seats(turn.spec) if membership.is_trainer(seat[0]))


def _preparations(turn: Turn) -> tuple[Action, ...]:
    """Replicas to create, dead or unreachable or surplus ones to delete. A seat is filled only when it is empty."""
    wanted = _trainer_seats(turn)
    gone = [_delete(one) for one in turn.seen.replicas if _is_to_go(turn, one, wanted)]
    if not turn.has_agents:
        return tuple(gone)
    number = turn.last_number + 1
    missing = [
        CreateReplica(role=role, index=index, attempt=number)
        for role, index in wanted
        if (role, index) not in turn.seats
    ]
    return (*gone, *missing)


def _is_to_go(turn: Turn, replica: Replica, wanted: tuple[Seat, ...]) -> bool:
    if replica.deleting or not membership.is_trainer(replica.role):
        return False
    if replica.phase.is_terminal or (replica.role, replica.index) not in wanted:
        return True
    return not turn.has_agents or _is_unreachable(turn, replica)


def _is_unreachable(turn: Turn, replica: Replica) -> bool:
    """Its agent kept the barrier waiting for two minutes. Not while this controller has only just begun to lead."""
    if turn.is_settling or replica.phase is not ReplicaPhase.RUNNING:
        return False
    agent = turn.agents.get(replica.uid)
    waited = min(_waiting_seconds(turn), turn.since(replica.since) if replica.since else BARRIER_SECONDS)
    is_clear = agent is not None and agent.connected and agent.state in _AT_REST
    return not is_clear and waited >= BARRIER_SECONDS


def _delete(replica: Replica) -> DeleteReplica:
    return DeleteReplica(role=replica.role, index=replica.index, uid=replica.uid)


def _has_left_overs(turn: Turn) -> bool:
    return any(membership.is_trainer(one.role) for one in turn.seen.replicas)


def is_seat_ready(turn: Turn, seat: Seat) -> bool:
    """Its replica lives, its agent is connected, and nothing of an older attempt is left in it."""
    replica = turn.seats.get(seat)
    if replica is None or replica.phase is not ReplicaPhase.RUNNING or replica.deleting:
        return False
    agent = turn.agents.get(replica.uid)
    return agent is not None and agent.connected and agent.state in _AT_REST


def _seats_to_run(turn: Turn) -> tuple[Seat, ...] | None:
    """The members of the next attempt; None: keep waiting."""
    wanted = _trainer_seats(turn)
    if not turn.has_agents:
        return wanted
    ready = tuple(seat for seat in wanted if is_seat_ready(turn, seat))
    if len(ready) == len(wanted):
        return ready
    if _waiting_seconds(turn) < turn.spec.recovery.replacement_timeout_seconds:
        return None
    workers = sum(role is Role.WORKER for role, _ in ready)
    absent = set(wanted) - set(ready)
    is_enough = workers >= membership.min_workers(turn.spec) and all(
        role is Role.WORKER for role, _ in absent
    )
    return ready if is_enough and workers else None


def _clear_orders(turn: Turn) -> tuple[WantedOrder, ...]:
    """Whatever still runs of older attempts has to end."""
    number = turn.last_number
    sides = {side.uid: side.run for side in turn.status.sides}
    return tuple(
        WantedOrder(uid=one.uid, order=Stop(sides.get(one.uid, number), 0.0))
        for one in turn.seen.replicas
        if membership.is_trainer(one.role) and one.uid in turn.agents
    )


def _opened(turn: Turn, seats: tuple[Seat, ...], actions: tuple[Action, ...]) -> Decision:
    number = turn.last_number + 1
    attempt = Attempt(
        number=number,
        members=tuple(_member(turn, seat, number) for seat in seats),
        start_time=turn.now,
        restore_step=turn.checkpoint_step,
        workers=membership.replicas(turn.spec, Role.WORKER),
        config_hash=config_hash(turn),
    )
    recorded = replace(_with_losses(turn.status, attempt.restore_step), attempt=attempt)
    after = Turn(replace(turn.seen, status=recorded), turn.now)
    message = _message(attempt)
    event = Event(type=EventType.NORMAL, reason=Reason.STARTING, message=message, attempt=number)
    orders = [
        WantedOrder(uid=one.uid, order=run_member(turn.spec, attempt, one))
        for one in stopping.gang_members(after, attempt)
        if one.uid
    ]
    return Decision(
        status=recorded, actions=actions, wanted=tuple(orders), events=(event,), requeue_after=0.0
    )


def _message(attempt: Attempt) -> str:
    at = f" from step {attempt.restore_step}" if attempt.restore_step is not None else ""
    count = len(attempt.members)
    return f"attempt {attempt.number} starts with {count} {'replica' if count == 1 else 'replicas'}{at}"


def _member(turn: Turn, seat: Seat, number: int) -> Member:
    role, index = seat
    replica = turn.seats.get(seat) if turn.has_agents else None
    return Member(role, index, replica.uid if replica else "", member_address(turn, seat, number))


def member_address(turn: Turn, seat: Seat, number: int) -> str:
    """A port reserved for this attempt where the backend reserves them, else the replica's name and port."""
    role, index = seat
    reserved = turn.seen.ports.get(names.member(role, index))
    if reserved is not None:
        return names.address(names.LOOPBACK, reserved)
    base = names.base_port(container_of(turn.spec, role))
    return names.address(names.host(turn.seen.job, role, index), names.port(base, number))


def _with_losses(recorded: JobStatus, restored: int | None) -> JobStatus:
    """What the last attempt really lost is known when the next one's restore step is."""
    if not recorded.attempts:
        return recorded
    last: EndedAttempt = recorded.attempts[-1]
    lost = stopping.lost(last.step, restored or 0)
    ended = (*recorded.attempts[:-1], replace(last, steps_lost=lost))
    return replace(recorded, attempts=ended, steps_lost=recorded.steps_lost + lost)


def config_hash(turn: Turn) -> str:
    """Tells two specs of one job apart in the record."""
    return hashlib.sha256(msgspec.json.encode(turn.spec, order="sorted")).hexdigest()[:16]
