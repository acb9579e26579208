"""An attempt that is open: start its members, watch for what ends it, notice when it runs.

A judgement of `decide`'s chain. Run goes only to the UIDs in the recorded attempt, whose agents start it once.
"""

from msgspec.structs import replace

from orchestrator.api.status import Attempt, Cause, JobStatus, Member, Phase
from orchestrator.api.types import Role, Strategy
from orchestrator.core import capacity, hanging, membership, policies, seating, status, stopping
from orchestrator.core.actions import Action, CreateReplica, Decision, Event, EventType, Reason, WantedOrder
from orchestrator.core.cause import End, Fate, MemberFate, Verdict, fates, verdict
from orchestrator.core.observed import Agent
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import Stop

GROW_SECONDS = 600.0
"""A job with minReplicas grows back at most once in this time."""


def go_on(turn: Turn) -> Decision | None:
    attempt = turn.attempt
    if attempt is None:
        return None
    turn, attempt = _seen_pods(turn, attempt)
    gang = fates(turn, stopping.gang_members(turn, attempt), attempt.number)
    turn, attempt = _with_successes(turn, attempt, gang)
    if attempt.stopping is not None:
        return stopping.go_on(turn, attempt, attempt.stopping, gang)
    turn, attempt, halts = hanging.notice(turn, attempt, gang)
    decision = _judge(turn, attempt, gang)
    return replace(decision, events=(*halts, *decision.events))


