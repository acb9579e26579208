"""Signs that a program hangs: no step for too long, no first step, or job-control stop (SIGSTOP), which its agent sees.

Called by `running` for the gang and by `side_runs` for each replica outside of it. A stop is recorded when it is first
seen: it is told once, and counts from then on, also before the first step and in programs that report nothing. Pure.
"""

from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from orchestrator.api.status import Attempt, Cause, Halted, Member
from orchestrator.api.types import JobSpec
from orchestrator.core import membership
from orchestrator.core.actions import Event, EventType, Reason
from orchestrator.core.cause import HALTED, End, Fate, MemberFate
from orchestrator.core.observed import Agent
from orchestrator.core.turn import Turn
from orchestrator.protocol.datagrams import COMPILING, STARTING

OVERDUE_LOOK_SECONDS = 60.0
"""How often a program is looked at that ought to have made a step and has reported nothing: reports wake nobody."""
LOOK_SECONDS = 1.0
"""How often somebody who is overdue but busy is looked at though nothing happened."""


def silence(agent: Agent) -> float:
    """Seconds without a step; 0 before the first."""
    return (agent.seconds_since_step or 0.0) if agent.step is not None else 0.0


def is_silent(turn: Turn, agent: Agent) -> bool:
    """No step for hangTimeoutSeconds, armed by the first one, and not because it is busy with something else."""
    limit = turn.spec.recovery.hang_timeout_seconds
    return limit > 0 and not agent.busy and silence(agent) >= limit


def silence_left(turn: Turn, agent: Agent) -> float | None:
    """Seconds until its silence may be found to be a hang."""
    limit = turn.spec.recovery.hang_timeout_seconds
    if not limit:
        return None
    left = limit - silence(agent)
    return left if left > 0 else LOOK_SECONDS


def halt_left(turn: Turn, since: datetime | None) -> float | None:
    """Seconds until a program that has been in job-control stop since then hangs; at most 0: it does."""
    limit = turn.spec.recovery.hang_timeout_seconds
    return limit - turn.since(since) if limit and since else None


def is_halted_too_long(turn: Turn, since: datetime | None) -> bool:
    left = halt_left(turn, since)
    return left is not None and left <= 0


def silent_end(turn: Turn, member: Member) -> End:
    limit = turn.spec.recovery.hang_timeout_seconds
    return End(member, Cause.HANG, turn.now, message=f"no step for {limit} s")


def halted_end(turn: Turn, member: Member) -> End:
    return End(member, Cause.HANG, turn.now, message=HALTED)


def late_end(
    turn: Turn, found: tuple[MemberFate, ...], begun: datetime | None, unheard: Sequence[Member] = ()
) -> End | None:
    """startTimeoutSeconds: from Run to the first step; for programs that report nothing, to a living process.

    `unheard`: members who cannot be reached and of whom nothing says that they ever started.
    """
    left = start_left(turn, begun)
    if left is None or left > 0:
        return None
    late = [one.member for one in found if one.fate is Fate.WAITING]
    slow = [one.member for one in found if _is_slow(turn, one)]
    halted = [one.member for one in found if one.stopped] if slow else []
    member = next(iter((*late, *unheard, *halted, *slow)), None)
    limit = turn.spec.recovery.start_timeout_seconds
    return (
        End(member, Cause.START_TIMEOUT, turn.now, message=f"no first step in {limit} s") if member else None
    )


def _is_slow(turn: Turn, one: MemberFate) -> bool:
    """It reports, and has to make steps by itself, but has not made any, and does nothing else either."""
    agent = turn.agents.get(one.member.uid)
    if agent is None or one.fate is not Fate.ALIVE or agent.busy not in ("", STARTING, COMPILING):
        return False
    return membership.makes_steps(turn.spec, one.member.role) and agent.reported and agent.step is None


def start_left(turn: Turn, begun: datetime | None) -> float | None:
    """Seconds for the first step since Run could be said, which was not before this controller led; None: no limit."""
    limit = turn.spec.recovery.start_timeout_seconds
    said = max((one for one in (begun, turn.seen.leader_since) if one), default=None)
    return limit - turn.since(said) if limit and turn.has_agents else None


def start_look(turn: Turn, found: tuple[MemberFate, ...], begun: datetime | None) -> float | None:
    """When a start may be found to be late; again and again where somebody who is overdue has reported nothing."""
    left = start_left(turn, begun)
    if left is None or left > 0:
        return left
    agents = (turn.agents.get(one.member.uid) for one in found if one.fate is Fate.ALIVE)
    return OVERDUE_LOOK_SECONDS if any(agent and not agent.reported for agent in agents) else None


def notice(
    turn: Turn, attempt: Attempt, gang: tuple[MemberFate, ...]
) -> tuple[Turn, Attempt, tuple[Event, ...]]:
    """Records who is in job-control stop, and tells of each once; while an agent is unreachable, as it was."""
    known = {one.member: one for one in attempt.halted}
    halted = tuple(
        known.get(one.member.name) or Halted(one.member.name, turn.now)
        for one in gang
        if one.stopped or (one.fate is Fate.UNKNOWN and one.member.name in known)
    )
    if halted == attempt.halted:
        return turn, attempt, ()
    attempt = replace(attempt, halted=halted)
    told = tuple(stop_event(turn, one.member) for one in halted if one.member not in known)
    return turn.with_status(replace(turn.status, attempt=attempt)), attempt, told


def stop_event(turn: Turn, name: str) -> Event:
    return Event(
        type=EventType.WARNING,
        reason=Reason.REPLICA_STOPPED,
        message=describe_stop(turn.spec, name),
        attempt=turn.last_number,
        member=name,
    )


def describe_stop(spec: JobSpec, name: str) -> str:
    limit = spec.recovery.hang_timeout_seconds
    fate = f"it hangs after {limit} s of this" if limit else "hangTimeoutSeconds: 0 waits for ever"
    return f"the program of {name} is stopped by a signal (SIGSTOP); SIGCONT lets it go on, {fate}"
