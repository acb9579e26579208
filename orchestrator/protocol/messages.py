"""The messages of the agent session: what an agent says (Hello, State, Report) and what it is told (Wanted).

Used by `agent.session` and `coordinator`; encoded by `protocol.codec`. State is always the whole state and Wanted
always the whole wish, so that any message may be lost, repeated or reordered. Frozen values without behaviour;
Python 3.9 syntax, since this package travels into users' images.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Annotated, Dict, Optional, Tuple, Union

PROTOCOL_VERSION = 1
SESSION_METHOD = "/tf_orchestrator.Coordinator/Session"
MAX_AGENT_MESSAGE_BYTES = 64 * 1024
MAX_COORDINATOR_MESSAGE_BYTES = 1024 * 1024
"""Room for a Run that names the addresses of 3,000 replicas, under names as long as they may be."""
MAX_CLUSTER = 600 * 1024
ClusterText = Annotated[str, MAX_CLUSTER]
"""A text with a limit of its own."""
LOG_LINES_LOST = "log lines lost"
"""How a Report's note begins when output of the program could not be written to its log."""


class ProgramState(str, Enum):
    """What an agent's child is doing.

    idle -> starting -> running -> exited; starting | running -> stopping -> exited; exited -> starting (a later
    attempt). `exited` is only said when no descendant of the program is left alive.
    """

    IDLE = "idle"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    EXITED = "exited"


@dataclass(frozen=True)
class Hello:
    """First message of a stream. On Kubernetes the identity is taken from the token instead."""

    job_uid: str
    role: str
    index: int
    uid: str
    token: str = ""
    version: str = ""
    protocol: int = PROTOCOL_VERSION
    host: str = ""
    pid: int = 0


@dataclass(frozen=True)
class State:
    """The agent's whole state; said on every change, after every reconnect and at least every 5 s.

    attempt: the attempt whose program was last started, 0 before the first. `asked`: the end of the program was
    brought about by an order (Stop, SaveAndStop, Finish), so it is neither cause nor success. `stopped`: the program
    is in job-control stop (SIGSTOP). `exit_code` and `signal`: of an exited program, one of them is set.
    `oom`: the kernel killed it for memory. `checkpoint_step`: newest committed checkpoint in TFO_CHECKPOINT_DIR.
    `start_error`: why the program cannot be started, now or later (exit_code is 126 or 127). `term`: highest seen.
    `ended_seconds`: since the program's first process ended, by the agent's monotonic clock, when this is sent.
    """

    attempt: int = 0
    state: ProgramState = ProgramState.IDLE
    pid: int = 0
    exit_code: Optional[int] = None
    signal: Optional[int] = None
    asked: bool = False
    stopped: bool = False
    oom: bool = False
    start_error: str = ""
    last_lines: Tuple[str, ...] = ()
    checkpoint_step: Optional[int] = None
    term: int = 0
    cpu_seconds: float = 0.0
    rss_bytes: int = 0
    ended_seconds: Optional[float] = None


@dataclass(frozen=True)
class Report:
    """Latest training metrics of one attempt of one replica; counters grow monotonically within an attempt.

    Times in seconds. `seconds_since_step`: by the agent's monotonic clock, None before the first step of the attempt.
    `busy`: starting, compiling, evaluating, saving, stopping or unobserved (a long silence is then no hang), else "".
    `step_seconds`: bucket counts of step durations for STEP_BUCKETS (one more for +Inf), with their sum;
    `checkpoint_save_buckets`: that of saves that succeeded, for SAVE_BUCKETS. `metrics`: name -> finite value, None
    where the latest was none.
    `lost_lines`: of the program's output, which could not be written to its log.
    """

    attempt: int
    sequence: int
    step: Optional[int] = None
    total_steps: Optional[int] = None
    epoch: Optional[int] = None
    total_epochs: Optional[int] = None
    metrics: Dict[str, Optional[float]] = field(default_factory=dict)
    steps: int = 0
    examples: int = 0
    non_finite: int = 0
    step_seconds: Tuple[int, ...] = ()
    step_seconds_sum: float = 0.0
    input_wait_seconds: float = 0.0
    callback_seconds: float = 0.0
    seconds_since_step: Optional[float] = None
    busy: str = ""
    checkpoint_step: Optional[int] = None
    checkpoint_failures: int = 0
    checkpoint_save_buckets: Tuple[int, ...] = ()
    checkpoint_save_seconds: float = 0.0
    dropped: int = 0
    lost_lines: int = 0
    notes: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Run:
    """Run the program of this attempt (once: an agent that has started it already does nothing).

    env is added to the agent's own program environment; it holds the TFO_ variables of the attempt. The agent makes
    TF_CONFIG of the rest (see `protocol.tf_config`): `cluster` is the JSON text of the cluster map, the same for all
    members, and empty where no TF_CONFIG is needed.
    """

    attempt: int
    env: Dict[str, str] = field(default_factory=dict)
    cluster: ClusterText = ""
    task_type: str = ""
    task_index: int = 0


@dataclass(frozen=True)
class SaveAndStop:
    """SIGTERM the program of `attempt` or older so that it saves; SIGKILL after `grace_seconds`."""

    attempt: int
    grace_seconds: float


@dataclass(frozen=True)
class Stop:
    """End every process of `attempt` or older: SIGTERM, SIGKILL after `grace_seconds` (0: SIGKILL at once)."""

    attempt: int
    grace_seconds: float = 0.0


@dataclass(frozen=True)
class Finish:
    """This replica is no longer needed: stop the program (as Stop with `grace_seconds`), then exit with the code."""

    exit_code: int = 0
    grace_seconds: float = 0.0


Order = Union[Run, SaveAndStop, Stop, Finish]


@dataclass(frozen=True)
class Wanted:
    """What the coordinator wants of one agent. order None: carry on as you are. A lower term than seen is refused."""

    job_uid: str
    term: int
    order: Optional[Order] = None


@dataclass(frozen=True)
class Refused:
    """The coordinator's answer to a stream it does not accept (wrong token, unknown replica); the stream ends."""

    reason: str


AgentMessage = Union[Hello, State, Report]
CoordinatorMessage = Union[Wanted, Refused]
