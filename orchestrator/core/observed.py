"""What `decide` looks at: everything gathered for one job at one moment, as frozen values.

`controller.reconcile` fills it from a backend (replicas), the coordinator (agents) and the metrics store (progress);
the simulation fills it from its own world. Nothing here judges.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from orchestrator.api.status import JobStatus, Progress
from orchestrator.api.types import Role, TensorFlowJob
from orchestrator.protocol.messages import ProgramState

PROGRESS_SECONDS = 10.0


class ReplicaPhase(StrEnum):
    """Pending -> Running -> Succeeded | Failed, as a pod's phase; locally Running is: the agent's process lives."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"

    @property
    def is_terminal(self) -> bool:
        return self in (ReplicaPhase.SUCCEEDED, ReplicaPhase.FAILED)


class Disruption(StrEnum):
    """Positive evidence that something other than the program ended a replica."""

    EVICTED = "Evicted"
    PREEMPTED = "Preempted"
    NODE_LOST = "NodeLost"


class Replica(msgspec.Struct, frozen=True, kw_only=True):
    """A pod, or locally an agent's process, as the backend sees it.

    `attempt`: the attempt it was created for (the generation; agent-less pods run exactly this one).
    `address`: host:port under which its program will be reachable, host only decided by the backend.
    `exit_code`/`signal`: of the program in an agent-less replica, else of the agent. `ended_attempt`: the attempt whose
    program's code the agent passed on, where the backend can tell: it gave up waiting for a coordinator after an end
    that nobody had asked for. `since`: when it entered the phase, on the controller's clock. `error`: the server's
    words if it can never start; `obstacle`: what keeps it from running for now. `orphaned`: it is being deleted, and
    its node, which is lost, will never say that it has ended.
    """

    role: Role
    index: int
    uid: str
    attempt: int
    phase: ReplicaPhase
    deleting: bool = False
    foreign_deletion: bool = False
    disruption: Disruption | None = None
    out_of_memory: bool = False
    exit_code: int | None = None
    signal: int | None = None
    ended_attempt: int | None = None
    last_lines: tuple[str, ...] = ()
    error: str = ""
    since: datetime | None = None
    obstacle: str = ""
    orphaned: bool = False

    @property
    def name(self) -> str:
        return f"{self.role.value}-{self.index}"


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """What the coordinator knows of one agent: its last State and latest telemetry.

    `connected`: its stream is open. `since`: when the coordinator first saw the present program state (attempt,
    state), on the controller's clock; of an exited program: when that ended, however late it came to light.
    `lost_at`: until when it was heard, if its stream has ended. `seconds_since_step` counts on while the agent is
    connected. `step`: last step of the program of `attempt`, None before the first. `reported`: the program
    of `attempt` has reported anything at all.
    """

    uid: str
    connected: bool
    attempt: int = 0
    state: ProgramState = ProgramState.IDLE
    pid: int = 0
    exit_code: int | None = None
    signal: int | None = None
    asked: bool = False
    stopped: bool = False
    out_of_memory: bool = False
    start_error: str = ""
    last_lines: tuple[str, ...] = ()
    checkpoint_step: int | None = None
    since: datetime | None = None
    lost_at: datetime | None = None
    step: int | None = None
    seconds_since_step: float | None = None
    busy: str = ""
    reported: bool = False


class StopRequest(StrEnum):
    """What a user asked of a local run: stop gracefully, or at once."""

    GRACEFUL = "Graceful"
    NOW = "Now"


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """One job at one moment.

    `job` is defaulted and valid and has a UID; `status` is what was last written. `leader_since`: since when this
    controller has led (within 60 s of it no agent's absence causes anything). `ports`: per member name a port
    reserved for the next attempt, where the backend reserves ports. `services`: names that exist.
    `foreign`: names of objects that should be ours but belong to somebody else. `refused`: why nothing more is created
    for now, in the words of whoever refused it. `progress_seconds`: progress alone is
    written at most this often, which depends on what a write costs where the status is kept.
    """

    job: TensorFlowJob
    status: JobStatus
    replicas: tuple[Replica, ...] = ()
    agents: tuple[Agent, ...] = ()
    services: tuple[str, ...] = ()
    foreign: tuple[str, ...] = ()
    refused: str = ""
    progress: Progress = Progress()
    progress_seconds: float = PROGRESS_SECONDS
    leader_since: datetime | None = None
    ports: dict[str, int] = {}
    stop_request: StopRequest | None = None
    stop_requested_at: datetime | None = None
    deleting: bool = False
