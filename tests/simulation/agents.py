"""A simulated agent: the real `agent.decide` and `agent.telemetry` around a simulated program and network."""

import random
from dataclasses import replace

from orchestrator.agent import telemetry
from orchestrator.agent.decide import (
    Action,
    AgentView,
    Exit,
    Kill,
    Nothing,
    ProgramView,
    Start,
    Terminate,
    decide,
    is_acceptable,
)
from orchestrator.backends.memory.clock import Timer, VirtualClock
from orchestrator.core.membership import Seat
from orchestrator.protocol import environment as env
from orchestrator.protocol.datagrams import Datagram
from orchestrator.protocol.messages import Finish, Order, ProgramState, Report, State, Wanted
from orchestrator.protocol.tf_config import join
from tests.simulation.programs import Disk, Program

CONNECT_SECONDS = 0.3
HEARTBEAT_SECONDS = 5.0
RHYTHMS = 10
"""Agents beat in so many rhythms, whose moments lie half a second apart."""
SILENCE_SECONDS = 15.0
STOP_GRACE_SECONDS = 20.0


class SimulatedAgent:
    """`connects_after`: seconds until its first word; from then on it has a rhythm of its own."""

    def __init__(
        self,
        uid: str,
        seat: Seat,
        clock: VirtualClock,
        disk: Disk,
        world: "AgentWorld",
        *,
        connects_after: float = CONNECT_SECONDS,
    ) -> None:
        self.uid, self.seat = uid, seat
        self._clock, self._disk, self._world = clock, disk, world
        self.view = ProgramView()
        self.program: Program | None = None
        self.asked = False
        self.is_dead = False
        self.term = 0
        self._order: Order | None = None
        self._leaving = False
        self._heard_at: float | None = None
        self._alive_since = clock.seconds
        self._look: Timer | None = None
        self._checkpoint = disk.step
        self._telemetry = telemetry.begin(0)
        self._sequence = 0
        self._highest_term = 0
        self._next_beat = clock.after(connects_after, self._first_beat)

    # --- what comes from outside

    def hear(self, wanted: Wanted) -> None:
        if self.is_dead:
            return
        self._heard_at = self._clock.seconds
        self._highest_term = max(self._highest_term, wanted.term)
        if is_acceptable(wanted, self._world.job_uid, self.term):
            assert wanted.term == self._highest_term, "an order of a leader that had been succeeded is obeyed"
            self._order, self.term = wanted.order, wanted.term
        self.turn()

    def reconnect(self) -> None:
        """A new stream begins with the whole state, and the next beat comes as long after it as ever."""
        self._next_beat.cancel()
        self._beat()

    def sigterm(self) -> None:
        self._leaving = True
        self.turn()

    def die(self) -> None:
        """SIGKILL, or its machine's power: nothing of its process tree is left."""
        self.is_dead = True
        if self.program is not None and self.program.is_alive:
            self.program.vanish()

    # --- its loop

    def turn(self) -> None:
        while not self.is_dead:
            action, look_again = decide(self._agent_view(), self._clock.seconds)
            if isinstance(action, Nothing):
                self._look_again(look_again)
                return
            self._perform(action)

    def _agent_view(self) -> AgentView:
        return AgentView(
            program=self.view,
            order=self._order,
            lost_since=self._lost_since(),
            leaving_grace=STOP_GRACE_SECONDS if self._leaving else None,
        )

    def _lost_since(self) -> float | None:
        """Since when it has had no coordinator."""
        if self._heard_at is None:
            return self._alive_since
        lost_at = self._heard_at + SILENCE_SECONDS
        return lost_at if self._clock.seconds >= lost_at else None

    def _look_again(self, moment: float | None) -> None:
        if self._look is not None:
            self._look.cancel()
            self._look = None
        if moment is not None:
            self._look = self._clock.after(moment - self._clock.seconds, self.turn)

    def _perform(self, action: Action) -> None:
        now = self._clock.seconds
        if isinstance(action, Start):
            self._start(action)
        elif isinstance(action, Terminate):
            self.asked = True
            self.view = replace(self.view, terminated_at=now, kill_at=action.kill_at)
            if self.program is not None:
                self.program.is_frozen = False
                self.program.is_told = self.program.is_told or self.program.is_alive
                self.program.terminate()
        elif isinstance(action, Kill):
            self.asked = self.asked or self.view.ended_at is None
            self.view = replace(self.view, killing=True)
            if self.program is not None:
                self.program.is_told = self.program.is_told or self.program.is_alive
                self.program.end(signal=9)
        elif isinstance(action, Exit):
            self.tell()
            self.is_dead = True
            self._world.left(self.uid, action.code, self._passed_on())

    def _passed_on(self) -> int | None:
        """The attempt with whose program's code it leaves, for want of a coordinator."""
        is_told = self.asked or self._leaving or isinstance(self._order, Finish)
        return None if is_told else self.view.attempt

    def _start(self, action: Start) -> None:
        run = action.run
        self.view = ProgramView(attempt=run.attempt, alive=True)
        self.asked = False
        self._telemetry, self._sequence = telemetry.begin(run.attempt), 0
        config = join(run.cluster, run.task_type, run.task_index) if run.cluster else "{}"
        self.program = self._world.start_program(self, run.env | {env.TF_CONFIG: config})
        self.tell()

    def listen(self, datagram: Datagram) -> None:
        """Its program says something; it is passed on with the next beat."""
        self._telemetry = telemetry.fold(self._telemetry, datagram, self._clock.seconds)

    def ended(self, exit_code: int | None, signal: int | None) -> None:
        now = self._clock.seconds
        self.view = replace(
            self.view, alive=False, ended_at=now, exited_at=now, exit_code=exit_code, signal=signal
        )
        self._checkpoint = self._disk.step
        if not self.is_dead:
            self.tell()
            self._clock.after(0.0, self.turn)

    # --- what it says

    def _first_beat(self) -> None:
        if not self.is_dead:
            self.tell()
            self.turn()
            wait = HEARTBEAT_SECONDS * self._world.chance.randint(1, RHYTHMS) / RHYTHMS
            self._next_beat = self._clock.after(wait, self._beat)

    def _beat(self) -> None:
        if not self.is_dead:
            self.tell()
            self.turn()
            self._next_beat = self._clock.after(HEARTBEAT_SECONDS, self._beat)

    def tell(self) -> None:
        if not self.is_dead:
            self._world.say(self.uid, self.state())
            if self._telemetry.heard:
                self._sequence += 1
                report = telemetry.render(self._telemetry, self._sequence, self._clock.seconds)
                self._world.say(self.uid, report)

    def state(self) -> State:
        view, is_alive = self.view, self.view.alive
        if is_alive:
            self._checkpoint = self._disk.step
        return State(
            attempt=view.attempt,
            state=_program_state(view),
            exit_code=None if is_alive else view.exit_code,
            signal=None if is_alive else view.signal,
            asked=self.asked,
            stopped=is_alive and self.program is not None and self.program.is_frozen,
            last_lines=("last words",) if view.exit_code else (),
            checkpoint_step=self._checkpoint,
            term=self.term,
            ended_seconds=None if view.ended_at is None else self._clock.seconds - view.ended_at,
        )


def _program_state(view: ProgramView) -> ProgramState:
    if view.attempt == 0:
        return ProgramState.IDLE
    if not view.alive:
        return ProgramState.EXITED
    is_ending = view.terminated_at is not None or view.killing
    return ProgramState.STOPPING if is_ending else ProgramState.RUNNING


class AgentWorld:
    """What an agent needs of the world around it."""

    job_uid: str
    chance: random.Random

    def say(self, uid: str, message: State | Report) -> None:
        """Into the network."""
        raise NotImplementedError

    def start_program(self, agent: SimulatedAgent, environ: dict[str, str]) -> Program:
        """In its replica; told of what it says and of its end."""
        raise NotImplementedError

    def left(self, uid: str, exit_code: int, ended_attempt: int | None) -> None:
        """The agent has exited by itself. `ended_attempt`: the code is that of this attempt's program."""
        raise NotImplementedError
