"""One job in a small world: cluster, network, agents, programs, coordinator and the real Reconciler, on virtual time.

Tests pull its levers and let time pass. Whatever is recorded or started goes past the Ledger, which checks the
invariants. A controller can be killed between any two of its calls to the outside.
"""

import random
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import datetime
from typing import Any

from orchestrator.api.status import JobStatus, Member
from orchestrator.api.types import AgentMode, Role, TensorFlowJob
from orchestrator.backends.memory.backend import MemoryBackend
from orchestrator.backends.memory.clock import Timer, VirtualClock
from orchestrator.backends.memory.cluster import Node
from orchestrator.coordinator.authentication import ReplicaId
from orchestrator.core.actions import CreateReplica, Event
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Replica
from orchestrator.core.wanted import Orders
from orchestrator.protocol.messages import Report, State, Wanted
from tests.simulation.agents import CONNECT_SECONDS, AgentWorld, SimulatedAgent
from tests.simulation.controller import Controller, ControllerKilled, begun, run_now
from tests.simulation.ledger import Ledger
from tests.simulation.network import Network
from tests.simulation.programs import Disk, Program, Script, Training

WATCH_SECONDS = 0.01
MAX_TURNS_IN_A_ROW = 50
NEVER_USED = "never-used"
"""A node on which there is no room for anything, ever."""


