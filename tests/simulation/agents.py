"""A simulated agent: the real `orchestrator.agent.decide` around a simulated program and network."""

from collections.abc import Callable
from dataclasses import replace

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
from orchestrator.protocol.messages import Finish, Order, ProgramState, Report, State, Wanted
from orchestrator.protocol.tf_config import join
from tests.simulation.programs import Disk, Program

HEARTBEAT_SECONDS = 5.0
SILENCE_SECONDS = 15.0
STOP_GRACE_SECONDS = 20.0
StartProgram = Callable[[Seat, dict[str, str], Callable[[int | None, int | None], None]], Program]


class SimulatedAgent:
    """`say` hands a message to the network, `leave` ends the replica with an exit code."""

    def __init__(
        self,
        uid: str,
        seat: Seat,
        clock: VirtualClock,
        disk: Disk,
        world: "AgentWorld",
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
        self._sequence = 0
        clock.after(0.3, self._beat)

    # --- what comes from outside

    def hear(self, wanted: Wanted) -> None:
        if self.is_dead:
            return
        self._heard_at = self._clock.seconds
        if is_acceptable(wanted, self._world.job_uid, self.term):
            self._order, self.term = wanted.order, wanted.term
        self.turn()

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
                self.program.terminate()
        elif isinstance(action, Kill):
            self.asked = self.asked or self.view.ended_at is None
            self.view = replace(self.view, killing=True)
            if self.program is not None:
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
        config = join(run.cluster, run.task_type, run.task_index) if run.cluster else "{}"
        self.program = self._world.start_program(self.seat, run.env | {env.TF_CONFIG: config}, self._ended)
        self.tell()

    def _ended(self, exit_code: int | None, signal: int | None) -> None:
        now = self._clock.seconds
        self.view = replace(
            self.view, alive=False, ended_at=now, exited_at=now, exit_code=exit_code, signal=signal
        )
        self._checkpoint = self._disk.step
        if not self.is_dead:
            self.tell()
            self._clock.after(0.0, self.turn)

    # --- what it says

    def _beat(self) -> None:
        if not self.is_dead:
            self.tell()
            self.turn()
            self._clock.after(HEARTBEAT_SECONDS, self._beat)

    def tell(self) -> None:
        if not self.is_dead:
            self._world.say(self.uid, self.state())
            if self.program is not None and self.program.step is not None:
                self._world.say(self.uid, self._report(self.program))

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

    def _report(self, program: Program) -> Report:
        since = None if program.stepped_at is None else self._clock.seconds - program.stepped_at
        self._sequence += 1
        return Report(
            attempt=program.run, sequence=self._sequence, step=program.step, seconds_since_step=since
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

    def say(self, uid: str, message: State | Report) -> None:
        """Into the network."""
        raise NotImplementedError

    def start_program(
        self, seat: Seat, environ: dict[str, str], on_end: Callable[[int | None, int | None], None]
    ) -> Program:
        raise NotImplementedError

    def left(self, uid: str, exit_code: int, ended_attempt: int | None) -> None:
        """The agent has exited by itself. `ended_attempt`: the code is that of this attempt's program."""
        raise NotImplementedError
