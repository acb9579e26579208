"""Between two attempts: get every replica, wait for the barrier, open the next attempt.

The last judgement of `decide`'s chain. An attempt opens when every member is connected and no process of an older
attempt is left; its record is persisted with the same decision that says Run, before it.
"""

import hashlib

import msgspec
from msgspec.structs import replace

from orchestrator.api.status import Attempt, JobStatus, Member
from orchestrator.api.types import JobSpec, Role, Strategy
from orchestrator.core import capacity, ending, membership, names, policies, seating, stopping, waiting
from orchestrator.core.actions import (
    Action,
    CreateReplica,
    CreateService,
    Decision,
    Event,
    EventType,
    Reason,
    WantedOrder,
)
from orchestrator.core.cause import End
from orchestrator.core.membership import Seat
from orchestrator.core.turn import Turn
from orchestrator.core.wanted import Orders
from orchestrator.protocol.messages import Stop

CATCH_UP_SECONDS = 10.0
"""How long agents may take to see the newest checkpoint again; then it is believed to be gone."""


def open_attempt(turn: Turn) -> Decision:
    """Opens the attempt, or does what is missing for it."""
    if (refusal := capacity.refusal(turn)) != "":
        return _refused(turn, refusal)
    service = names.service(turn.seen.job.metadata.name)
    if service in turn.seen.foreign:
        return Decision(status=turn.status)
    if service not in turn.seen.services:
        return Decision(status=turn.status, actions=(CreateService(name=service),), requeue_after=0.0)
    if turn.spec.strategy is Strategy.INDEPENDENT:
        return _opened(turn, membership.trainer_seats(turn.spec))
    early = _early_end(turn)
    if early is not None:
        return stopping.end_attempt(turn, _unopened(turn), early)
    wait = policies.backoff_seconds(turn.status) - _since_last_end(turn)
    seats = _seats_to_run(turn)
    if seats is not None and wait <= 0 and not is_behind(turn):
        return _opened(turn, seats)
    decision = Decision(
        status=turn.status,
        actions=_preparations(turn, wait),
        wanted=_clear_orders(turn),
        requeue_after=min(wait, seating.LOOK_SECONDS) if wait > 0 else seating.LOOK_SECONDS,
    )
    return waiting.notice(turn, decision)


def _refused(turn: Turn, refusal: str) -> Decision:
    """A job that never ran fails; one that was resized meanwhile may be so again, and waits for it (see `waiting`)."""
    if turn.status.attempts:
        return Decision(status=turn.status, wanted=_clear_orders(turn))
    return ending.fail(turn, policies.Failure(Reason.TOO_LARGE, refusal))


def _early_end(turn: Turn) -> End | None:
    """A replica got for the next attempt ended before that was opened: the attempt has come to nothing."""
    if not turn.has_agents:
        return None
    number = turn.last_number + 1
    ends = (
        seating.early_end(turn, one, number) for one in turn.seen.replicas if membership.is_trainer(one.role)
    )
    return next((end for end in ends if end is not None), None)


def _unopened(turn: Turn) -> Attempt:
    """Its number is used up, so that the same end is not counted again."""
    return Attempt(
        number=turn.last_number + 1, members=(), start_time=turn.now, restore_step=turn.checkpoint_step
    )


def _since_last_end(turn: Turn) -> float:
    return turn.since(turn.status.attempts[-1].end_time) if turn.status.attempts else 0.0


def _preparations(turn: Turn, wait: float) -> tuple[Action, ...]:
    """Replicas to create, dead or unreachable or surplus ones to delete. Without agents all old ones have to go.

    The back-off is for whatever failed last: for the replicas themselves, if it was one of them at its start.
    """
    if not turn.has_agents:
        old = (one for one in turn.seen.replicas if membership.is_trainer(one.role))
        return tuple(action for one in old for action in seating.delete(one))
    number, waited = turn.last_number + 1, waiting.seconds(turn)
    filled = (seating.fill(turn, seat, number, waited) for seat in membership.trainer_seats(turn.spec))
    is_held = wait > 0 and not turn.status.attempts[-1].opened
    prepared = (
        one for actions in filled for one in actions if not (is_held and isinstance(one, CreateReplica))
    )
    return (*seating.surplus(turn), *prepared)


