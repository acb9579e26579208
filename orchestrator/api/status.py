"""What we write back: the status of a TensorFlowJob, as frozen msgspec Structs.

`core.decide` computes it, `controller.reconcile` writes it before anything is performed, `backends` store it. The
descriptions below are those of the CRD and of the reference.
Times are aware UTC datetimes of the controller's clock. Pure values, like `types`.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated

import msgspec
from msgspec import Meta

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
    type: Annotated[
        ConditionType,
        Meta(description="Created, Running, Restarting, Succeeded, Failed, Suspended or Waiting."),
    ]
    status: Annotated[bool, Meta(description="Whether it is so.")]
    reason: Annotated[str, Meta(description="One word for programs, such as BackoffLimitExceeded.")]
    message: Annotated[str, Meta(description="For people.")]
    last_transition_time: Annotated[datetime, Meta(description="When the status changed last.")]
    observed_generation: Annotated[int, Meta(description="Generation of the spec that it was set for.")] = 0


class Member(_Struct, frozen=True):
    """One replica's seat in an attempt: the pod or agent with this UID, under this address (host:port)."""

    role: Annotated[Role, Meta(description="chief, worker, ps or evaluator.")]
    index: Annotated[int, Meta(description="The replica's own number, as in its pod's name.")]
    uid: Annotated[str, Meta(description="Of its pod or local agent.")]
    address: Annotated[str, Meta(description="HOST:PORT in the TF_CONFIG of all members.")] = ""
    succeeded: Annotated[
        bool, Meta(description="Its program has done its work, whatever becomes of the pod.")
    ] = False

    @property
    def name(self) -> str:
        return f"{self.role.value}-{self.index}"


class Stopping(_Struct, frozen=True, kw_only=True):
    """A requested end of an attempt: every member saves and stops until `deadline`, then is killed."""

    cause: Annotated[Cause, Meta(description="Why.")]
    since: Annotated[datetime, Meta(description="When everybody was asked to save.")]
    deadline: Annotated[datetime, Meta(description="When what is left is killed.")]
    member: Annotated[str, Meta(description="Whose announced end is the reason, if it is one.")] = ""


class Halted(_Struct, frozen=True):
    """A member (role-index) whose program was seen in job-control stop (SIGSTOP), since this moment."""

    member: Annotated[str, Meta(description="ROLE-INDEX.")]
    since: Annotated[datetime, Meta(description="When that was seen.")]


class Attempt(_Struct, frozen=True, kw_only=True):
    """One fixed membership with one cluster map. Every TF_CONFIG is rendered from this record."""

    number: Annotated[int, Meta(description="Counts from 1.")]
    members: Annotated[
        tuple[Member, ...],
        Meta(description="Who takes part, in the order of ranks; every TF_CONFIG is made from it."),
    ]
    start_time: Annotated[
        datetime, Meta(description="When it was recorded, before any program of it started.")
    ]
    restore_step: (
        Annotated[int, Meta(description="Step of the checkpoint that all members restore.")] | None
    ) = None
    workers: Annotated[
        int,
        Meta(
            description="Workers that the spec asked for, less those that it has given up since; members may be fewer."
        ),
    ] = 0
    config_hash: Annotated[str, Meta(description="Tells the spec that it was opened for from others.")] = ""
    broken_since: (
        Annotated[
            datetime, Meta(description="When the loss of a member was first seen; it can only end now.")
        ]
        | None
    ) = None
    stopping: Annotated[Stopping, Meta(description="That it has been asked to end, and why.")] | None = None
    halted: Annotated[
        tuple[Halted, ...], Meta(description="Members whose program is stopped by a signal (SIGSTOP).")
    ] = ()


class EndedAttempt(_Struct, frozen=True):
    """How an attempt ended: one cause."""

    number: Annotated[int, Meta(description="Number of the attempt.")]
    cause: Annotated[Cause, Meta(description="What ended it.")]
    start_time: Annotated[datetime, Meta(description="When it was recorded.")]
    end_time: Annotated[datetime, Meta(description="When it ended.")]
    member: Annotated[
        str, Meta(description="The replica that was the cause, ROLE-INDEX; empty where a request was.")
    ] = ""
    exit_code: Annotated[int, Meta(description="Of that replica's program.")] | None = None
    signal: Annotated[int, Meta(description="That ended its program.")] | None = None
    message: Annotated[str, Meta(description="The cause in words.")] = ""
    last_lines: Annotated[tuple[str, ...], Meta(description="That its program wrote.")] = ()
    step: Annotated[int, Meta(description="The highest that a member reported.")] | None = None
    restore_step: Annotated[int, Meta(description="Step of the checkpoint that it started from.")] | None = (
        None
    )
    steps_lost: Annotated[int, Meta(description="Steps that had to be done again.")] = 0
    progressed: Annotated[bool, Meta(description="It saved, or came further than any attempt before it.")] = (
        False
    )
    opened: Annotated[
        bool, Meta(description="False if it came to nothing, because a replica ended before it was ready.")
    ] = True
    by_order: Annotated[
        bool,
        Meta(description="An order of an earlier controller ended it, for which no record gives a reason."),
    ] = False


class ReplicaStatus(_Struct, frozen=True):
    desired: Annotated[int, Meta(description="Replicas that the spec asks for.")] = 0
    ready: Annotated[
        int,
        Meta(
            description="Of those that are desired: that run, with their agent connected if the job has agents."
        ),
    ] = 0
    active: Annotated[int, Meta(description="That run.")] = 0
    succeeded: Annotated[
        int, Meta(description="That have done their work; all that took part once the job has succeeded.")
    ] = 0
    failed: Annotated[int, Meta(description="That have failed.")] = 0


