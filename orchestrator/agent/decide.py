"""What an agent does next: pure, from its program's state, what is wanted of it and the (monotonic) time.

`agent.loop` gathers an AgentView, asks `decide`, performs the one action it returns, and asks again until there is
nothing to do. Nothing here starts, signals or waits.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional, Tuple, Union

from orchestrator.protocol.messages import Finish, Order, Run, SaveAndStop, Stop, Wanted

SIGTERM = 15
EXIT_TERMINATED = 128 + SIGTERM
EXIT_ORPHANED = 1
LINGER_SECONDS = 1.0
"""How long descendants may outlive a program that ended by itself in good order."""
LOST_AFTER_SUCCESS_SECONDS = 60.0
LOST_AFTER_FAILURE_SECONDS = 15 * 60.0


@dataclass(frozen=True)
class ProgramView:
    """The program of the last started attempt, 0 before the first.

    `alive`: a process of it, descendants included, is left. `ended_at`: when its first process ended, with
    `exit_code` or `signal`. `group_alive`: a process of its group, which got the SIGTERM with it, is left after that.
    `exited_at`: when nothing was left of it. `terminated_at`: when SIGTERM was sent, with SIGKILL due at `kill_at`.
    `killing`: SIGKILL has been sent and is repeated until nothing is left.
    """

    attempt: int = 0
    alive: bool = False
    ended_at: Optional[float] = None
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    group_alive: bool = False
    exited_at: Optional[float] = None
    terminated_at: Optional[float] = None
    kill_at: Optional[float] = None
    killing: bool = False

    @property
    def code(self) -> int:
        """As a shell says it: 128 + signal."""
        return 128 + self.signal if self.signal is not None else self.exit_code or 0


@dataclass(frozen=True)
class AgentView:
    """Everything that matters at one moment.

    `order`: the last one accepted. `connected_since` / `lost_since`: one of them is set. `leaving_grace`: set when
    the agent itself was asked to go (SIGTERM). `orphaned`: the parent is gone, nothing may outlive it. `starting`: the
    program says that it has nothing to save yet; it may be where no signal reaches it (see `train.sigterm`).
    """

    program: ProgramView = field(default_factory=ProgramView)
    order: Optional[Order] = None
    lost_since: Optional[float] = None
    leaving_grace: Optional[float] = None
    orphaned: bool = False
    starting: bool = False


@dataclass(frozen=True)
class Nothing:
    """Carry on."""


@dataclass(frozen=True)
class Start:
    """Record this attempt as started, then start its program."""

    run: Run


@dataclass(frozen=True)
class Terminate:
    """SIGTERM; SIGKILL is due at `kill_at`."""

    kill_at: float


@dataclass(frozen=True)
class Kill:
    """SIGKILL every descendant until none is left."""


@dataclass(frozen=True)
class Exit:
    """End the agent."""

    code: int


Action = Union[Nothing, Start, Terminate, Kill, Exit]
Next = Tuple[Action, Optional[float]]
"""An action, and when to look again if nothing happens; None: never."""


def is_acceptable(wanted: Wanted, job_uid: str, term: int) -> bool:
    """Whether this is for us and not from a coordinator that has been succeeded by another."""
    return wanted.job_uid == job_uid and wanted.term >= term


def decide(view: AgentView, now: float) -> Next:
    return _end(view, now) if view.program.alive else _go_on(view, now)


def _end(view: AgentView, now: float) -> Next:
    """A program is alive: is it to end, and by which means?"""
    program, grace = view.program, _grace(view)
    kill_at = _kill_at(program, grace, now)
    if kill_at is not None and now >= kill_at:
        return (Nothing() if program.killing else Kill()), None
    if grace is not None and kill_at is not None and program.terminated_at is None:
        return Terminate(kill_at), None
    return Nothing(), kill_at


def _grace(view: AgentView) -> Optional[float]:
    """Seconds between SIGTERM and SIGKILL if somebody wants the program to end, the shortest wish; else None."""
    wishes = [
        _ordered_grace(view.order, view.program.attempt),
        view.leaving_grace,
        0.0 if view.orphaned else None,
    ]
    wish = min((wish for wish in wishes if wish is not None), default=None)
    return 0.0 if wish is not None and view.starting else wish


def _ordered_grace(order: Optional[Order], attempt: int) -> Optional[float]:
    if isinstance(order, Finish):
        return order.grace_seconds
    if isinstance(order, (Stop, SaveAndStop)) and order.attempt >= attempt:
        return order.grace_seconds
    return None


def _kill_at(program: ProgramView, grace: Optional[float], now: float) -> Optional[float]:
    """The earliest of: what was promised with SIGTERM, what is wanted now, what its own end leaves to the rest."""
    moments = [program.kill_at, _rest_until(program)]
    if grace is not None:
        moments.append((now if program.terminated_at is None else program.terminated_at) + grace)
    return min((moment for moment in moments if moment is not None), default=None)


def _rest_until(program: ProgramView) -> Optional[float]:
    """Until when descendants may live after the program's first process has ended.

    A shell that died of our SIGTERM may have left the process that saves: it has until the SIGKILL, as long as it is
    in the shell's group and so has been told. After a failure nothing is waited for; else a moment, for those that are
    about to end by themselves.
    """
    if program.ended_at is None:
        return None
    if program.terminated_at is not None and program.signal == SIGTERM and program.group_alive:
        return None
    in_order = program.exit_code == 0 or program.terminated_at is not None
    return program.ended_at + (LINGER_SECONDS if in_order else 0.0)


def _go_on(view: AgentView, now: float) -> Next:
    """No process is left of the last program, if there was any."""
    if view.orphaned:
        return Exit(EXIT_ORPHANED), None
    if view.leaving_grace is not None:
        return Exit(EXIT_TERMINATED), None
    if isinstance(view.order, Finish):
        return Exit(view.order.exit_code), None
    if isinstance(view.order, Run) and view.order.attempt > view.program.attempt:
        return Start(view.order), None
    return _wait(view, now)


def _wait(view: AgentView, now: float) -> Next:
    """A finished program waits for Finish; without a coordinator its exit code becomes the agent's after a while."""
    program = view.program
    if program.exited_at is None or view.lost_since is None:
        return Nothing(), None
    patience = LOST_AFTER_FAILURE_SECONDS if program.code else LOST_AFTER_SUCCESS_SECONDS
    leave_at = max(program.exited_at, view.lost_since) + patience
    return (Exit(program.code), None) if now >= leave_at else (Nothing(), leave_at)
