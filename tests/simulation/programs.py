"""Users' programs, as far as they matter: they join their peers, make steps together, save, and end.

A Training is what one cluster map makes of several programs. Synchronous ones (MultiWorkerMirrored) go on only while
every member does, and fail when one is lost: at once (`connection reset`) or after the collective timeout.
"""

import json
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.api.types import Role, Strategy
from orchestrator.backends.memory.clock import VirtualClock
from orchestrator.core.membership import Seat
from orchestrator.protocol import environment as env
from orchestrator.protocol.datagrams import Datagram

COLLECTIVE_TIMEOUT = 16.0
START_PATIENCE = 120.0
EXIT_TERMINATED = 143
OnEnd = Callable[[int | None, int | None], None]
"""Told the exit code or the signal."""
OnSay = Callable[[Datagram], None]
COMPILING = Datagram(busy="compiling")


@dataclass(frozen=True)
class Script:
    """What the programs of a job do when nobody disturbs them.

    `says_step`: False: they count steps without ever saying which. `losses`: those of the first steps, the last one
    of all that follow. `exit_terminated`: their exit code when they end on SIGTERM. `hangs_at`: the step that no
    attempt ever comes beyond; 0: none makes a first one.
    """

    strategy: Strategy = Strategy.MULTI_WORKER_MIRRORED
    steps: int = 20
    step_seconds: float = 1.0
    save_every: int = 5
    start_seconds: float = 2.0
    saves_on_sigterm: bool = True
    reports: bool = True
    says_step: bool = True
    losses: tuple[float, ...] = ()
    exit_terminated: int = EXIT_TERMINATED
    hangs_at: int | None = None


@dataclass
class Disk:
    """The shared checkpoint directory: the newest committed step."""

    step: int | None = None

    def commit(self, step: int) -> None:
        self.step = max(step, self.step or 0)


class Program:
    """One process tree. `is_alive` until its end; a frozen one (SIGSTOP) does nothing but exist.

    `is_told`: to end, while it was alive, by us or by whoever took its replica away. `exit_code`, `signal`: how it
    ended; neither is known of one that vanished.
    """

    def __init__(
        self,
        seat: Seat,
        environ: dict[str, str],
        disk: Disk,
        on_end: OnEnd,
        on_say: OnSay = lambda datagram: None,
    ) -> None:
        self.seat = seat
        self.run = int(environ[env.ATTEMPT])
        self.restore = restore_step_of(environ, disk)
        self.rank = int(environ[env.RANK])
        self.cluster = cluster_of(environ)
        self.task: dict[str, object] = json.loads(environ.get(env.TF_CONFIG, "{}")).get("task", {})
        self.is_alive = True
        self.is_told = False
        self.exit_code: int | None = None
        self.signal: int | None = None
        self.is_frozen = False
        self.step: int | None = None
        self.step_times: list[float] = []
        self.training: Training | None = None
        self._on_end, self._on_say = on_end, on_say

    def end(self, exit_code: int | None = None, signal: int | None = None) -> None:
        """It exits, or is killed. Tells its peers through their broken connections."""
        if self.is_alive:
            self.is_alive = False
            self.exit_code, self.signal = exit_code, signal
            if self.training is not None:
                self.training.lost(self, at_once=exit_code != 0)
            self._on_end(exit_code, signal)

    def say(self, datagram: Datagram) -> None:
        if self.is_alive and not self.is_frozen:
            self._on_say(datagram)

    def vanish(self) -> None:
        """The power of its machine failed: no exit code, and nothing that peers would notice at once."""
        if self.is_alive:
            self.is_alive = False
            if self.training is not None:
                self.training.lost(self, at_once=False)

    def freeze(self) -> None:
        self.is_frozen = True
        if self.training is not None and self.is_alive:
            self.training.lost(self, at_once=False)

    @property
    def is_training(self) -> bool:
        return self.training is not None and self.training.step is not None

    def thaw(self) -> None:
        """SIGCONT: if its peers have given up meanwhile, so does it."""
        if self.is_frozen:
            self.is_frozen = False
            if self.training is not None:
                self.training.thawed(self)

    def terminate(self) -> None:
        """SIGTERM: one that knows how to save does so with its peers, if they are all there."""
        if self.is_alive and not self.is_frozen and self.training is not None:
            self.training.terminate(self)