def _judge(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> Decision:
    """What an attempt comes to that nobody has asked to end."""
    judged = verdict(turn, attempt, gang)
    end = judged.end
    if not judged.is_broken:
        unheard = _unheard(turn, attempt, gang)
        end = _hang(turn, attempt, gang) or hanging.late_end(turn, gang, attempt.start_time, unheard)
    if end is not None:
        return stopping.end_attempt(turn, attempt, end)
    if judged.is_broken:
        return _wait_for_verdict(turn, attempt, judged)
    return _disruption_notice(turn, attempt, gang) or _resize(turn, attempt) or _run(turn, attempt, gang)


def _seen_pods(turn: Turn, attempt: Attempt) -> tuple[Turn, Attempt]:
    """Without agents an attempt is recorded before its pods exist: their UIDs are filled in as they appear."""
    if turn.has_agents or all(one.uid for one in attempt.members):
        return turn, attempt
    attempt = replace(attempt, members=tuple(_with_uid(turn, attempt, one) for one in attempt.members))
    return turn.with_status(replace(turn.status, attempt=attempt)), attempt


def _with_uid(turn: Turn, attempt: Attempt, member: Member) -> Member:
    """Of those outside the gang their own records say more."""
    found = turn.seats.get((member.role, member.index))
    is_new = found is not None and found.attempt == attempt.number and not member.uid
    if found is None or not is_new or not membership.is_gang(turn.spec, member.role):
        return member
    return replace(member, uid=found.uid)


def _with_successes(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> tuple[Turn, Attempt]:
    """Recorded, since pods that have ended are deleted, evicted and drained like others."""
    new = {one.member for one in gang if one.fate is Fate.SUCCEEDED and not one.member.succeeded}
    if not new:
        return turn, attempt
    members = tuple(replace(one, succeeded=True) if one in new else one for one in attempt.members)
    attempt = replace(attempt, members=members)
    return turn.with_status(replace(turn.status, attempt=attempt)), attempt


def _wait_for_verdict(turn: Turn, attempt: Attempt, judged: Verdict) -> Decision:
    """The attempt can only end now; which end was the first may still come to light."""
    broken = replace(attempt, broken_since=attempt.broken_since or turn.now)
    orders = stopping.kill_survivors(turn, attempt, Cause.PROGRAM_EXIT)
    return Decision(
        status=replace(turn.status, attempt=broken),
        actions=() if turn.has_agents else stopping.delete(turn, {one.uid for one in orders}, 0.0),
        wanted=orders,
        requeue_after=judged.look_again,
    )


def _alive_agents(turn: Turn, gang: tuple[MemberFate, ...]) -> list[tuple[Member, Agent]]:
    agents = turn.agents
    return [
        (one.member, agents[one.member.uid])
        for one in gang
        if one.fate is Fate.ALIVE and one.member.uid in agents
    ]


def _hang(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> End | None:
    """No step for hangTimeoutSeconds, armed by the attempt's first step, while nobody says that it is busy.

    Job-control stop for as long needs neither a step nor a report.
    """
    since = {one.member: one.since for one in attempt.halted}
    halted = [one.member for one in gang if one.member.name in since]
    too_long = [one for one in halted if hanging.is_halted_too_long(turn, since[one.name])]
    if too_long:
        return hanging.halted_end(turn, too_long[0])
    alive = _alive_agents(turn, gang)
    if any(agent.busy for _, agent in alive):
        return None
    silent = [(member, agent) for member, agent in alive if hanging.is_silent(turn, agent)]
    if not silent:
        return None
    if halted:
        return hanging.halted_end(turn, halted[0])
    return hanging.silent_end(turn, max(silent, key=lambda one: hanging.silence(one[1]))[0])


def _unheard(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> list[Member]:
    """Unreachable, and nothing says that they ever started: neither their agents, nor the phase, nor anybody's step."""
    if turn.status.phase is Phase.RUNNING or stopping.last_step(turn, attempt) is not None:
        return []
    unknown = [one.member for one in gang if one.fate is Fate.UNKNOWN]
    started = {uid for uid, agent in turn.agents.items() if agent.attempt == attempt.number}
    return [one for one in unknown if one.uid not in started]


def _disruption_notice(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> Decision | None:
    """A member's pod is about to go: everybody saves while it still can."""
    for one in gang:
        if one.end is not None:
            return stopping.begin(turn, attempt, one.end.cause, one.member.name)
    return None


def _resize(turn: Turn, attempt: Attempt) -> Decision | None:
    """The spec has no seat any more for a member, or others can take part as well.

    What runs is better than a size that no attempt can have: it stays as it is, which `waiting` tells.
    """
    if turn.spec.strategy is Strategy.INDEPENDENT:
        return None
    has_to_shrink = not turn.members.keys() <= set(membership.trainer_seats(turn.spec))
    is_wished = has_to_shrink or _can_grow(turn, attempt)
    return stopping.begin(turn, attempt, Cause.RESIZE) if is_wished and not capacity.refusal(turn) else None


def _can_grow(turn: Turn, attempt: Attempt) -> bool:
    """Whoever is missing is ready: new workers are taken in at once, those that were left out when it is worth it."""
    missing = _missing_seats(turn, attempt)
    if not missing or not _are_ready(turn, missing):
        return False
    has_new = membership.replicas(turn.spec, Role.WORKER) > attempt.workers
    return has_new or _is_worth_it(turn, attempt)


def _are_ready(turn: Turn, seats: list[membership.Seat]) -> bool:
    """Without agents there is nothing that could wait."""
    return not turn.has_agents or all(seating.is_ready(turn, seat) for seat in seats)


def _missing_seats(turn: Turn, attempt: Attempt) -> list[membership.Seat]:
    if turn.spec.strategy is Strategy.INDEPENDENT:
        return []
    present = {(one.role, one.index) for one in attempt.members}
    missing = [seat for seat in membership.trainer_seats(turn.spec) if seat not in present]
    return [] if missing and capacity.refusal(turn) else missing


def _is_worth_it(turn: Turn, attempt: Attempt) -> bool:
    """Right after a committed checkpoint, at most once in ten minutes."""
    seen = turn.checkpoint_step
    has_saved = seen is not None and seen != turn.recorded_checkpoint
    return has_saved and turn.since(attempt.start_time) >= GROW_SECONDS


def _run(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> Decision:
    turn, attempt = _without_given_up(turn, attempt)
    entered, events = _entered(turn, attempt, gang)
    if not turn.has_agents:
        missing = _missing_pods(turn, attempt, gang)
        return Decision(status=entered, actions=(*seating.surplus(turn), *missing), events=events)
    return Decision(
        status=entered,
        actions=_spare_replicas(turn, attempt),
        wanted=(*_start_orders(turn, attempt, gang), *_spare_orders(turn, attempt)),
        events=events,
        requeue_after=_next_look(turn, attempt, gang),
    )


def _without_given_up(turn: Turn, attempt: Attempt) -> tuple[Turn, Attempt]:
    """Seats that the spec has given up had been left out, so nobody has to stop; if they come back they are new."""
    workers = min(attempt.workers, membership.replicas(turn.spec, Role.WORKER))
    attempt = replace(attempt, workers=workers)
    return turn.with_status(replace(turn.status, attempt=attempt)), attempt


def _entered(
    turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]
) -> tuple[JobStatus, tuple[Event, ...]]:
    """Running: the program of every gang member of this attempt is alive (or has done its work)."""
    if turn.status.phase is Phase.RUNNING or not _is_running(turn, gang):
        return turn.status, ()
    message = f"attempt {attempt.number} is running"
    entered = status.enter(turn.status, Phase.RUNNING, Reason.RUNNING, message, turn.now)
    return entered, (
        Event(type=EventType.NORMAL, reason=Reason.RUNNING, message=message, attempt=attempt.number),
    )


def _is_running(turn: Turn, gang: tuple[MemberFate, ...]) -> bool:
    """Where each replica is alone, one is enough."""
    found = gang or tuple(stopping.side_fate(turn, one) for one in turn.status.sides)
    started = [one.fate in (Fate.ALIVE, Fate.SUCCEEDED) for one in found]
    return all(started) if gang else any(started)


def _start_orders(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> tuple[WantedOrder, ...]:
    """Run for whoever has not started yet."""
    waiting = [one.member for one in gang if one.fate is Fate.WAITING]
    return tuple(
        WantedOrder(uid=one.uid, order=seating.start(turn, one.uid, turn.orders.run_member(attempt, one)))
        for one in waiting
    )


def _spare_orders(turn: Turn, attempt: Attempt) -> tuple[WantedOrder, ...]:
    """Whoever was left out of this attempt may still be busy with an older one."""
    replicas = (turn.seats.get(seat) for seat in _missing_seats(turn, attempt))
    return tuple(WantedOrder(uid=one.uid, order=Stop(attempt.number, 0.0)) for one in replicas if one)


def _spare_replicas(turn: Turn, attempt: Attempt) -> tuple[Action, ...]:
    """Replicas that wait for the next attempt, while this one goes on without them."""
    waited = turn.since(attempt.start_time)
    seats = [seat for seat in _missing_seats(turn, attempt) if not _has_just_died(turn, seat)]
    filled = (seating.fill(turn, seat, attempt.number, waited) for seat in seats)
    return (*seating.surplus(turn), *(action for actions in filled for action in actions))


def _has_just_died(turn: Turn, seat: membership.Seat) -> bool:
    """One that ends whenever it starts holds up nobody, so it counts for nothing; but it is started no more often."""
    replica = turn.seats.get(seat)
    is_early = replica is not None and seating.early_end(turn, replica, replica.attempt) is not None
    return is_early and turn.since(replica.since if replica else None) < policies.BACKOFF_CAP_SECONDS


def _missing_pods(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> tuple[Action, ...]:
    """Pods of an agent-less attempt that do not exist yet."""
    seats = [(one.member.role, one.member.index) for one in gang if not one.member.uid]
    return tuple(
        CreateReplica(role=role, index=index, attempt=attempt.number)
        for role, index in seats
        if (role, index) not in turn.seats and not seating.is_foreign(turn, (role, index))
    )


def _next_look(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> float | None:
    """When time alone may change the decision: hang, start timeout, a spare replica that does not get ready."""
    waits = [hanging.silence_left(turn, agent) for _, agent in _alive_agents(turn, gang)]
    waits += [hanging.halt_left(turn, one.since) for one in attempt.halted]
    waits.append(hanging.start_look(turn, gang, attempt.start_time))
    if _missing_seats(turn, attempt):
        waits.append(seating.LOOK_SECONDS)
    return min((wait for wait in waits if wait is not None and wait > 0), default=None)
