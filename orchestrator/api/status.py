"""What we write back: the status of a TensorFlowJob, as frozen msgspec Structs.

`core.decide` computes it, `controller.reconcile` writes it before anything is performed, `backends` store it.
Times are aware UTC datetimes of the controller's clock. Pure values, like `types`.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from orchestrator.api.types import Role


class Phase(StrEnum):
    """Where a job is in its life.

    Created -> Running -> Succeeded | Failed; Running -> Restarting -> Running between two attempts;
    Created, Running, Restarting -> Suspended -> Restarting when resumed; any of these -> Failed.
    Only in local runs: -> Stopped (Ctrl-C, `tfo stop`), and Lost, which is never written: `tfo ps` says it
    of a run whose runner is gone. Succeeded, Failed and Stopped are final.
    """

    CREATED = "Created"
    RUNNING = "Running"
    RESTARTING = "Restarting"
    SUSPENDED = "Suspended"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    STOPPED = "Stopped"
    LOST = "Lost"

    @property
    def is_final(self) -> bool:
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.STOPPED)


class Cause(StrEnum):
    """What ended an attempt: the first gang member that ended unasked, or a request."""

    PROGRAM_EXIT = "ProgramExit"
    PROGRAM_SIGNAL = "ProgramSignal"
    OUT_OF_MEMORY = "OutOfMemory"
    AGENT_LOST = "AgentLost"
    POD_LOST = "PodLost"
    EVICTED = "Evicted"
    PREEMPTED = "Preempted"
    NODE_LOST = "NodeLost"
    HANG = "Hang"
    START_TIMEOUT = "StartTimeout"
    RESIZE = "Resize"
    SUSPEND = "Suspend"
    USER = "User"

    @property
    def is_disruption(self) -> bool:
        return self in (Cause.EVICTED, Cause.PREEMPTED, Cause.NODE_LOST)

    @property
    def is_restart(self) -> bool:
        """Counted against backoffLimit."""
        return not self.is_disruption and self not in (Cause.RESIZE, Cause.SUSPEND, Cause.USER)


class ConditionType(StrEnum):
    CREATED = "Created"
    RUNNING = "Running"
    RESTARTING = "Restarting"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    SUSPENDED = "Suspended"
    WAITING = "Waiting"


class _Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of all status structs."""


class Condition(_Struct, frozen=True):
    type: ConditionType
    status: bool
    reason: str
    message: str
    last_transition_time: datetime
    observed_generation: int = 0


class Member(_Struct, frozen=True):
    """One replica's seat in an attempt: the pod or agent with this UID, under this address (host:port).

    `succeeded`: its program has done its work, whatever becomes of the pod.
    """

    role: Role
    index: int
    uid: str
    address: str = ""
    succeeded: bool = False

    @property
    def name(self) -> str:
        return f"{self.role.value}-{self.index}"


class Stopping(_Struct, frozen=True, kw_only=True):
    """A requested end of an attempt: every member saves and stops until `deadline`, then is killed."""

    cause: Cause
    since: datetime
    deadline: datetime
    member: str = ""


class Halted(_Struct, frozen=True):
    """A member (role-index) whose program was seen in job-control stop (SIGSTOP), since this moment."""

    member: str
    since: datetime


class Attempt(_Struct, frozen=True, kw_only=True):
    """One fixed membership with one cluster map. Every TF_CONFIG is rendered from this record.

    `workers`: how many workers the spec asked for when it was opened, less those that it has given up since and that
    had been left out (members may be fewer, see minReplicas).
    `broken_since`: when the loss of a member was first seen; from then on the attempt can only end. `halted`:
    members whose program is in job-control stop.
    """

    number: int
    members: tuple[Member, ...]
    start_time: datetime
    restore_step: int | None = None
    workers: int = 0
    config_hash: str = ""
    broken_since: datetime | None = None
    stopping: Stopping | None = None
    halted: tuple[Halted, ...] = ()


class EndedAttempt(_Struct, frozen=True):
    """How an attempt ended. `member` is the causing member's name (role-index).

    `opened`: false if it came to nothing before it was opened, because a replica ended before it was ready.
    `by_order`: an order of an earlier controller of ours ended it, for which no record gives a reason.
    """

    number: int
    cause: Cause
    start_time: datetime
    end_time: datetime
    member: str = ""
    exit_code: int | None = None
    signal: int | None = None
    message: str = ""
    last_lines: tuple[str, ...] = ()
    step: int | None = None
    restore_step: int | None = None
    steps_lost: int = 0
    progressed: bool = False
    opened: bool = True
    by_order: bool = False


class ReplicaStatus(_Struct, frozen=True):
    desired: int = 0
    ready: int = 0
    active: int = 0
    succeeded: int = 0
    failed: int = 0


class Progress(_Struct, frozen=True):
    """Training progress over all members. Rates are per second; loss and accuracy are finite or absent."""

    step: int | None = None
    total_steps: int | None = None
    epoch: int | None = None
    loss: str | None = None
    accuracy: str | None = None
    examples_per_second: float | None = None
    non_finite: int = 0
    update_time: datetime | None = None


class CheckpointStatus(_Struct, frozen=True):
    step: int
    time: datetime


class Side(_Struct, frozen=True, kw_only=True):
    """A replica outside the gang (evaluator, workers of ParameterServer, Independent): it restarts alone.

    `run`: number of its present program start; it grows with every restart and every attempt it takes part in.
    `attempt`: the attempt it was last started for. `not_before`: back-off of the next start. `announced`: the
    disruption that its replica was seen to be about to end by. `stopped_since`: when its program was seen in
    job-control stop. `step`: the highest that it was seen to reach; `progressed`: its present run has come further than
    any before. `restarts_in_a_row` counts since its last progress, `disruptions_in_a_row` those without progress.
    `saves_until`: how long the program of a seat that was given up may save, if the seat is wanted again. `over`: its
    restartPolicy forbids that it is started again.
    """

    role: Role
    index: int
    uid: str
    run: int
    attempt: int = 0
    address: str = ""
    restarts: int = 0
    restarts_in_a_row: int = 0
    disruptions_in_a_row: int = 0
    step: int | None = None
    progressed: bool = False
    start_time: datetime | None = None
    not_before: datetime | None = None
    saves_until: datetime | None = None
    restore_step: int | None = None
    announced: Cause | None = None
    stopped_since: datetime | None = None
    cause: Cause | None = None
    exit_code: int | None = None
    succeeded: bool = False
    over: bool = False

    @property
    def name(self) -> str:
        return f"{self.role.value}-{self.index}"


class JobStatus(_Struct, frozen=True):
    """`failure`: the end that made the job fail, with its last lines; None where no replica is to blame."""

    observed_generation: int = 0
    phase: Phase = Phase.CREATED
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    start_time: datetime | None = None
    completion_time: datetime | None = None
    ready: str = ""
    selector: str = ""
    restarts: int = 0
    disruptions: int = 0
    resizes: int = 0
    steps_lost: int = 0
    attempt: Attempt | None = None
    attempts: tuple[EndedAttempt, ...] = ()
    failure: EndedAttempt | None = None
    sides: tuple[Side, ...] = ()
    resume_time: datetime | None = None
    replica_statuses: dict[str, ReplicaStatus] = {}
    progress: Progress = Progress()
    checkpoint: CheckpointStatus | None = None
