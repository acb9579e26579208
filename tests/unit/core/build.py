"""Builders for the tests of the core: replicas, agents, observations, and a small world that a test holds in hand.

Imported by the tests in this folder. `World.step` decides and feeds the status back; `World.go` also carries out what
was decided, as a backend and agents that never fail would. Judges nothing and uses no clock but its own.
"""

import dataclasses
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from orchestrator.api.status import Attempt, Cause, EndedAttempt, JobStatus, Member, Phase
from orchestrator.api.types import AgentMode, Recovery, Role, TensorFlowJob
from orchestrator.core import membership, names
from orchestrator.core.actions import CreateReplica, CreateService, Decision, DeleteReplica, Event, Reason
from orchestrator.core.cause import End
from orchestrator.core.decide import decide
from orchestrator.core.observed import Agent, Observed, Replica, ReplicaPhase
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import Finish, Order, ProgramState, Run, SaveAndStop, Stop
from tests.simulation.jobs import gang, make_job

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MAX_TURNS = 20


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def seat(name: str) -> membership.Seat:
    role, _, index = name.rpartition("-")
    return Role(role), int(index)


def replica(name: str, /, **changes: object) -> Replica:
    """One that runs; its UID is its name."""
    role, index = seat(name)
    made = Replica(role=role, index=index, uid=name, attempt=1, phase=ReplicaPhase.RUNNING, since=NOW)
    return replace(made, **changes)


def agent(uid: str, /, **changes: object) -> Agent:
    """One that is connected and idle."""
    return replace(Agent(uid=uid, connected=True, since=NOW), **changes)


def member(name: str, address: str = "", uid: str | None = None) -> Member:
    role, index = seat(name)
    return Member(role, index, name if uid is None else uid, address)


def attempt(*member_names: str, number: int = 1, **changes: object) -> Attempt:
    members = tuple(member(one) for one in member_names)
    return replace(Attempt(number=number, members=members, start_time=NOW), **changes)


def ended(cause: Cause = Cause.PROGRAM_EXIT, number: int = 1, **changes: object) -> EndedAttempt:
    return replace(EndedAttempt(number, cause, NOW, NOW), **changes)


def end(cause: Cause = Cause.PROGRAM_EXIT, name: str = "worker-1", /, **facts: Any) -> End:
    return dataclasses.replace(End(member(name), cause, NOW), **facts)


def observed(job: TensorFlowJob | None = None, /, **changes: object) -> Observed:
    return replace(Observed(job=job or make_job(), status=JobStatus()), **changes)


def turn(job: TensorFlowJob | None = None, seconds: float = 0.0, **changes: object) -> Turn:
    """Of an observation, so many seconds after NOW."""
    return Turn(observed(job, **changes), later(seconds))


def step(seen: Observed, now: datetime = NOW) -> tuple[Decision, Observed]:
    """A decision, and the same world after its status has been written."""
    decision = decide(seen, now)
    return decision, replace(seen, status=decision.status)


