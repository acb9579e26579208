"""Who ended the attempt, and what it counts as.

`fates` says what became of every gang member, `verdict` names the one cause of an attempt or says that it is
still too early to tell. Called by `decide`. Pure: what peers do after the first end is a consequence and never judged.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import inf

from orchestrator.api.status import Attempt, Cause, Member
from orchestrator.core.observed import Agent, Replica, ReplicaPhase
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import ProgramState

TOGETHER_SECONDS = 0.5
"""Ends this close together count as one: a peer's `connection reset` can arrive before the death that caused it."""
BARRIER_SECONDS = 120.0
UNEXPLAINED_SECONDS = 15.0
"""How long an end by somebody else's order may wait for a better explanation."""
SIGNAL_BASE = 128
LAST_SIGNAL = 64
SIGTERM = 15
HALTED = "the program was stopped by a signal (SIGSTOP)"


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
    """How a member ended: the candidate for an attempt's cause.

    `at`: when, or since when it may have without anybody noticing; None: nobody knows. `never_started`: its program
    could not be. `by_order`: it was an order of ours, for which no record gives a reason.
    """

    member: Member
    cause: Cause
    at: datetime | None
    exit_code: int | None = None
    signal: int | None = None
    message: str = ""
    last_lines: tuple[str, ...] = ()
    never_started: bool = False
    by_order: bool = False


@dataclass(frozen=True)
class MemberFate:
    """`end`: of a member that ended, or the one that is announced for a member whose replica has to go."""

    member: Member
    fate: Fate
    end: End | None = None
    stopped: bool = False

    @property
    def is_over(self) -> bool:
        """Nothing more of this attempt can come from this member."""
        return self.fate in (Fate.SUCCEEDED, Fate.ENDED, Fate.TOLD)


def fates(turn: Turn, members: tuple[Member, ...], run: int) -> tuple[MemberFate, ...]:
    return tuple(fate_of(turn, one, run) for one in members)


def fate_of(turn: Turn, member: Member, run: int) -> MemberFate:
    """What became of this member's program number `run`. `member.uid` may be empty: an agent-less pod not seen yet."""
    if not member.uid:
        return MemberFate(member, Fate.WAITING)
    if member.succeeded:
        return MemberFate(member, Fate.SUCCEEDED)
    replica = turn.replicas.get(member.uid)
    if not turn.has_agents:
        return _bare_fate(turn, member, run, replica)
    agent = turn.agents.get(member.uid)
    has_exited = agent is not None and agent.attempt == run and agent.state is ProgramState.EXITED
    if agent is not None and has_exited and not agent.asked:
        return _exited_fate(turn, member, agent, replica)
    if replica is None or replica.phase.is_terminal:
        return _gone_fate(turn, member, run, replica, agent)
    announced = _announced(turn, member, replica, agent)
    if has_exited:
        return MemberFate(member, Fate.TOLD, announced)
    if agent is None or not agent.connected:
        is_lost = announced is not None and turn.settling_left == 0
        return MemberFate(member, Fate.ENDED if is_lost else Fate.UNKNOWN, announced)
    fate = Fate.ALIVE if agent.attempt == run else Fate.WAITING
    return MemberFate(member, fate, announced, stopped=agent.stopped and fate is Fate.ALIVE)


def _exited_fate(turn: Turn, member: Member, agent: Agent, replica: Replica | None) -> MemberFate:
    if agent.exit_code == 0:
        return MemberFate(member, Fate.SUCCEEDED)
    cause = Cause.OUT_OF_MEMORY if agent.out_of_memory else program_cause(agent.exit_code, agent.signal)
    evidence = disruption_cause(replica) if replica else None
    end = End(
        member=member,
        cause=evidence or cause,
        at=agent.since or turn.now,
        exit_code=agent.exit_code,
        signal=agent.signal or signal_in(agent.exit_code),
        message=agent.start_error,
        last_lines=agent.last_lines,
        never_started=bool(agent.start_error),
    )
    return MemberFate(member, Fate.ENDED, end)