class World(AgentWorld):
    """The levers are its methods and those of `backend.cluster` and `network`.

    `doomed`: how many of the next agents in a seat die at their start; `late`: how long the next ones in a seat take
    to say their first word; `stuck`: how many of the next trainings never make a step.
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
        self.cluster.nodes[NEVER_USED] = Node(NEVER_USED)
        self.cluster.nodes[NEVER_USED].is_full = True
        self.backend.on_change = lambda key: self.wake()
        self.key = self.backend.submit(job)
        self.job_uid = job.metadata.uid or ""
        self.ledger = Ledger(self)
        self.agents: dict[str, SimulatedAgent] = {}
        self.programs: dict[str, Program] = {}
        self.events: list[tuple[datetime, Event]] = []
        self.controller: Controller | None = None
        self.doomed: dict[Seat, int] = {}
        self.late: dict[Seat, float] = {}
        self.stuck = 0
        self._trainings: dict[str, Training] = {}
        self._pod_envs: dict[tuple[Role, int, int], dict[str, str]] = {}
        self._term = 0
        self._wakeup: Timer | None = None
        self._wakeup_at = 0.0
        self._in_a_row = 0
        self._starting = ""
        self._job, self._status = job, JobStatus()
        self._stopped: tuple[Controller, Coroutine[Any, Any, float | None] | None] | None = None
        self.start_controller()
        self._look()

    # --- what tests ask

    @property
    def is_there(self) -> bool:
        """The job exists: nobody has deleted it."""
        with suppress(KeyError):
            self._job, self._status = self.backend.job(self.key), self.backend.status(self.key)
            return True
        return False

    @property
    def status(self) -> JobStatus:
        """As it is stored; of a job that is gone, as it was seen last."""
        _ = self.is_there
        return self._status

    @property
    def job(self) -> TensorFlowJob:
        _ = self.is_there
        return self._job

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

    @property
    def living_uids(self) -> set[str]:
        return {uid for uid, one in self.programs.items() if one.is_alive}

    @property
    def trainings(self) -> list[Training]:
        return list(self._trainings.values())

    @property
    def live_trainings(self) -> list[Training]:
        return [one for one in self.trainings if any(each.is_alive for each in one.members.values())]

    @property
    def furthest_step(self) -> int:
        """Of those who train together, over all attempts."""
        return max((one.step or 0 for one in self.trainings if not one.is_evaluation), default=0)

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

    def replace_controller(self, back_after: Callable[[str], float]) -> Controller:
        """An upgrade: a new leader at once, and each agent (by UID) finds it after so many seconds."""
        self.kill_controller()
        for uid, agent in self.agents.items():
            if not agent.is_dead:
                self.bring_back(uid, back_after(uid))
        return self.start_controller()

    def bring_back(self, uid: str, seconds: float) -> None:
        """This agent reaches nobody for so long."""
        self.network.cut.add(uid)
        self.clock.after(seconds, lambda: self._is_back(uid))

    def _is_back(self, uid: str) -> None:
        self.network.cut.discard(uid)
        self.agents[uid].reconnect()

    def stop_controller(self) -> None:
        """SIGSTOP, in the middle of a turn if that has something to write; somebody else leads then."""
        old, self.controller = self.controller, None
        assert old is not None
        old.halts, old.calls_left = True, None
        self._stopped = (old, begun(old.reconciler.reconcile(self.key)))
        self.start_controller()

    @property
    def _version(self) -> str:
        view = run_now(self.backend.observe(self.key))
        return view.version if view else ""

    @property
    def has_stopped_controller(self) -> bool:
        return self._stopped is not None

    def wake_stopped_controller(self) -> None:
        """SIGCONT: it finishes its turn, says again what it wants, and finds that it has lost the lead."""
        assert self._stopped is not None
        (old, work), self._stopped = self._stopped, None
        if work is not None:
            before, is_stale = (len(old.performed), len(old.events)), old.read_version != self._version
            wait = run_now(work)
            is_idle = wait == 0.0 and (len(old.performed), len(old.events)) == before
            assert is_idle or not is_stale, "performed though the status could not be written"
        old.coordinator.repeat()
        self.events += old.events
        self.wake()

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
            self.controller.coordinator.hear(ReplicaId(*self.agents[uid].seat, uid), message)

    # --- what runs in replicas (backends.memory.cluster.Runtime)

    def started(self, key: str, replica: Replica) -> None:
        seat, uid = (replica.role, replica.index), replica.uid
        self.ledger.ran[seat] += 1
        if self.has_agents:
            wait = self.late.pop(seat, CONNECT_SECONDS)
            self.agents[uid] = SimulatedAgent(uid, seat, self.clock, self.disk, self, connects_after=wait)
            self._doom(seat, uid)
            return
        env = self._pod_envs[replica.role, replica.index, replica.attempt]
        self._start(
            uid, Program(seat, env, self.disk, lambda code, number: self._pod_ended(uid, code, number))
        )

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
        me = Member(role=action.role, index=action.index, uid="", address="evaluator:1")
        members = status.attempt.members if status.attempt else ()
        env = Orders(spec, members).bare_env(me, action.attempt)
        self._pod_envs[action.role, action.index, action.attempt] = env

    def _pod_ended(self, uid: str, exit_code: int | None, signal: int | None) -> None:
        code = 128 + signal if signal else exit_code
        self.cluster.end(uid, exit_code=code, last_lines=("last words",) if code else ())

    def asked_to_end(self, uid: str, grace_seconds: float) -> None:
        if uid in self.agents:
            self.agents[uid].sigterm()
        elif uid in self.programs:
            self.programs[uid].is_told = self.programs[uid].is_alive
            self.programs[uid].terminate()

    def killed(self, uid: str) -> None:
        agent, program = self.agents.get(uid), self.programs.get(uid)
        if agent is not None:
            agent.die()
        if program is not None:
            program.vanish()

    # --- agents' world

    def start_program(self, agent: SimulatedAgent, environ: dict[str, str]) -> Program:
        return self._start(agent.uid, Program(agent.seat, environ, self.disk, agent.ended, agent.listen))

    def left(self, uid: str, exit_code: int, ended_attempt: int | None) -> None:
        self.cluster.end(uid, exit_code=exit_code, ended_attempt=ended_attempt)
        self._hang_up(uid)

    def _hang_up(self, uid: str) -> None:
        if self.controller is not None:
            self.controller.coordinator.hang_up(uid)

    def _start(self, uid: str, program: Program) -> Program:
        self.programs[uid] = program
        self.ledger.started(uid, program)
        self._join(program)
        return program

    def _join(self, program: Program) -> None:
        """Who has the same cluster map trains together; who has none is alone."""
        size = sum(len(addresses) for addresses in program.cluster.values())
        name = str(program.cluster) if size > 1 else f"alone {id(program)}"
        if name not in self._trainings:
            self._trainings[name] = Training(self.clock, self.chance, self.script, self.disk, max(size, 1))
            if self.stuck > 0:
                self.stuck -= 1
                self._trainings[name].is_stuck = True
        self._trainings[name].join(program)

    # --- levers

    def kill_agent(self, name: str) -> None:
        """SIGKILL of the agent alone: its whole process tree dies with it."""
        uid = self.replica(name).uid
        self.agents[uid].die()
        self.cluster.end(uid, signal=9)
        self._hang_up(uid)

    def make_room(self, name: str) -> None:
        """A full node takes replicas again: the return of one on which nothing can be makes those that wait look."""
        self.cluster.nodes[name].is_full = False
        self.cluster.restore_node(NEVER_USED)

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
