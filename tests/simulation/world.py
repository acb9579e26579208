"""One job in a small world: cluster, network, agents, programs, coordinator and the real Reconciler, on virtual time.

Tests pull its levers and let time pass. Whatever is recorded or started goes past the Ledger, which checks the
invariants. A controller can be killed between any two of its calls to the outside.
"""

import random
from collections.abc import Callable
from datetime import datetime

from orchestrator.api.status import JobStatus, Member, Progress
from orchestrator.api.types import AgentMode, Role, TensorFlowJob
from orchestrator.backends.memory.backend import MemoryBackend
from orchestrator.backends.memory.clock import Timer, VirtualClock
from orchestrator.core.actions import CreateReplica, Event
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Replica
from orchestrator.core.wanted import Orders, start_env
from orchestrator.protocol.messages import Report, State, Wanted
from tests.simulation.agents import AgentWorld, SimulatedAgent
from tests.simulation.controller import Controller, ControllerKilled
from tests.simulation.ledger import Ledger
from tests.simulation.network import Network
from tests.simulation.programs import Disk, Program, Script, Training

WATCH_SECONDS = 0.01
MAX_TURNS_IN_A_ROW = 50


class World(AgentWorld):
    """The levers are its methods and those of `backend.cluster` and `network`.

    `doomed`: how many of the next agents in a seat die at their start.
    """

    def __init__(
        self, job: TensorFlowJob, script: Script | None = None, *, seed: int = 0, nodes: int = 3
    ) -> None:
        self.chance = random.Random(seed)
        self.clock = VirtualClock()
        self.script = script or Script(strategy=job.spec.strategy)
        self.disk = Disk()
        self.network = Network(self.clock, self.chance)
        self.backend = MemoryBackend(self.clock, nodes=nodes)
        self.cluster = self.backend.cluster
        self.cluster.runtime = self
        self.backend.on_change = lambda key: self.wake()
        self.key = self.backend.submit(job)
        self.job_uid = job.metadata.uid or ""
        self.ledger = Ledger(self)
        self.agents: dict[str, SimulatedAgent] = {}
        self.programs: dict[str, Program] = {}
        self.events: list[tuple[datetime, Event]] = []
        self.controller: Controller | None = None
        self.progress: Progress | None = None
        self.doomed: dict[Seat, int] = {}
        self._trainings: dict[str, Training] = {}
        self._pod_envs: dict[tuple[Role, int, int], dict[str, str]] = {}
        self._term = 0
        self._wakeup: Timer | None = None
        self._wakeup_at = 0.0
        self._in_a_row = 0
        self._starting = ""
        self.start_controller()
        self._look()

    # --- what tests ask

    @property
    def status(self) -> JobStatus:
        return self.backend.status(self.key)

    @property
    def job(self) -> TensorFlowJob:
        return self.backend.job(self.key)

    @property
    def has_agents(self) -> bool:
        return self.job.spec.recovery.agent is AgentMode.ENABLED

    def replica(self, name: str) -> Replica:
        """The replica that is in this seat (worker-1) now."""
        return next(one for one in self.cluster.replicas(self.key) if one.name == name)

    def program(self, name: str) -> Program:
        """The program in this seat, which must be alive."""
        return next(one for one in self.living if f"{one.seat[0].value}-{one.seat[1]}" == name)

    @property
    def living(self) -> list[Program]:
        return [one for one in self.programs.values() if one.is_alive]

    @property
    def restored(self) -> dict[tuple[Seat, int], int | None]:
        """The step that every start of a program went on from."""
        started = (one for training in self._trainings.values() for one in training.members.values())
        return {(one.seat, one.run): one.restore for one in started}

    def node_of(self, name: str) -> str:
        node = self.cluster.node_of(self.replica(name).uid)
        assert node is not None
        return node.name

    # --- time

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    def wait_until(self, is_met: Callable[[], bool], limit: float = 600.0) -> float:
        """Lets time pass until the condition holds; returns how much. Fails after the limit."""
        begun = self.clock.seconds
        while not is_met():
            if self.clock.seconds - begun >= limit:
                raise AssertionError(f"not within {limit} s of virtual time; {self.describe()}")
            self.clock.step(begun + limit)
        return self.clock.seconds - begun

    def finish(self, limit: float = 1200.0) -> JobStatus:
        """Until the job has ended and nothing of it runs any more."""
        self.wait_until(lambda: self.status.phase.is_final, limit)
        self.wait_until(lambda: not self.living, limit)
        return self.status

    def describe(self) -> str:
        status = self.status
        return (
            f"phase {status.phase}: {status.message}; attempt {status.attempt}; replicas "
            f"{self.cluster.replicas(self.key)}; agents {self.controller and self.controller.agents('')}"
        )

    # --- the controller

    def start_controller(self) -> Controller:
        """A new leader: empty tables, a higher term."""
        self._term += 1
        self.controller = Controller(self, self._term)
        self.wake()
        return self.controller

    def kill_controller(self, after_calls: int = 0) -> None:
        """Now, or after so many more calls to the outside."""
        if self.controller is not None:
            if after_calls:
                self.controller.calls_left = after_calls
            else:
                self._bury()

    def _bury(self) -> None:
        if self.controller is not None:
            self.events += self.controller.events
        self.controller = None

    def all_events(self) -> list[Event]:
        last = self.controller.events if self.controller else []
        return [event for _, event in (*self.events, *last)]

    def wake(self) -> None:
        """Something has changed: a turn follows soon."""
        self._schedule(WATCH_SECONDS)

    def _schedule(self, seconds: float) -> None:
        moment = self.clock.seconds + seconds
        if self._wakeup is not None and self._wakeup.call is not None and self._wakeup_at <= moment:
            return
        if self._wakeup is not None:
            self._wakeup.cancel()
        self._wakeup_at = moment
        self._wakeup = self.clock.after(seconds, self._turn)

    def _turn(self) -> None:
        self._wakeup = None
        if self.controller is None:
            return
        try:
            wait = self.controller.turn()
        except ControllerKilled:
            self._bury()
            return
        self._in_a_row = self._in_a_row + 1 if wait == 0.0 else 0
        assert self._in_a_row < MAX_TURNS_IN_A_ROW, f"the decision does not settle; {self.describe()}"
        if wait is not None:
            self._schedule(max(wait, WATCH_SECONDS))

    def _look(self) -> None:
        """The coordinator's own look at silent agents."""
        if self.controller is not None:
            self.controller.coordinator.look()
        self.clock.after(1.0, self._look)

    # --- the network

    def to_agent(self, uid: str, wanted: Wanted) -> None:
        agent = self.agents.get(uid)
        if agent is not None:
            self.network.send(uid, lambda: agent.hear(wanted))

    def say(self, uid: str, message: State | Report) -> None:
        self.network.send(uid, lambda: self._arrive(uid, message))

    def _arrive(self, uid: str, message: State | Report) -> None:
        if self.controller is not None:
            self.controller.coordinator.hear(uid, message)

    # --- what runs in replicas (backends.memory.cluster.Runtime)

    def started(self, key: str, replica: Replica) -> None:
        seat = (replica.role, replica.index)
        if self.has_agents:
            self.agents[replica.uid] = SimulatedAgent(replica.uid, seat, self.clock, self.disk, self)
            self._doom(seat, replica.uid)
            return
        uid, env = replica.uid, self._pod_envs[replica.role, replica.index, replica.attempt]
        program = self._make(uid, seat, env, lambda code, number: self._pod_ended(uid, code, number))
        self.ledger.started(uid, program)
        self._join(program)

    def _doom(self, seat: Seat, uid: str) -> None:
        """Its agent dies before it has said a word, if a test wants that."""
        if self.doomed.get(seat, 0) > 0:
            self.doomed[seat] -= 1
            self.agents[uid].die()
            self.clock.after(0.1, lambda: self.cluster.end(uid, exit_code=1, last_lines=("last words",)))

    def render_pod(self, action: CreateReplica) -> None:
        """What a backend without agents puts into the pod: rendered from the record."""
        if self.has_agents:
            return
        spec, status = self.job.spec, self.status
        members = status.attempt.members if status.attempt else ()
        other = Member(role=action.role, index=action.index, uid="", address="evaluator:1")
        me = next((one for one in members if (one.role, one.index) == (action.role, action.index)), other)
        env = Orders(spec, members).whole_env(me) | start_env(spec, action.attempt, None)
        self._pod_envs[action.role, action.index, action.attempt] = env

    def _pod_ended(self, uid: str, exit_code: int | None, signal: int | None) -> None:
        code = 128 + signal if signal else exit_code
        self.cluster.end(uid, exit_code=code, last_lines=("last words",) if code else ())

    def asked_to_end(self, uid: str, grace_seconds: float) -> None:
        if uid in self.agents:
            self.agents[uid].sigterm()
        elif uid in self.programs:
            self.programs[uid].terminate()

    def killed(self, uid: str) -> None:
        agent, program = self.agents.get(uid), self.programs.get(uid)
        if agent is not None:
            agent.die()
        if program is not None:
            program.vanish()

    # --- agents' world

    def start_program(
        self, seat: Seat, environ: dict[str, str], on_end: Callable[[int | None, int | None], None]
    ) -> Program:
        uid = next(uid for uid, one in self.agents.items() if one.seat == seat and not one.is_dead)
        program = self._make(uid, seat, environ, on_end)
        self.ledger.started(uid, program)
        self._join(program)
        return program

    def left(self, uid: str, exit_code: int, ended_attempt: int | None) -> None:
        self.cluster.end(uid, exit_code=exit_code, ended_attempt=ended_attempt)
        self._hang_up(uid)

    def _hang_up(self, uid: str) -> None:
        if self.controller is not None:
            self.controller.coordinator.hang_up(uid)

    def _make(
        self, uid: str, seat: Seat, environ: dict[str, str], on_end: Callable[[int | None, int | None], None]
    ) -> Program:
        program = self.programs[uid] = Program(seat, environ, self.disk, on_end)
        return program

    def _join(self, program: Program) -> None:
        """Who has the same cluster map trains together; who has none is alone."""
        size = sum(len(addresses) for addresses in program.cluster.values())
        name = str(program.cluster) if size > 1 else f"alone {id(program)}"
        if name not in self._trainings:
            self._trainings[name] = Training(self.clock, self.chance, self.script, self.disk, max(size, 1))
        self._trainings[name].join(program)

    # --- levers

    def kill_agent(self, name: str) -> None:
        """SIGKILL of the agent alone: its whole process tree dies with it."""
        uid = self.replica(name).uid
        self.agents[uid].die()
        self.cluster.end(uid, signal=9)
        self._hang_up(uid)

    def vanish_all(self) -> None:
        """Every replica is gone at once."""
        for one in self.cluster.replicas(self.key):
            self.cluster.vanish(one.uid)

    def kill_container(self, name: str, said_after: float = 0.0) -> None:
        """The kernel kills the whole container for memory; the control plane may say so later."""
        uid = self.replica(name).uid
        self.killed(uid)
        if said_after:
            self.clock.after(said_after, lambda: self.cluster.end(uid, exit_code=137, out_of_memory=True))
        else:
            self.cluster.end(uid, exit_code=137, out_of_memory=True)
        self._hang_up(uid)