def _seats_to_run(turn: Turn) -> tuple[Seat, ...] | None:
    """The members of the next attempt; None: keep waiting."""
    wanted = membership.trainer_seats(turn.spec)
    if not turn.has_agents:
        has_left_overs = any(membership.is_trainer(one.role) for one in turn.seen.replicas)
        return None if has_left_overs else wanted
    ready = tuple(seat for seat in wanted if seating.is_ready(turn, seat))
    if len(ready) == len(wanted) or _may_leave_out(turn, ready, wanted):
        return ready
    return None


def _may_leave_out(turn: Turn, ready: tuple[Seat, ...], wanted: tuple[Seat, ...]) -> bool:
    """Only workers are missing, have been for replacementTimeoutSeconds, and minReplicas of them are there."""
    if turn.settling_left or waiting.seconds(turn) < turn.spec.recovery.replacement_timeout_seconds:
        return False
    workers = sum(role is Role.WORKER for role, _ in ready)
    absent = set(wanted) - set(ready)
    return workers >= membership.min_workers(turn.spec) and all(role is Role.WORKER for role, _ in absent)


def is_behind(turn: Turn) -> bool:
    """Agents see less than the newest checkpoint that we know of: word of it, or the volume, may be slow."""
    recorded, seen = turn.recorded_checkpoint, turn.checkpoint_step
    is_less = recorded is not None and (seen is None or seen < recorded)
    return is_less and waiting.seconds(turn) < CATCH_UP_SECONDS


def _clear_orders(turn: Turn) -> tuple[WantedOrder, ...]:
    """Whatever still runs of older attempts has to end."""
    return tuple(
        WantedOrder(uid=one.uid, order=Stop(_last_run(turn, (one.role, one.index)), 0.0))
        for one in turn.seen.replicas
        if membership.is_trainer(one.role) and one.uid in turn.agents
    )


def _last_run(turn: Turn, seat: Seat) -> int:
    """Replicas outside the gang count their starts by themselves."""
    if membership.is_gang(turn.spec, seat[0]):
        return turn.last_number
    side = turn.sides.get(seat)
    return side.run if side else 0


def _opened(turn: Turn, seats: tuple[Seat, ...]) -> Decision:
    number = turn.last_number + 1
    attempt = Attempt(
        number=number,
        members=tuple(_member(turn, seat, number) for seat in seats),
        start_time=turn.now,
        restore_step=turn.checkpoint_step,
        workers=membership.replicas(turn.spec, Role.WORKER),
        config_hash=config_hash(turn),
    )
    message = describe(turn.spec, attempt)
    recorded = replace(_with_losses(waiting.over(turn, message), attempt.restore_step), attempt=attempt)
    event = Event(type=EventType.NORMAL, reason=Reason.STARTING, message=message, attempt=number)
    orders = Orders(turn.spec, attempt.members)
    wanted = tuple(
        WantedOrder(uid=one.uid, order=orders.run_member(attempt, one))
        for one in stopping.gang_members(turn, attempt)
    )
    return Decision(status=recorded, wanted=wanted, events=(event,), requeue_after=0.0)


def describe(spec: JobSpec, attempt: Attempt) -> str:
    """The evaluator is a replica of the job, as views and plans count, and in no attempt."""
    besides = " besides the evaluator" if membership.replicas(spec, Role.EVALUATOR) else ""
    at = f" from step {attempt.restore_step}" if attempt.restore_step is not None else ""
    count = len(attempt.members)
    replicas = "replica" if count == 1 else "replicas"
    return f"attempt {attempt.number} starts with {count} {replicas}{besides}{at}"


def _member(turn: Turn, seat: Seat, number: int) -> Member:
    """Without agents, and where each replica is alone, the record comes before the replica."""
    role, index = seat
    is_known = turn.has_agents and not membership.is_alone(turn.spec, role)
    return Member(role, index, turn.seats[seat].uid if is_known else "", seating.address(turn, seat, number))


def _with_losses(recorded: JobStatus, restored: int | None) -> JobStatus:
    """What the last attempt that was opened really lost is known when the next one's restore step is."""
    opened = [one for one in recorded.attempts if one.opened]
    if not opened:
        return recorded
    last, lost = opened[-1], stopping.lost(opened[-1].step, restored or 0)
    ended = tuple(replace(one, steps_lost=lost) if one is last else one for one in recorded.attempts)
    return replace(recorded, attempts=ended, steps_lost=recorded.steps_lost + lost)


def config_hash(turn: Turn) -> str:
    """Tells two specs of one job apart in the record."""
    return hashlib.sha256(msgspec.json.encode(turn.spec, order="sorted")).hexdigest()[:16]