def _gone_fate(
    turn: Turn, member: Member, run: int, replica: Replica | None, agent: Agent | None
) -> MemberFate:
    """The pod is gone, or ended: then the exit code of the program is the truth, if it is that."""
    if replica is None:
        return MemberFate(member, Fate.ENDED, End(member, Cause.POD_LOST, _heard_until(turn, agent)))
    is_program = not turn.has_agents or _has_passed_on(run, replica, agent)
    # Many programs answer SIGTERM with exit code 0: of a pod that somebody deletes that is no success.
    was_told = replica.foreign_deletion and not turn.has_agents
    if replica.exit_code == 0 and is_program and replica.disruption is None and not was_told:
        return MemberFate(member, Fate.SUCCEEDED)
    end = End(
        member=member,
        cause=_replica_cause(turn, replica, is_program),
        at=_replica_moment(turn, replica, agent),
        exit_code=replica.exit_code,
        signal=replica.signal or signal_in(replica.exit_code),
        message=replica.error,
        last_lines=replica.last_lines,
    )
    return MemberFate(member, Fate.ENDED, end)


def _has_passed_on(run: int, replica: Replica, agent: Agent | None) -> bool:
    """Whether the agent's exit code is that of this run's program, and not of one before it."""
    if replica.ended_attempt is not None:
        return replica.ended_attempt == run
    return agent is not None and agent.attempt == run and not agent.asked


def _replica_moment(turn: Turn, replica: Replica, agent: Agent | None) -> datetime | None:
    """An agent that was unreachable may have been dead since then, and one that gave up did so long after the end."""
    since = replica.since if replica.ended_attempt is None else None
    return min((one for one in (since, _heard_until(turn, agent)) if one is not None), default=None)


def _heard_until(turn: Turn, agent: Agent | None) -> datetime | None:
    if agent is None:
        return None
    return turn.now if agent.connected else agent.lost_at


def _bare_fate(turn: Turn, member: Member, run: int, replica: Replica | None) -> MemberFate:
    """Without an agent the pod is the program; one on a lost node will never say that it has ended."""
    if replica is None or replica.phase.is_terminal:
        found = _gone_fate(turn, member, run, replica, None)
        is_told = found.fate is Fate.ENDED and _is_deleted_survivor(turn, replica)
        return MemberFate(member, Fate.TOLD) if is_told or _has_obeyed(turn, found, replica) else found
    announced = _announced(turn, member, replica, None)
    if announced is not None and announced.cause is Cause.NODE_LOST:
        return MemberFate(member, Fate.ENDED, announced)
    fate = Fate.ALIVE if replica.phase is ReplicaPhase.RUNNING else Fate.WAITING
    return MemberFate(member, fate, announced)


def _has_obeyed(turn: Turn, found: MemberFate, replica: Replica | None) -> bool:
    """Exit 0 of a pod that we have asked to stop is no success: many programs answer SIGTERM so."""
    if found.fate is not Fate.SUCCEEDED or replica is None or turn.attempt is None:
        return False
    return turn.attempt.stopping is not None and replica.deleting and not replica.foreign_deletion


def _is_deleted_survivor(turn: Turn, replica: Replica | None) -> bool:
    """From the moment on in which the attempt broke, pods of it are deleted by us: that is how they end."""
    broken_since = turn.attempt.broken_since if turn.attempt else None
    if broken_since is None:
        return False
    if replica is None:
        return True
    is_ours = replica.deleting and disruption_cause(replica) is None
    return is_ours and (replica.since is None or replica.since >= broken_since)


def _announced(turn: Turn, member: Member, replica: Replica, agent: Agent | None) -> End | None:
    """The end of a replica that has been told by others to go: it may have begun when it was heard last."""
    cause = disruption_cause(replica)
    return End(member, cause, _heard_until(turn, agent)) if cause else None


def disruption_cause(replica: Replica) -> Cause | None:
    """Positive evidence that somebody or something other than the program and we ends this replica."""
    if replica.disruption is not None:
        return Cause(replica.disruption.value)
    return Cause.EVICTED if replica.foreign_deletion else None


