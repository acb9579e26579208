"""What a user writes: the TensorFlowJob, as frozen msgspec Structs.

The one set of types: `parse` builds them from YAML, `defaults` and `validation` read them, the JSON Schema and
the CRD are generated from them, and the descriptions below are the reference documentation. Static defaults are
the field defaults; a field that is None here gets its value from `defaults.default`, which may look at others.
Structs are camelCase outside and snake_case inside. Pure values: nothing here imports more than msgspec.
"""

from enum import StrEnum
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

GROUP = "tf-orchestrator.io"
VERSION = "v1alpha1"
API_VERSION = "tf-orchestrator.io/v1alpha1"
KIND = "TensorFlowJob"
MAX_REPLICAS = 3000
MAX_NAME_LENGTH = 50
MAX_SECONDS = 10 * 365 * 86400
MAX_STRING = 1024

JsonObject = dict[str, Any]
"""A JSON object that we pass on without looking into all of it (a pod template, a workload's arguments)."""


class Strategy(StrEnum):
    """The cluster shape that the program expects."""

    MULTI_WORKER_MIRRORED = "MultiWorkerMirrored"
    PARAMETER_SERVER = "ParameterServer"
    INDEPENDENT = "Independent"


class Role(StrEnum):
    """What a replica is in the job. The order is the order of ranks: the chief comes first."""

    CHIEF = "chief"
    WORKER = "worker"
    PS = "ps"
    EVALUATOR = "evaluator"


class RestartPolicy(StrEnum):
    """What the end of a member's program means for the job (judged on the cause of an attempt only)."""

    ALWAYS = "Always"
    ON_FAILURE = "OnFailure"
    NEVER = "Never"
    EXIT_CODE = "ExitCode"


class CleanPodPolicy(StrEnum):
    """Which pods are deleted when the job has ended."""

    NONE = "None"
    RUNNING = "Running"
    ALL = "All"


class SuccessPolicy(StrEnum):
    """Whose success is the job's success."""

    CHIEF = "Chief"
    ALL_WORKERS = "AllWorkers"


class AgentMode(StrEnum):
    """Whether an agent runs the program inside the replica, or the container is left untouched."""

    ENABLED = "Enabled"
    DISABLED = "Disabled"


class Toggle(StrEnum):
    """Whether the start-up hook may do something in programs that know nothing of us."""

    AUTO = "Auto"
    OFF = "Off"


class ExitCodeAction(StrEnum):
    """What to do when a program ends with one of the listed exit codes."""

    FAIL = "Fail"
    RESTART = "Restart"


class _Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Base of all API structs."""


Seconds = Annotated[int, Meta(ge=0, le=MAX_SECONDS)]
PositiveSeconds = Annotated[int, Meta(ge=1, le=MAX_SECONDS)]
Text = Annotated[str, Meta(max_length=MAX_STRING)]
Name = Annotated[str, Meta(min_length=1, max_length=253)]


class Metadata(_Struct, frozen=True):
    """The part of Kubernetes' ObjectMeta that we read."""

    name: Annotated[str, Meta(description="DNS-1035 label, at most 50 characters.")]
    namespace: Annotated[str, Meta(description="Namespace of the job.", max_length=63)] | None = None
    labels: Annotated[dict[str, str], Meta(description="Labels of the job.", max_length=256)] = {}
    annotations: Annotated[dict[str, str], Meta(description="Annotations of the job.", max_length=256)] = {}
    uid: Annotated[str, Meta(description="Set by the backend.", max_length=64)] | None = None
    generation: Annotated[int, Meta(description="Set by the API server.", ge=0)] | None = None
    resource_version: Annotated[str, Meta(description="Set by the API server.")] | None = None
    creation_timestamp: Annotated[str, Meta(description="Set by the API server.")] | None = None
    deletion_timestamp: Annotated[str, Meta(description="Set by the API server.")] | None = None


class WorkloadSpec(_Struct, frozen=True):
    """A built-in program."""

    name: Annotated[
        str, Meta(description="Name of the built-in program: perceptron, mlp, cnn or rnn.", max_length=63)
    ]
    args: Annotated[
        JsonObject,
        Meta(description="Arguments of the program; see the reference of built-in programs.", max_length=64),
    ] = {}