def restore_step_of(environ: dict[str, str], disk: Disk) -> int | None:
    """As `orchestrator.train` reads it: where nobody says which, the newest that is there now."""
    chosen = environ.get(env.RESTORE_STEP)
    if chosen is None:
        return disk.step
    return int(chosen) if chosen else None


def cluster_of(environ: dict[str, str]) -> dict[str, list[str]]:
    """Its cluster map, {} for a program that is alone."""
    config = json.loads(environ.get(env.TF_CONFIG, "{}"))
    found: dict[str, list[str]] = config.get("cluster", {})
    return found


@dataclass
class Training:
    """Programs with one cluster map. `members`: by seat, those that have come.

    `is_stuck`: they make no step, whatever they say; `busy`: they say that this is why they make none.
    """

    clock: VirtualClock
    chance: random.Random
    script: Script
    disk: Disk
    size: int
    members: dict[Seat, Program] = field(default_factory=dict)
    step: int | None = None
    is_over: bool = False
    stop_asked: bool = False
    is_evaluator: bool = False
    is_stuck: bool = False
    busy: str = ""
    busy_since: float = 0.0

    def join(self, program: Program) -> None:
        program.training = self
        self.members[program.seat] = program
        self._tell(program, COMPILING)
        if len(self.members) == self.size and self.step is None:
            self.clock.after(self.script.start_seconds, self._begin)

    def _begin(self) -> None:
        if self.step is None and not self.is_over and not self._is_held and self._can_step():
            leader = self._leader()
            assert self._is_agreed(), "I7: members restore different steps"
            self.step = leader.restore or 0
            self.is_evaluator = leader.seat[0] is Role.EVALUATOR
            self._tick()

    def _is_agreed(self) -> bool:
        """Whoever trains in step goes on from the same state; who only serves has none."""
        restored = {one.restore for one in self.members.values()}
        return len(restored) == 1 or self.script.strategy is Strategy.PARAMETER_SERVER

    @property
    def _is_held(self) -> bool:
        """It makes no step for now, or it never will again."""
        limit = self.script.hangs_at
        is_at_its_end = limit is not None and (self.step or 0) >= limit and not self.is_evaluation
        return self.is_stuck or bool(self.busy) or is_at_its_end

    @property
    def is_evaluation(self) -> bool:
        return all(role is Role.EVALUATOR for role, _ in self.members)

    def pause(self, busy: str) -> None:
        """They are busy with something else than steps until `resume`."""
        self.busy, self.busy_since = busy, self.clock.seconds
        for one in self.members.values():
            self._tell(one, Datagram(busy=busy))

    def resume(self) -> None:
        """Nothing holds them up any more."""
        self.is_stuck, self.busy = False, ""
        for one in self.members.values():
            self._tell(one, Datagram(busy="" if self.step is not None else COMPILING.busy))
        if self.step is None and len(self.members) == self.size:
            self._begin()

    def _tell(self, program: Program, datagram: Datagram) -> None:
        if self.script.reports and program.seat[0] is not Role.PS:
            program.say(datagram)

    def _leader(self) -> Program:
        return min(self.members.values(), key=lambda one: (list(Role).index(one.seat[0]), one.seat[1]))

    def _tick(self) -> None:
        if self.is_over:
            return
        if self._can_step() and not self._is_held:
            self._make_step()
        if not self.is_over:
            self.clock.after(self.script.step_seconds, self._tick)

    def _can_step(self) -> bool:
        working = [one for one in self.members.values() if one.is_alive and not one.is_frozen]
        if self.script.strategy is not Strategy.PARAMETER_SERVER or self.size == 1:
            return len(working) == self.size
        needed = [one for one in self.members.values() if one.seat[0] is not Role.WORKER]
        workers = any(one.seat[0] is Role.WORKER for one in working)
        return workers and all(one in working for one in needed)

    def _make_step(self) -> None:
        self.step = (self.step or 0) + 1
        for one in self.members.values():
            if one.is_alive and self.script.reports and one.seat[0] is not Role.PS:
                one.step = self.step
                one.step_times.append(self.clock.seconds)
                self._tell(one, self._report(self.step))
        if self.is_evaluator:
            return
        if self.stop_asked:
            self._stop_together()
        elif self.step >= self.script.steps:
            self.disk.commit(self.step)
            self._finish()
        elif self.step % self.script.save_every == 0:
            self.disk.commit(self.step)

    def _report(self, step: int) -> Datagram:
        losses = self.script.losses
        loss = losses[min(step, len(losses)) - 1] if losses else 0.0
        return Datagram(
            step=step if self.script.says_step else None,
            steps=1,
            busy="",
            metrics={"loss": loss if math.isfinite(loss) else None} if losses else {},
            non_finite=not math.isfinite(loss),
        )

    def _finish(self) -> None:
        """The leader first, the others within a second; parameter servers and their workers serve for ever."""
        self.is_over = True
        leader = self._leader()
        self._end_later(leader, 0.05, 0)
        if self.script.strategy is not Strategy.PARAMETER_SERVER:
            for one in self.members.values():
                if one is not leader:
                    self._end_later(one, self.chance.uniform(0.0, 1.0), 0)

    def _stop_together(self) -> None:
        self.is_over = True
        if self.script.saves_on_sigterm:
            self.disk.commit(self.step or 0)
        for one in self.members.values():
            self._end_later(one, self.chance.uniform(0.05, 0.5), self.script.exit_terminated)

    def _stop_alone(self, program: Program) -> None:
        """The chief holds what there is to save; who serves just goes."""
        if program.seat[0] is Role.CHIEF:
            self.disk.commit(self.step or 0)
            self._end_later(program, 0.3, self.script.exit_terminated)
        else:
            self._end_of_sigterm(program)

    def _end_later(self, program: Program, seconds: float, exit_code: int) -> None:
        self.clock.after(seconds, lambda: None if program.is_frozen else program.end(exit_code))

    def terminate(self, program: Program) -> None:
        """The first to be told tells the others; where that is impossible, SIGTERM simply ends it."""
        can_save = self.script.saves_on_sigterm and not self.is_evaluator
        if not can_save or self.step is None or not self._can_step():
            self._end_of_sigterm(program)
        elif self.script.strategy is Strategy.PARAMETER_SERVER:
            self._stop_alone(program)
        else:
            self.stop_asked = True

    def _end_of_sigterm(self, program: Program) -> None:
        """One that knows nothing of us is killed by it, or goes as it likes."""
        code = self.script.exit_terminated
        if code == EXIT_TERMINATED:
            program.end(signal=15)
        else:
            program.end(code)

    def lost(self, program: Program, *, at_once: bool) -> None:
        """A member is gone or frozen: what becomes of the others."""
        if self.is_over or self.script.strategy is Strategy.INDEPENDENT:
            return
        if self.script.strategy is Strategy.PARAMETER_SERVER and program.seat[0] is Role.WORKER:
            return
        if self.step is None:
            self.clock.after(START_PATIENCE, self._give_up)
            return
        self.is_over = True
        for one in self.members.values():
            if one is not program and self._notices(one):
                short = at_once and self.chance.random() < 0.5
                wait = self.chance.uniform(0.0, 0.4) if short else COLLECTIVE_TIMEOUT
                self._end_later(one, wait, 1)

    def _give_up(self) -> None:
        """Nobody waits for ever for peers that have gone before the first step."""
        if self.step is None and not self._can_step():
            for one in list(self.members.values()):
                if self._notices(one) and not one.is_frozen:
                    one.end(1)

    def thawed(self, program: Program) -> None:
        if self.is_over:
            program.end(1)
        elif self.step is None and len(self.members) == self.size:
            self._begin()

    def _notices(self, program: Program) -> bool:
        """Parameter servers and their workers only serve."""
        is_server = self.script.strategy is Strategy.PARAMETER_SERVER
        return program.seat[0] is Role.CHIEF if is_server else True
