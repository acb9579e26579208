"""What `decide` returns: the new status, backend actions, every agent's wanted state, events and the next look.

`controller.reconcile` writes the status first, then performs the actions through a backend and hands the wanted
states to the coordinator. Frozen values; the order of a tuple is the order of performing.
"""

from enum import StrEnum

import msgspec

from orchestrator.api.status import Cause, JobStatus
from orchestrator.api.types import Role
from orchestrator.protocol.messages import Order


class CreateReplica(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Create the pod, or start the local agent, of this replica for this attempt (deterministic name)."""

    role: Role
    index: int
    attempt: int


class DeleteReplica(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Delete exactly this replica (UID precondition). grace_seconds 0: at once.

    `force`: nobody will ever confirm its end; free its name without that.
    """

    role: Role
    index: int
    uid: str
    grace_seconds: int = 0
    force: bool = False


class CreateService(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Create the job's one headless service, before any pod; nothing to do locally."""

    name: str


class DeleteJob(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Delete the job object (ttlSecondsAfterFinished)."""


Action = CreateReplica | DeleteReplica | CreateService | DeleteJob


class EventType(StrEnum):
    NORMAL = "Normal"
    WARNING = "Warning"


class Reason(StrEnum):
    """Reasons of events and conditions: the closed list."""

    CREATED = "JobCreated"
    STARTING = "AttemptStarting"
    RUNNING = "JobRunning"
    FIRST_STEP = "FirstStep"
    MEMBER_LOST = "MemberLost"
    RESTARTING = "JobRestarting"
    SIDE_RESTART = "ReplicaRestarting"
    REPLICA_STOPPED = "ReplicaStopped"
    RESIZED = "JobResized"
    SUSPENDED = "JobSuspended"
    RESUMED = "JobResumed"
    SUCCEEDED = "JobSucceeded"
    STOPPED = "JobStopped"
    BACKOFF_LIMIT = "BackoffLimitExceeded"
    DEADLINE = "DeadlineExceeded"
    CANNOT_START = "ProgramCannotStart"
    WRONG_INPUT = "WrongInput"
    MODEL_LOST = "ModelNotWritten"
    NO_PROGRESS = "NoProgress"
    RESTART_POLICY = "RestartPolicyForbids"
    EXIT_CODE_RULE = "ExitCodeRule"
    REPLICA_INVALID = "ReplicaInvalid"
    INVALID = "InvalidSpec"
    NAME_CONFLICT = "NameConflict"
    TOO_LARGE = "ClusterTooLarge"
    WAITING = "WaitingForReplicas"
    REFUSED = "CreateRefused"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something worth telling. `member`, `cause`, `exit_code`... are for machines, `message` for people.

    `last_lines`: of the program of `member`, where its end is told.
    """

    type: EventType
    reason: Reason
    message: str
    attempt: int = 0
    member: str = ""
    cause: Cause | None = None
    exit_code: int | None = None
    signal: int | None = None
    last_lines: tuple[str, ...] = ()


class WantedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """The order for the agent with this UID; None: carry on."""

    uid: str
    order: Order | None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """`requeue_after`: seconds until time alone may change the decision; None: never."""

    status: JobStatus
    actions: tuple[Action, ...] = ()
    wanted: tuple[WantedOrder, ...] = ()
    events: tuple[Event, ...] = ()
    requeue_after: float | None = None