class ReplicaSpec(_Struct, frozen=True):
    """How many replicas a role has and what they run."""

    replicas: Annotated[
        int, Meta(description="Number of replicas; chief and evaluator at most 1.", ge=1, le=MAX_REPLICAS)
    ] = 1
    min_replicas: (
        Annotated[
            int,
            Meta(
                description="Workers only: with fewer than `replicas` but at least this many, training goes on "
                "when a lost worker cannot be replaced. Needs agents (`recovery.agent`). Default: replicas (no "
                "elasticity).",
                ge=1,
                le=MAX_REPLICAS,
            ),
        ]
        | None
    ) = None
    gpus: (
        Annotated[
            int,
            Meta(
                description="GPUs per replica: short for the resource limit nvidia.com/gpu and its toleration. "
                "Locally the visible GPUs are shared out.",
                ge=0,
                le=64,
            ),
        ]
        | None
    ) = None
    restart_policy: Annotated[
        RestartPolicy,
        Meta(
            description="When a member's end starts a new attempt: Always, OnFailure, Never or ExitCode. Always "
            "means OnFailure, but an evaluator starts again after exit code 0 too. An evaluator that is not to start "
            "again fails nothing."
        ),
    ] = RestartPolicy.ON_FAILURE
    template: (
        Annotated[
            JsonObject,
            Meta(
                description="Pod template (Kubernetes PodTemplateSpec) of this role; replaces spec.template."
            ),
        ]
        | None
    ) = None


class ReplicaSpecs(_Struct, frozen=True):
    """The roles of the job."""

    chief: (
        Annotated[ReplicaSpec, Meta(description="The chief: rank 0, writes checkpoints and logs.")] | None
    ) = None
    worker: Annotated[ReplicaSpec, Meta(description="The workers.")] | None = None
    ps: Annotated[ReplicaSpec, Meta(description="Parameter servers (strategy ParameterServer).")] | None = (
        None
    )
    evaluator: (
        Annotated[ReplicaSpec, Meta(description="Evaluates checkpoints beside the training.")] | None
    ) = None


class SchedulingPolicy(_Struct, frozen=True):
    """Gang scheduling; parsed and validated, without effect yet."""

    min_available: Annotated[int, Meta(description="Pods that must be placed together.", ge=1)] | None = None
    queue: Annotated[str, Meta(description="Queue of the gang scheduler.", max_length=253)] | None = None
    priority_class: Annotated[str, Meta(description="Priority class of the gang.", max_length=253)] | None = (
        None
    )
    schedule_timeout_seconds: (
        Annotated[PositiveSeconds, Meta(description="How long placing may take, in seconds.")] | None
    ) = None


class RunPolicy(_Struct, frozen=True):
    """Limits of the run and what happens around it."""

    backoff_limit: Annotated[
        int, Meta(description="At most this many restarts (disruptions are not counted).", ge=0, le=10_000)
    ] = 3
    active_deadline_seconds: (
        Annotated[PositiveSeconds, Meta(description="The job fails when it has run this long, in seconds.")]
        | None
    ) = None
    ttl_seconds_after_finished: (
        Annotated[Seconds, Meta(description="The ended job is deleted after this time, in seconds.")] | None
    ) = None
    clean_pod_policy: Annotated[
        CleanPodPolicy, Meta(description="Which pods are deleted at the end: None, Running or All.")
    ] = CleanPodPolicy.RUNNING
    suspend: Annotated[
        bool, Meta(description="True: no pods; training goes on from its checkpoint later.")
    ] = False
    managed_by: (
        Annotated[
            str,
            Meta(
                description="Controller of this job; another value than ours: we leave it alone.",
                max_length=128,
            ),
        ]
        | None
    ) = None
    scheduling_policy: Annotated[SchedulingPolicy, Meta(description="Gang scheduling.")] | None = None


class ExitCodeRule(_Struct, frozen=True):
    """What certain exit codes of the cause mean, whatever the restart policy says."""

    codes: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=255)], ...],
        Meta(description="Exit codes, 1 to 255.", min_length=1, max_length=255),
    ]
    action: Annotated[
        ExitCodeAction, Meta(description="Fail: the job fails at once. Restart: a new attempt.")
    ]


class Recovery(_Struct, frozen=True):
    """How lost members are detected and replaced."""

    agent: Annotated[
        AgentMode, Meta(description="Enabled: an agent restarts programs inside living pods.")
    ] = AgentMode.ENABLED
    warm_start: Annotated[
        bool, Meta(description="Keep interpreters with TensorFlow imported in reserve.")
    ] = False
    replacement_timeout_seconds: Annotated[
        Seconds,
        Meta(description="How long a missing replacement is waited for if minReplicas allows going on."),
    ] = 60
    hang_timeout_seconds: Annotated[
        Seconds,
        Meta(description="No step for this long is a hang (armed by the attempt's first step); 0: off."),
    ] = 600
    start_timeout_seconds: Annotated[
        Seconds, Meta(description="Longest time from start to the first step; 0: off.")
    ] = 600
    exit_codes: Annotated[
        tuple[ExitCodeRule, ...],
        Meta(description="Rules for exit codes; the first that matches holds.", max_length=32),
    ] = ()


