"""Who ended the attempt, and what it counts as.

`fates` says what became of every gang member, `verdict` names the one cause of an attempt or says that it is
still too early to tell. Called by `decide`. Pure: what peers do after the first end is a consequence and never judged.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from orchestrator.api.status import Attempt, Cause, Member
from orchestrator.core.observed import Agent, Disruption, Replica
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import ProgramState

TOGETHER_SECONDS = 0.5
"""Ends this close together count as one: a peer's `connection reset` can arrive before the death that caused it."""
BARRIER_SECONDS = 120.0
SIGNAL_BASE = 128
LAST_SIGNAL = 64


class Fate(StrEnum):
    """What became of a member's program in this attempt."""

    WAITING = "waiting"
    ALIVE = "alive"
    SUCCEEDED = "succeeded"
    ENDED = "ended"
    TOLD = "told"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class End:
    """How a member ended: the candidate for an attempt's cause."""

    member: Member
    cause: Cause
    at: datetime
    exit_code: int | None = None
    signal: int | None = None
    message: str = ""
    last_lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class MemberFate:
    member: Member
    fate: Fate
    end: End | None = None
    stopped: bool = False

    @property
    def is_over(self) -> bool:
        """Nothing more of this attempt can come from this member."""
        return self.fate in (Fate.SUCCEEDED, Fate.ENDED, Fate.TOLD)


_DISRUPTIONS = {
    Disruption.EVICTED: Cause.EVICTED,
    Disruption.PREEMPTED: Cause.PREEMPTED,
    Disruption.NODE_LOST: Cause.NODE_LOST,
}


def fates(turn: Turn, attempt: Attempt, members: tuple[Member, ...]) -> tuple[MemberFate, ...]:
    return tuple(fate_of(turn, one, attempt.number) for one in members)


def fate_of(turn: Turn, member: Member, run: int) -> MemberFate:
    """What became of this member's program number `run`. `member.uid` may be empty: an agent-less pod not seen yet."""
    if not member.uid:
        return MemberFate(member, Fate.WAITING)
    replica = turn.replicas.get(member.uid)
    if not turn.has_agents:
        return _bare_fate(turn, member, replica)
    agent = turn.agents.get(member.uid)
    if agent is not None and _speaks_of(agent, run, ProgramState.EXITED):
        return _exited_fate(turn, member, agent)
    if replica is None or replica.phase.is_terminal:
        return _lost_fate(turn, member, replica)
    if agent is None or not agent.connected:
        return MemberFate(member, Fate.UNKNOWN)
    if agent.attempt != run:
        return MemberFate(member, Fate.WAITING)
    return MemberFate(member, Fate.ALIVE, stopped=agent.stopped)


def _speaks_of(agent: Agent, run: int, state: ProgramState) -> bool:
    return agent.attempt == run and agent.state is state


def _exited_fate(turn: Turn, member: Member, agent: Agent) -> MemberFate:
    if agent.asked:
        return MemberFate(member, Fate.TOLD, stopped=agent.stopped)
    if agent.exit_code == 0:
        return MemberFate(member, Fate.SUCCEEDED)
    cause = Cause.OUT_OF_MEMORY if agent.out_of_memory else program_cause(agent.exit_code, agent.signal)
    end = End(
        member=member,
        cause=cause,
        at=agent.since or turn.now,
        exit_code=agent.exit_code,
        signal=agent.signal or signal_in(agent.exit_code),
        message=agent.start_error,
        last_lines=agent.last_lines,
    )
    return MemberFate(member, Fate.ENDED, end)


def _lost_fate(turn: Turn, member: Member, replica: Replica | None) -> MemberFate:
    """The agent's own process, or the whole pod, is gone: with the pod's exit code as the truth where it has one."""
    if replica is None:
        return MemberFate(member, Fate.ENDED, End(member, Cause.POD_LOST, turn.now))
    if replica.exit_code == 0 and replica.disruption is None:
        return MemberFate(member, Fate.SUCCEEDED)
    return MemberFate(member, Fate.ENDED, _replica_end(turn, member, replica, has_agent=True))


