"""An attempt that is open: start its members, watch for what ends it, notice when it runs.

A judgement of `decide`'s chain. Run goes only to the UIDs in the recorded attempt, whose agents start it once.
"""

from msgspec.structs import replace

from orchestrator.api.status import Attempt, Cause, JobStatus, Member, Phase
from orchestrator.api.types import Role, Strategy
from orchestrator.core import ending, membership, opening, status, stopping, wanted
from orchestrator.core.actions import Action, CreateReplica, Decision, Event, EventType, Reason, WantedOrder
from orchestrator.core.cause import End, Fate, MemberFate, fates, verdict
from orchestrator.core.observed import Agent, Disruption, Replica
from orchestrator.core.turn import Turn

GROW_SECONDS = 600.0
"""A job with minReplicas grows back at most once in this time."""

_NOTICE = {
    Disruption.EVICTED: Cause.EVICTED,
    Disruption.PREEMPTED: Cause.PREEMPTED,
    Disruption.NODE_LOST: Cause.NODE_LOST,
}


def go_on(turn: Turn) -> Decision | None:
    attempt = turn.attempt
    if attempt is None:
        return None
    turn, attempt = _seen_pods(turn, attempt)
    gang = fates(turn, attempt, stopping.gang_members(turn, attempt))
    if attempt.stopping is not None:
        return stopping.go_on(turn, attempt, attempt.stopping, gang)
    judged = verdict(turn, gang)
    end = judged.end or (
        None if judged.is_broken else _hang(turn, gang) or _start_timeout(turn, attempt, gang)
    )
    if end is not None:
        return stopping.end_attempt(turn, end)
    if judged.is_broken:
        killed = stopping.kill_survivors(turn, attempt)
        return Decision(status=turn.status, wanted=killed, requeue_after=judged.look_again)
    return _disruption_notice(turn, attempt) or _resize(turn, attempt) or _run(turn, attempt, gang)


def _seen_pods(turn: Turn, attempt: Attempt) -> tuple[Turn, Attempt]:
    """Without agents an attempt is recorded before its pods exist: their UIDs are filled in as they appear."""
    if turn.has_agents or all(one.uid for one in attempt.members):
        return turn, attempt
    members = tuple(_with_uid(turn, attempt, one) for one in attempt.members)
    attempt = replace(attempt, members=members)
    return Turn(replace(turn.seen, status=replace(turn.status, attempt=attempt)), turn.now), attempt


def _with_uid(turn: Turn, attempt: Attempt, member: Member) -> Member:
    found = turn.seats.get((member.role, member.index))
    if member.uid or found is None or found.attempt != attempt.number:
        return member
    return replace(member, uid=found.uid)


def _alive_agents(turn: Turn, gang: tuple[MemberFate, ...]) -> list[tuple[Member, Agent]]:
    agents = turn.agents
    return [
        (one.member, agents[one.member.uid])
        for one in gang
        if one.fate is Fate.ALIVE and one.member.uid in agents
    ]


def _hang(turn: Turn, gang: tuple[MemberFate, ...]) -> End | None:
    """No step for hangTimeoutSeconds, armed by the attempt's first step, while nobody says that it is busy."""
    limit = turn.spec.recovery.hang_timeout_seconds
    alive = _alive_agents(turn, gang)
    if not limit or not alive or any(agent.busy for _, agent in alive):
        return None
    silent = [(member, agent) for member, agent in alive if _silence(agent) > limit]
    if not silent:
        return None
    halted = [one.member for one in gang if one.stopped]
    member = halted[0] if halted else max(silent, key=lambda one: _silence(one[1]))[0]
    return End(member, Cause.HANG, turn.now, message=f"no step for {limit} s")


def _silence(agent: Agent) -> float:
    """Seconds without a step; 0 before the first."""
    return (agent.seconds_since_step or 0.0) if agent.step is not None else 0.0