class Checkpoint(_Struct, frozen=True):
    """Where checkpoints lie and how often they are made."""

    directory: (
        Annotated[
            str,
            Meta(
                description="Directory; the job's own folder is made in it.",
                min_length=1,
                max_length=MAX_STRING,
            ),
        ]
        | None
    ) = None
    volume_claim: (
        Annotated[str, Meta(description="PersistentVolumeClaim mounted at directory.", max_length=253)] | None
    ) = None
    every_steps: Annotated[int, Meta(description="Steps between two saves.", ge=1, le=1_000_000_000)] = 200
    keep: Annotated[int, Meta(description="How many checkpoints are kept.", ge=1, le=1000)] = 3
    from_: (
        Annotated[
            str, Meta(description="Another job whose newest checkpoint this one starts from.", max_length=253)
        ]
        | None
    ) = msgspec.field(name="from", default=None)


class Logs(_Struct, frozen=True):
    """Where programs write TensorBoard files."""

    directory: (
        Annotated[
            str, Meta(description="Directory of TensorBoard files.", min_length=1, max_length=MAX_STRING)
        ]
        | None
    ) = None
    volume_claim: (
        Annotated[str, Meta(description="PersistentVolumeClaim mounted at directory.", max_length=253)] | None
    ) = None


class Telemetry(_Struct, frozen=True):
    """How often training metrics are reported, and which."""

    every_seconds: (
        Annotated[
            float,
            Meta(description="Seconds between two reports; default 5 in pods, 1 locally.", ge=0.1, le=3600),
        ]
        | None
    ) = None
    metrics: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...],
        Meta(
            description="Metrics of the program to export beside loss, accuracy, val_loss and val_accuracy.",
            max_length=12,
        ),
    ] = ()


class Instrument(_Struct, frozen=True):
    """What the start-up hook may do in programs that know nothing of us: Auto or Off each."""

    metrics: Annotated[Toggle, Meta(description="Report loss and accuracy of `model.fit`.")] = Toggle.AUTO
    checkpoint: Annotated[Toggle, Meta(description="Save and restore around `model.fit`.")] = Toggle.AUTO
    keras_fix: Annotated[Toggle, Meta(description="Mend `model.fit` of Keras 3 on several workers.")] = (
        Toggle.AUTO
    )


class TensorBoard(_Struct, frozen=True):
    """A TensorBoard beside the job."""

    enabled: Annotated[bool, Meta(description="Run a TensorBoard pod that reads the job's log volume.")] = (
        False
    )


class JobSpec(_Struct, frozen=True, kw_only=True):
    """What runs, how many times, and what happens when something ends."""

    workload: (
        Annotated[WorkloadSpec, Meta(description="A built-in program, in place of a command.")] | None
    ) = None
    strategy: Annotated[
        Strategy, Meta(description="MultiWorkerMirrored, ParameterServer or Independent.")
    ] = Strategy.MULTI_WORKER_MIRRORED
    template: (
        Annotated[JsonObject, Meta(description="Pod template of every role that has none of its own.")] | None
    ) = None
    replica_specs: Annotated[ReplicaSpecs, Meta(description="The roles chief, worker, ps and evaluator.")]
    run_policy: Annotated[RunPolicy, Meta(description="Limits of the run.")] = RunPolicy()
    success_policy: (
        Annotated[
            SuccessPolicy,
            Meta(
                description="Chief (rank-0 worker where there is no chief) or AllWorkers; "
                "default Chief, for Independent AllWorkers."
            ),
        ]
        | None
    ) = None
    recovery: Annotated[Recovery, Meta(description="How lost members are detected and replaced.")] = (
        Recovery()
    )
    checkpoint: Annotated[Checkpoint, Meta(description="Checkpoints.")] = Checkpoint()
    logs: Annotated[Logs, Meta(description="TensorBoard files.")] = Logs()
    telemetry: Annotated[Telemetry, Meta(description="Reports of training metrics.")] = Telemetry()
    instrument: Annotated[Instrument, Meta(description="What the start-up hook may do.")] = Instrument()
    tensorboard: Annotated[TensorBoard, Meta(description="TensorBoard beside the job.")] = TensorBoard()


class TensorFlowJob(_Struct, frozen=True, kw_only=True):
    """One distributed TensorFlow training job."""

    api_version: Annotated[Literal["tf-orchestrator.io/v1alpha1"], Meta(description="Group and version.")] = (
        API_VERSION  # type: ignore[assignment]  # a constant, which mypy takes for any string
    )
    kind: Annotated[Literal["TensorFlowJob"], Meta(description="Kind.")] = KIND  # type: ignore[assignment]  # as above
    metadata: Annotated[Metadata, Meta(description="Name, namespace, labels.")]
    spec: Annotated[JobSpec, Meta(description="What runs.")]