def _replica_cause(turn: Turn, replica: Replica, is_program: bool) -> Cause:
    """`is_program`: its exit code is that of the program, unless the agent itself was killed."""
    disrupted = disruption_cause(replica)
    if disrupted is not None:
        return disrupted
    if replica.out_of_memory:
        return Cause.OUT_OF_MEMORY
    cause = program_cause(replica.exit_code, replica.signal)
    may_be_agents = turn.has_agents and replica.ended_attempt is None and cause is Cause.PROGRAM_SIGNAL
    return cause if is_program and not may_be_agents else Cause.AGENT_LOST


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
    look_again: float = 0.0


def verdict(turn: Turn, attempt: Attempt, found: tuple[MemberFate, ...]) -> Verdict:
    """The one cause of this attempt, or how long to wait until it is certain."""
    told = [one for one in found if one.fate is Fate.TOLD and one.end is None]
    chosen = _cause(turn, found)
    is_whole = chosen is None and not told and attempt.broken_since is None
    if is_whole or not found:
        return Verdict()
    passed = turn.since(attempt.broken_since)
    if chosen is None:
        wait = UNEXPLAINED_SECONDS - passed
        chosen = unexplained(turn, (told or found)[0].member)
    else:
        wait = _doubt(turn, found, chosen, passed)
    return Verdict(is_broken=True, look_again=wait) if wait > 0 else Verdict(is_broken=True, end=chosen)


def _cause(turn: Turn, found: tuple[MemberFate, ...]) -> End | None:
    """The weightiest of the ends that came together with the first; a halted member explains its peers' exits.

    That a member was disrupted often comes to light last: its peers fail before anybody misses its node. Of one
    that was heard after the first end it is no explanation.
    """
    ends = [one.end for one in found if one.end is not None]
    actual = [one.end for one in found if one.end is not None and one.fate is Fate.ENDED]
    if not actual:
        return None
    first = min((end.at for end in actual if end.at is not None), default=None)
    chosen = min((end for end in ends if _is_together(first, end)), key=_weight)
    halted = [one.member for one in found if one.stopped]
    if halted and chosen.cause is Cause.PROGRAM_EXIT:
        return End(halted[0], Cause.HANG, turn.now, message=HALTED)
    return chosen


def _is_together(first: datetime | None, end: End) -> bool:
    """An end of which nobody knows when it was may have been the first."""
    return first is None or end.at is None or end.at <= first + timedelta(seconds=TOGETHER_SECONDS)


def _weight(end: End) -> tuple[int, float]:
    """Evidence from outside beats a death by signal, which beats an exit code; then the earliest that is known."""
    order = 0 if end.cause.is_disruption else 2 if end.cause is Cause.PROGRAM_EXIT else 1
    return order, end.at.timestamp() if end.at is not None else inf


def unexplained(turn: Turn, member: Member) -> End:
    """Somebody ended it in our name: another controller, before this one led. Our doing is held against nobody."""
    message = "it was stopped by an order of an earlier controller"
    return End(member, Cause.PREEMPTED, turn.now, message=message, by_order=True)


def _doubt(turn: Turn, found: tuple[MemberFate, ...], chosen: End, passed: float) -> float:
    """Seconds for which a weightier end may still come to light.

    That an agent-less pod is gone is seen only until we delete the others.
    """
    is_seen_once = chosen.cause is Cause.POD_LOST and not turn.has_agents
    if chosen.cause.is_disruption or chosen.cause is Cause.HANG or is_seen_once:
        return 0.0
    if any(_may_be_lost(turn, one) for one in found):
        return max(BARRIER_SECONDS - passed, turn.settling_left)
    is_plain = chosen.cause is Cause.PROGRAM_EXIT or chosen.signal == SIGTERM
    if not is_plain or all(one.is_over for one in found):
        return 0.0
    return TOGETHER_SECONDS - passed


def _may_be_lost(turn: Turn, one: MemberFate) -> bool:
    """Whether its end may yet turn out to have been the first. That a pod runs does not say that its node does."""
    if turn.has_agents:
        return one.fate is Fate.UNKNOWN
    return bool(one.member.uid) and not one.is_over