class World:
    """One job whose pods and agents a test changes by name."""

    def __init__(self, job: TensorFlowJob | None = None, **others: object) -> None:
        """`others`: further fields of what is observed."""
        self.job = job or make_job()
        self.others = others
        self.status = JobStatus()
        self.now = NOW
        self.pods: dict[str, Replica] = {}
        self.agents: dict[str, Agent] = {}
        self.services: tuple[str, ...] = ()
        self.events: list[Event] = []
        self.obedient = True
        self._made: Counter[str] = Counter()

    @property
    def has_agents(self) -> bool:
        return self.job.spec.recovery.agent is AgentMode.ENABLED

    # --- deciding

    def observed(self) -> Observed:
        return observed(
            self.job,
            status=self.status,
            replicas=tuple(self.pods.values()),
            agents=tuple(self.agents.values()),
            services=self.services,
            **self.others,
        )

    def turn(self) -> Turn:
        return Turn(self.observed(), self.now)

    def step(self, seconds: float = 0.0) -> Decision:
        """Decides after so much time, and writes the status."""
        self.now += timedelta(seconds=seconds)
        decision, seen = step(self.observed(), self.now)
        self.status = seen.status
        self.events += decision.events
        return decision

    def go(self, seconds: float = 0.0) -> Decision:
        """Steps and carries out until nothing changes any more; the last decision."""
        for wait in (seconds, *[0.0] * MAX_TURNS):
            before = self.observed()
            decision = self.step(wait)
            self.carry_out(decision)
            if self.observed() == before and not decision.actions:
                return decision
        raise AssertionError(f"does not settle: {self.status}")

    def running(self) -> "World":
        """Its first attempt runs."""
        self.go()
        assert self.status.phase == "Running", self.status
        return self

    # --- what a backend and agents do with a decision

    def carry_out(self, decision: Decision) -> None:
        for action in decision.actions:
            if isinstance(action, CreateService):
                self.services = (*self.services, action.name)
            elif isinstance(action, CreateReplica):
                self.create(names.member(action.role, action.index), action.attempt)
            elif isinstance(action, DeleteReplica):
                self.lose(names.member(action.role, action.index))
        for one in decision.wanted if self.obedient else ():
            name = self._name(one.uid)
            if name and self.agents[name].connected and one.order:
                self._obey(name, one.order)

    def create(self, name: str, number: int = 1) -> None:
        """A new replica under this name, with a UID of its own."""
        self._made[name] += 1
        uid = f"{name}.{self._made[name]}"
        self.pods[name] = replica(name, uid=uid, attempt=number, since=self.now)
        if self.has_agents:
            self.agents[name] = agent(uid, since=self.now)

    def _name(self, uid: str) -> str:
        return next((name for name, one in self.agents.items() if one.uid == uid), "")

    def _obey(self, name: str, order: Order) -> None:
        known = self.agents[name]
        is_busy = known.state is ProgramState.RUNNING
        if isinstance(order, Run) and not is_busy and known.attempt < order.attempt:
            self.agents[name] = agent(
                known.uid, attempt=order.attempt, state=ProgramState.RUNNING, since=self.now,
                checkpoint_step=known.checkpoint_step,
            )  # fmt: skip
        elif isinstance(order, (Stop, SaveAndStop)) and is_busy and known.attempt <= order.attempt:
            self.tell(name, state=ProgramState.EXITED, signal=9, asked=True, since=self.now)
        elif isinstance(order, Finish):
            self.tell(name, state=ProgramState.EXITED, connected=False, asked=is_busy or known.asked)
            self.set(name, phase=ReplicaPhase.SUCCEEDED, exit_code=order.exit_code)

    # --- what a test does to it

    def tell(self, name: str, /, **changes: object) -> None:
        """Its agent says something else."""
        self.agents[name] = replace(self.agents[name], **changes)

    def set(self, name: str, /, **changes: object) -> None:
        """Its pod is seen otherwise."""
        self.pods[name] = replace(self.pods[name], **changes)

    def exit(self, name: str, code: int | None = 1, /, **facts: object) -> None:
        """Its program ends unasked."""
        if self.has_agents:
            found = {"state": ProgramState.EXITED, "exit_code": code, "since": self.now, **facts}
            self.tell(name, **found)
        else:
            phase = ReplicaPhase.SUCCEEDED if code == 0 else ReplicaPhase.FAILED
            self.set(name, phase=phase, exit_code=code, since=self.now, **facts)

    def cut(self, *member_names: str) -> None:
        """Their agents are unreachable."""
        for name in member_names:
            self.tell(name, connected=False, lost_at=self.now)

    def lose(self, name: str) -> None:
        """Its pod is gone."""
        self.pods.pop(name, None)
        if name in self.agents:
            self.cut(name)

    # --- what a test asks

    def order(self, decision: Decision, name: str) -> Order | None:
        """What this replica's agent is told."""
        uid = self.pods[name].uid
        return next((one.order for one in decision.wanted if one.uid == uid), None)

    def phase(self) -> Phase:
        return self.status.phase

    def opened(self) -> Attempt:
        """The attempt that is open."""
        assert self.status.attempt is not None, self.status
        return self.status.attempt

    def is_open(self) -> bool:
        return self.status.attempt is not None

    def state(self, name: str) -> ProgramState:
        return self.agents[name].state

    def causes(self) -> list[tuple[Cause, str]]:
        return [(one.cause, one.member) for one in self.status.attempts]

    def reasons(self) -> list[Reason]:
        return [one.reason for one in self.events]


def world_of(workers: int = 2, least: int | None = None, **recovery: object) -> World:
    """A chief and workers, running."""
    job = make_job(gang(workers, least=least), recovery=replace(Recovery(), **recovery))
    return World(job).running()


def with_workers(job: TensorFlowJob, count: int, least: int | None = None) -> TensorFlowJob:
    """The same job, resized."""
    return replace(job, spec=replace(job.spec, replica_specs=gang(count, least=least)))
