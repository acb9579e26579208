"""What a renderer gets to see: the run at one moment (RunView) and what just happened (RunEvent).

`collect_view` makes a RunView of what the session of `tfo run` holds, `cluster_view` of what an API server tells;
`render_live`, `render_plain` and `render_json` implement Renderer. Frozen values; `now` is an argument.
"""

from collections.abc import Iterable
from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

import msgspec

from orchestrator.api.status import EndedAttempt, JobStatus, Phase, Progress
from orchestrator.api.types import TensorFlowJob
from orchestrator.cli import wording
from orchestrator.cli.summary import Summary
from orchestrator.core import membership
from orchestrator.core.actions import Event
from orchestrator.core.observed import Agent
from orchestrator.core.policies import signal_name
from orchestrator.metrics.samples import ReplicaSample
from orchestrator.metrics.store import Store
from orchestrator.protocol.messages import ProgramState


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What does not change during a run. `number` None: of a job on a cluster, whose `namespace` says which."""

    job: TensorFlowJob
    number: int | None
    started: datetime
    metrics_url: str = ""
    namespace: str = ""

    @property
    def name(self) -> str:
        return self.job.metadata.name

    @property
    def title(self) -> str:
        return wording.title(self.name, self.number, self.namespace)

    @property
    def uid(self) -> str:
        return self.job.metadata.uid or ""


class ReplicaRow(msgspec.Struct, frozen=True, kw_only=True):
    """One replica. `state`: a few words; `restarts`: how often it was the cause of one; `node`: of its pod."""

    name: str
    state: str
    pid: int = 0
    node: str = ""
    step: int | None = None
    step_seconds: float | None = None
    restarts: int = 0

    @property
    def is_running(self) -> bool:
        return self.state.startswith(ProgramState.RUNNING.value)


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """The run at one moment. `metrics`: name -> latest value; ETA is None where it is not known. `obstacle`: what
    keeps it from starting."""

    info: RunInfo
    status: JobStatus
    now: datetime
    progress: Progress = Progress()
    metrics: dict[str, float] = {}
    eta_seconds: float | None = None
    rows: tuple[ReplicaRow, ...] = ()
    obstacle: str = ""

    @property
    def phase(self) -> Phase:
        return self.status.phase

    @property
    def attempt(self) -> int:
        return attempt_number(self.status)

    @property
    def last_restart(self) -> EndedAttempt | None:
        """The newest attempt that ended by a restart or a disruption."""
        ended = (each for each in reversed(self.status.attempts))
        return next((each for each in ended if each.cause.is_restart or each.cause.is_disruption), None)


class RunEvent(msgspec.Struct, frozen=True):
    """Something that happened, and when."""

    event: Event
    time: datetime


class Renderer(Protocol):
    """How a run is shown. Used as a context: leaving it restores the terminal, whatever happened.

    `refresh` may be called as often as one likes; a renderer shows what is due. `close` comes last, once, if the run
    got that far.
    """

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def refresh(self, view: RunView) -> None: ...

    def told(self, event: RunEvent) -> None: ...

    def note(self, text: str, now: datetime) -> None: ...

    def close(self, summary: Summary) -> None: ...


def attempt_number(status: JobStatus) -> int:
    """Of the attempt that runs, else of the last one; 0 before the first."""
    if status.attempt is not None:
        return status.attempt.number
    return status.attempts[-1].number if status.attempts else 0


def collect_view(
    info: RunInfo, status: JobStatus, agents: Iterable[Agent], store: Store, now: datetime
) -> RunView:
    training = store.training(info.uid, now)
    return RunView(
        info=info,
        status=status,
        now=now,
        progress=training.progress,
        metrics=dict(training.metrics),
        eta_seconds=training.eta_seconds,
        rows=_rows(info.job, status, agents, training.replicas),
    )


def _rows(
    job: TensorFlowJob, status: JobStatus, agents: Iterable[Agent], samples: tuple[ReplicaSample, ...]
) -> tuple[ReplicaRow, ...]:
    members = status.attempt.members if status.attempt else ()
    uids = {member.name: member.uid for member in members} | {side.name: side.uid for side in status.sides}
    by_uid = {agent.uid: agent for agent in agents}
    by_name = {sample.name: sample for sample in samples}
    names = [f"{role.value}-{index}" for role, index in membership.seats(job.spec)]
    done = {side.name for side in status.sides if side.succeeded}
    return tuple(
        _row(name, by_uid.get(uids.get(name, "")), by_name.get(name), _restarts(status, name), name in done)
        for name in names
    )


def _row(
    name: str, agent: Agent | None, sample: ReplicaSample | None, restarts: int, is_done: bool
) -> ReplicaRow:
    is_current = agent is not None and sample is not None and sample.attempt == agent.attempt
    return ReplicaRow(
        name=name,
        state="done" if is_done else _state(agent),
        pid=agent.pid if agent and agent.state is not ProgramState.EXITED else 0,
        step=sample.step if sample and is_current else None,
        step_seconds=sample.step_seconds if sample and is_current else None,
        restarts=restarts,
    )


def _state(agent: Agent | None) -> str:
    if agent is None:
        return "waiting"
    if not agent.connected:
        return "unreachable"
    if agent.state is ProgramState.EXITED:
        return _end(agent)
    if agent.stopped:
        return "running, stopped"
    return f"{agent.state.value}, {agent.busy}" if agent.busy else agent.state.value


def _end(agent: Agent) -> str:
    if agent.signal is not None:
        return f"killed by {signal_name(agent.signal)}"
    return f"exited {agent.exit_code}" if agent.exit_code else "done"


def _restarts(status: JobStatus, name: str) -> int:
    alone = sum(side.restarts for side in status.sides if side.name == name)
    return alone + sum(1 for ended in status.attempts if ended.member == name and ended.cause.is_restart)