def _start_timeout(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> End | None:
    """From Run to the first step; for programs that report nothing, to a living process."""
    limit = turn.spec.recovery.start_timeout_seconds
    if not limit or not turn.has_agents or turn.since(attempt.start_time) <= limit:
        return None
    late = next((one.member for one in gang if one.fate is Fate.WAITING), None)
    slow = next(
        (one for one, agent in _alive_agents(turn, gang) if agent.reported and agent.step is None), None
    )
    found = late or slow
    return End(found, Cause.START_TIMEOUT, turn.now, message=f"no first step in {limit} s") if found else None


def _disruption_notice(turn: Turn, attempt: Attempt) -> Decision | None:
    """A member's pod is about to go: everybody saves while it still can."""
    for one in stopping.gang_members(turn, attempt):
        replica = turn.replicas.get(one.uid)
        if replica is not None and not replica.phase.is_terminal and _is_leaving(replica):
            cause = _NOTICE.get(replica.disruption, Cause.EVICTED) if replica.disruption else Cause.EVICTED
            return stopping.begin(turn, cause, one.name)
    return None


def _is_leaving(replica: Replica) -> bool:
    return replica.disruption is not None or replica.foreign_deletion or replica.deleting


def _resize(turn: Turn, attempt: Attempt) -> Decision | None:
    """The spec's number of workers changed, or a left-out worker's place can be filled again."""
    if turn.spec.strategy is not Strategy.MULTI_WORKER_MIRRORED:
        return None
    missing = _missing_workers(turn, attempt)
    are_ready = all(opening.is_seat_ready(turn, seat) for seat in missing)
    if membership.replicas(turn.spec, Role.WORKER) != attempt.workers:
        return stopping.begin(turn, Cause.RESIZE) if are_ready else None
    if missing and are_ready and _may_grow(turn, attempt):
        return stopping.begin(turn, Cause.RESIZE)
    return None


def _missing_workers(turn: Turn, attempt: Attempt) -> list[membership.Seat]:
    present = {(one.role, one.index) for one in attempt.members}
    return [seat for seat in membership.gang_seats(turn.spec) if seat not in present]


def _may_grow(turn: Turn, attempt: Attempt) -> bool:
    """Right after a committed checkpoint, at most once in ten minutes."""
    recorded = turn.status.checkpoint.step if turn.status.checkpoint else None
    has_saved = turn.checkpoint_step is not None and turn.checkpoint_step != recorded
    return has_saved and turn.since(attempt.start_time) >= GROW_SECONDS


def _run(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> Decision:
    entered, events = _entered(turn, attempt, gang)
    order = [
        WantedOrder(uid=one.member.uid, order=wanted.run_member(turn.spec, attempt, one.member))
        for one in gang
    ]
    return Decision(
        status=entered,
        actions=_missing_replicas(turn, attempt),
        wanted=tuple(order) if turn.has_agents else (),
        events=events,
        requeue_after=_next_look(turn, attempt, gang),
    )


def _entered(
    turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]
) -> tuple[JobStatus, tuple[Event, ...]]:
    """Running: the program of every gang member of this attempt is alive (or has done its work)."""
    is_running = all(one.fate in (Fate.ALIVE, Fate.SUCCEEDED) for one in gang)
    if turn.status.phase is Phase.RUNNING or not is_running:
        return turn.status, ()
    message = f"attempt {attempt.number} is running"
    entered = status.enter(turn.status, Phase.RUNNING, Reason.RUNNING, message, turn.now)
    return entered, (
        Event(type=EventType.NORMAL, reason=Reason.RUNNING, message=message, attempt=attempt.number),
    )


def _missing_replicas(turn: Turn, attempt: Attempt) -> tuple[Action, ...]:
    """Pods of an agent-less attempt, and those of workers that wait for the next one."""
    if turn.has_agents:
        wanted_seats = _missing_workers(turn, attempt)
    else:
        wanted_seats = [(one.role, one.index) for one in attempt.members if not one.uid]
    return tuple(
        CreateReplica(role=role, index=index, attempt=attempt.number)
        for role, index in wanted_seats
        if (role, index) not in turn.seats
    )


def _next_look(turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]) -> float | None:
    """When time alone may change the decision: deadline, hang, start timeout, growing back."""
    waits = [ending.remaining(turn)]
    recovery = turn.spec.recovery
    if turn.has_agents:
        waits += [recovery.hang_timeout_seconds - _silence(agent) for _, agent in _alive_agents(turn, gang)]
        waits.append(recovery.start_timeout_seconds - turn.since(attempt.start_time))
    if _missing_workers(turn, attempt):
        waits.append(GROW_SECONDS - turn.since(attempt.start_time))
    return min((wait for wait in waits if wait is not None and wait > 0), default=None)