class Progress(_Struct, frozen=True):
    """Training progress over all members. Rates are per second; loss and accuracy are finite or absent."""

    step: Annotated[int, Meta(description="Step that every member has done.")] | None = None
    total_steps: Annotated[int, Meta(description="Steps in all.")] | None = None
    epoch: Annotated[int, Meta(description="Epoch, as the program counts it.")] | None = None
    loss: Annotated[str, Meta(description="Latest finite loss, as short text.")] | None = None
    accuracy: (
        Annotated[str, Meta(description="Latest finite accuracy on the training data, as short text.")] | None
    ) = None
    examples_per_second: Annotated[float, Meta(description="Of all members.")] | None = None
    non_finite: Annotated[int, Meta(description="Values so far that were NaN or infinite.")] = 0
    update_time: Annotated[datetime, Meta(description="When the newest report came.")] | None = None


class CheckpointStatus(_Struct, frozen=True):
    step: Annotated[int, Meta(description="Step of the newest committed checkpoint.")]
    time: Annotated[datetime, Meta(description="When it was first seen.")]


class Side(_Struct, frozen=True, kw_only=True):
    """A replica outside the gang (evaluator, workers of ParameterServer, Independent): it restarts alone."""

    role: Annotated[Role, Meta(description="chief, worker or evaluator.")]
    index: Annotated[int, Meta(description="The replica's own number.")]
    uid: Annotated[
        str, Meta(description="Of its pod or local agent; empty while it waits for its next start.")
    ]
    run: Annotated[
        int,
        Meta(
            description="Number of its present start; it grows with every restart and every attempt it takes part in."
        ),
    ]
    attempt: Annotated[int, Meta(description="Attempt that it was last started for.")] = 0
    address: Annotated[str, Meta(description="HOST:PORT.")] = ""
    restarts: Annotated[int, Meta(description="How often it has been started again.")] = 0
    restarts_in_a_row: Annotated[int, Meta(description="Since its last progress.")] = 0
    disruptions_in_a_row: Annotated[int, Meta(description="Without progress.")] = 0
    step: Annotated[int, Meta(description="The highest that it was seen to reach.")] | None = None
    progressed: Annotated[bool, Meta(description="Its present run has come further than any before.")] = False
    start_time: Annotated[datetime, Meta(description="Of its present run.")] | None = None
    not_before: Annotated[datetime, Meta(description="Until when its next start has to wait.")] | None = None
    saves_until: (
        Annotated[
            datetime,
            Meta(
                description="How long the program of a seat that was given up may save, if the seat is wanted again."
            ),
        ]
        | None
    ) = None
    restore_step: (
        Annotated[int, Meta(description="Step of the checkpoint that its run started from.")] | None
    ) = None
    announced: (
        Annotated[Cause, Meta(description="Disruption that its replica was seen to be about to end by.")]
        | None
    ) = None
    stopped_since: (
        Annotated[
            datetime, Meta(description="When its program was seen to be stopped by a signal (SIGSTOP).")
        ]
        | None
    ) = None
    cause: Annotated[Cause, Meta(description="Of its last end.")] | None = None
    exit_code: Annotated[int, Meta(description="Of its last end.")] | None = None
    succeeded: Annotated[bool, Meta(description="Its program has done its work.")] = False
    over: Annotated[bool, Meta(description="Its restartPolicy forbids another start.")] = False

    @property
    def name(self) -> str:
        return f"{self.role.value}-{self.index}"


class JobStatus(_Struct, frozen=True):
    """All that is known of a job: whoever decides remembers nothing else."""

    observed_generation: Annotated[
        int, Meta(description="Generation of the spec that this was decided for.")
    ] = 0
    phase: Annotated[Phase, Meta(description="Where the job is in its life.")] = Phase.CREATED
    reason: Annotated[str, Meta(description="Of the phase, one word.")] = ""
    message: Annotated[str, Meta(description="Of the phase, for people.")] = ""
    conditions: Annotated[
        tuple[Condition, ...], Meta(description="One for each type that has ever been so.")
    ] = ()
    start_time: (
        Annotated[
            datetime,
            Meta(
                description="When the job began, or went on after a suspension; its deadline counts from here."
            ),
        ]
        | None
    ) = None
    completion_time: Annotated[datetime, Meta(description="When it ended.")] | None = None
    ready: Annotated[str, Meta(description="Replicas that are ready, of those that are desired.")] = ""
    selector: Annotated[str, Meta(description="Labels of the job's pods.")] = ""
    restarts: Annotated[int, Meta(description="Restarts, which backoffLimit limits.")] = 0
    disruptions: Annotated[int, Meta(description="Ends by no fault of a program.")] = 0
    resizes: Annotated[int, Meta(description="Attempts that ended for another number of workers.")] = 0
    steps_lost: Annotated[int, Meta(description="Steps that had to be done again, of all attempts.")] = 0
    attempt: Annotated[Attempt, Meta(description="The one that is open.")] | None = None
    attempts: Annotated[tuple[EndedAttempt, ...], Meta(description="The last ten that ended.")] = ()
    failure: (
        Annotated[
            EndedAttempt,
            Meta(description="The end that made the job fail; none where no replica is to blame."),
        ]
        | None
    ) = None
    sides: Annotated[
        tuple[Side, ...], Meta(description="Replicas outside the group, which restart alone.")
    ] = ()
    resume_time: Annotated[datetime, Meta(description="When the last suspension ended.")] | None = None
    replica_statuses: Annotated[dict[str, ReplicaStatus], Meta(description="By role.")] = {}
    progress: Annotated[Progress, Meta(description="Of the training, at most every 10 seconds.")] = Progress()
    checkpoint: Annotated[CheckpointStatus, Meta(description="The newest that is committed.")] | None = None