def _bare_fate(turn: Turn, member: Member, replica: Replica | None) -> MemberFate:
    """Without an agent the pod is the program."""
    if replica is None:
        return MemberFate(member, Fate.ENDED, End(member, Cause.POD_LOST, turn.now))
    if replica.phase.is_terminal:
        if replica.exit_code == 0 and replica.disruption is None:
            return MemberFate(member, Fate.SUCCEEDED)
        return MemberFate(member, Fate.ENDED, _replica_end(turn, member, replica, has_agent=False))
    return MemberFate(member, Fate.ALIVE if replica.phase == "Running" else Fate.WAITING)


def _replica_end(turn: Turn, member: Member, replica: Replica, *, has_agent: bool) -> End:
    return End(
        member=member,
        cause=_replica_cause(replica, has_agent=has_agent),
        at=replica.since or turn.now,
        exit_code=replica.exit_code,
        signal=replica.signal or signal_in(replica.exit_code),
        message=replica.error,
        last_lines=replica.last_lines,
    )


def _replica_cause(replica: Replica, *, has_agent: bool) -> Cause:
    if replica.disruption is not None:
        return _DISRUPTIONS[replica.disruption]
    if replica.foreign_deletion:
        return Cause.EVICTED
    if replica.out_of_memory:
        return Cause.OUT_OF_MEMORY
    cause = program_cause(replica.exit_code, replica.signal)
    return Cause.AGENT_LOST if has_agent and cause is Cause.PROGRAM_SIGNAL else cause


def program_cause(exit_code: int | None, signal: int | None) -> Cause:
    """128 + n is how shells, and programs stopped by SIGTERM (143), say that signal n ended them."""
    return Cause.PROGRAM_SIGNAL if signal or signal_in(exit_code) else Cause.PROGRAM_EXIT


def signal_in(exit_code: int | None) -> int | None:
    if exit_code is not None and SIGNAL_BASE < exit_code <= SIGNAL_BASE + LAST_SIGNAL:
        return exit_code - SIGNAL_BASE
    return None


@dataclass(frozen=True)
class Verdict:
    """`end`: the cause, once it is certain. `is_broken`: some member is lost, so survivors have no future."""

    is_broken: bool = False
    end: End | None = None
    look_again: float | None = None


def verdict(turn: Turn, found: tuple[MemberFate, ...]) -> Verdict:
    """The one cause of this attempt, or how long to wait until it is certain."""
    ends = [one.end for one in found if one.end is not None]
    if not ends:
        return Verdict()
    first = min(end.at for end in ends)
    chosen = min((end for end in ends if _is_together(first, end)), key=_weight)
    halted = [one for one in found if one.stopped]
    if halted and chosen.cause is Cause.PROGRAM_EXIT:
        return Verdict(is_broken=True, end=_halted_end(turn, halted[0]))
    wait = _doubt(turn, found, chosen, first)
    if wait > 0:
        return Verdict(is_broken=True, look_again=wait)
    return Verdict(is_broken=True, end=chosen)


def _is_together(first: datetime, end: End) -> bool:
    return (end.at - first).total_seconds() <= TOGETHER_SECONDS


def _weight(end: End) -> tuple[int, datetime]:
    """Evidence from outside beats a death by signal, which beats an exit code; then the earliest."""
    order = 0 if end.cause.is_disruption else 2 if end.cause is Cause.PROGRAM_EXIT else 1
    return order, end.at


def _halted_end(turn: Turn, halted: MemberFate) -> End:
    return End(halted.member, Cause.HANG, turn.now, message="the program was stopped by a signal (SIGSTOP)")


def _doubt(turn: Turn, found: tuple[MemberFate, ...], chosen: End, first: datetime) -> float:
    """Seconds for which a weightier end may still come to light."""
    if chosen.cause.is_disruption:
        return 0.0
    passed = turn.since(first)
    if any(one.fate is Fate.UNKNOWN for one in found):
        return BARRIER_SECONDS - passed
    if chosen.cause is not Cause.PROGRAM_EXIT or all(one.is_over for one in found):
        return 0.0
    return TOGETHER_SECONDS - passed
