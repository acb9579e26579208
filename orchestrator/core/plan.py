"""What runs: every replica's program, environment, name and address, from the spec alone.

The one planner: `tfo plan` prints it, the local backend starts processes from it, the Kubernetes backend pods.
What belongs to an attempt (TF_CONFIG, rank, restore step) is added by `wanted`. Pure.
"""

import json
from collections.abc import Mapping

import msgspec

from orchestrator.api import programs
from orchestrator.api.defaults import NAMESPACE
from orchestrator.api.types import (
    JobSpec,
    JsonObject,
    Recovery,
    RestartPolicy,
    Role,
    RunPolicy,
    TensorFlowJob,
    Toggle,
)
from orchestrator.core import expansion, membership, names
from orchestrator.protocol import environment as env

WORKLOADS_MODULE = "orchestrator.workloads"
SERVER_MODULE = "orchestrator.train.server"
PYTHON = "python"


class Folders(msgspec.Struct, frozen=True, kw_only=True):
    """Where a backend keeps a job's files; empty: nowhere."""

    checkpoints: str = ""
    logs: str = ""
    models: str = ""
    data: str = ""


class ReplicaPlan(msgspec.Struct, frozen=True, kw_only=True):
    """One replica: its program (argv; empty: the image's own), where it runs, and its environment.

    argv and env as a pod takes them, the references to variables in them not yet filled in.
    """

    role: Role
    index: int
    name: str
    argv: tuple[str, ...]
    working_dir: str
    env: dict[str, str]
    gpus: int | None


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that runs for one job."""

    job: str
    service: str
    replicas: tuple[ReplicaPlan, ...]


def plan(job: TensorFlowJob, folders: Folders, *, report_seconds: float) -> Plan:
    """`job` is defaulted and valid. `report_seconds`: the backend's default of telemetry.everySeconds."""
    name = job.metadata.name
    seats = membership.seats(job.spec)
    return Plan(
        job=name,
        service=names.service(name),
        replicas=tuple(_replica(job, role, index, folders, report_seconds) for role, index in seats),
    )


def _replica(
    job: TensorFlowJob, role: Role, index: int, folders: Folders, report_seconds: float
) -> ReplicaPlan:
    container = container_of(job.spec, role)
    spec = membership.replica_spec(job.spec, role)
    return ReplicaPlan(
        role=role,
        index=index,
        name=names.replica(job.metadata.name, role, index),
        argv=argv(job.spec, role),
        working_dir=str(container.get("workingDir") or ""),
        env=_env(job_env(job, folders, report_seconds), container_env(container), seat_env(role, index)),
        gpus=spec.gpus if spec else None,
    )


def _env(ours: dict[str, str], theirs: dict[str, str], seat: dict[str, str]) -> dict[str, str]:
    """Ours first, so that the template's variables may refer to them; it may replace all but the seat."""
    before = {name: expansion.escape(value) for name, value in (ours | seat).items() if name not in theirs}
    return before | theirs | seat


def template_of(spec: JobSpec, role: Role) -> JsonObject:
    """The role's own template, else the job's."""
    own = membership.replica_spec(spec, role)
    return (own.template if own and own.template else spec.template) or {}


def container_of(spec: JobSpec, role: Role) -> JsonObject:
    """The container that trains: the one named `tensorflow`, else the first."""
    found = (template_of(spec, role).get("spec") or {}).get("containers") or [{}]
    named = (one for one in found if one.get("name") == names.CONTAINER)
    chosen: JsonObject = next(named, found[0])
    return chosen


def argv(spec: JobSpec, role: Role) -> tuple[str, ...]:
    """The program: the template's command and args, else the built-in workload, else the server of these roles."""
    container = container_of(spec, role)
    command = [*(container.get("command") or ()), *(container.get("args") or ())]
    if not command and programs.has_default_program(spec, role):
        return (PYTHON, "-m", SERVER_MODULE)
    if command or spec.workload is None:
        return tuple(str(one) for one in command)
    words = map(expansion.escape, workload_args(spec.workload.args))
    return (PYTHON, "-m", WORKLOADS_MODULE, spec.workload.name, *words)


def workload_args(args: Mapping[str, object]) -> tuple[str, ...]:
    """--name=value, sorted by name; texts as they are, everything else as JSON."""
    return tuple(f"--{name}={_text(args[name])}" for name in sorted(args) if args[name] is not None)


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))


def job_env(job: TensorFlowJob, folders: Folders, report_seconds: float) -> dict[str, str]:
    """The same in every replica and every attempt."""
    spec = job.spec
    found = {
        env.JOB: job.metadata.name,
        env.CHECKPOINT_DIR: folders.checkpoints,
        env.CHECKPOINT_EVERY_STEPS: str(spec.checkpoint.every_steps),
        env.CHECKPOINT_KEEP: str(spec.checkpoint.keep),
        env.DATA_DIR: folders.data,
        env.LOG_DIR: folders.logs,
        env.MODEL_DIR: folders.models,
        env.REPORT_SECONDS: f"{spec.telemetry.every_seconds or report_seconds:g}",
        env.METRICS: json.dumps(spec.telemetry.metrics) if spec.telemetry.metrics else "",
        env.INSTRUMENT: ",".join(instruments(spec)),
    }
    return {name: value for name, value in found.items() if value}


def instruments(spec: JobSpec) -> tuple[str, ...]:
    """What the start-up hook may do."""
    wishes = {
        "metrics": spec.instrument.metrics,
        "checkpoint": spec.instrument.checkpoint,
        "kerasFix": spec.instrument.keras_fix,
    }
    return tuple(name for name, wish in wishes.items() if wish is Toggle.AUTO)


def seat_env(role: Role, index: int) -> dict[str, str]:
    return {env.ROLE: role.value, env.INDEX: str(index)}


def container_env(container: JsonObject) -> dict[str, str]:
    """The template's plain variables; those that refer to other objects are Kubernetes' business."""
    given = (one for one in container.get("env") or () if one.get("value") is not None)
    return expansion.merge((one["name"], str(one["value"])) for one in given)


def not_built_yet(spec: JobSpec) -> tuple[str, ...]:
    """Fields that are set and read, and do nothing anywhere yet: the job says so when it is accepted."""
    checks = (
        ("runPolicy.schedulingPolicy", spec.run_policy.scheduling_policy is not None),
        ("recovery.warmStart", spec.recovery.warm_start),
        ("tensorboard.enabled", spec.tensorboard.enabled),
    )
    return tuple(path for path, is_set in checks if is_set)


def roles_that_always_restart(spec: JobSpec) -> tuple[Role, ...]:
    """By their restartPolicy; who trains has done its work with exit code 0 all the same, only an evaluator has not."""
    trainers = filter(membership.is_trainer, Role)
    specs = ((role, membership.replica_spec(spec, role)) for role in trainers)
    return tuple(role for role, own in specs if own and own.restart_policy is RestartPolicy.ALWAYS)


def ignored_locally(job: TensorFlowJob) -> tuple[str, ...]:
    """Fields that are set but have no effect on this machine: said once at the start."""
    spec = job.spec
    is_named = job.metadata.namespace not in (None, NAMESPACE)
    found = ["metadata.namespace"] if is_named else []
    found += [path for path, is_set in _local_checks(spec) if is_set]
    found += not_built_yet(spec)
    for role in Role:
        if membership.replicas(spec, role):
            found += [path for path in _ignored_in(spec, role) if path not in found]
    return tuple(found)


def _local_checks(spec: JobSpec) -> tuple[tuple[str, bool], ...]:
    run = spec.run_policy
    return (
        ("runPolicy.suspend", run.suspend),
        ("runPolicy.ttlSecondsAfterFinished", run.ttl_seconds_after_finished is not None),
        ("runPolicy.managedBy", run.managed_by is not None),
        ("runPolicy.cleanPodPolicy", run.clean_pod_policy is not RunPolicy().clean_pod_policy),
        ("recovery.agent: Disabled", spec.recovery.agent == "Disabled"),
        ("recovery.replacementTimeoutSeconds", _has_own_replacement_timeout(spec)),
        ("checkpoint.volumeClaim", spec.checkpoint.volume_claim is not None),
        ("logs.volumeClaim", spec.logs.volume_claim is not None),
    )


def _has_own_replacement_timeout(spec: JobSpec) -> bool:
    """Of processes on this machine none is waited for in vain."""
    return spec.recovery.replacement_timeout_seconds != Recovery().replacement_timeout_seconds


_CONTAINER_ONLY_IN_PODS = ("image", "resources", "envFrom", "volumeMounts", "lifecycle", "securityContext")
_ONLY_IN_PODS = (
    "volumes",
    "initContainers",
    "nodeSelector",
    "tolerations",
    "affinity",
    "serviceAccountName",
    "hostNetwork",
    "securityContext",
)


def _ignored_in(spec: JobSpec, role: Role) -> tuple[str, ...]:
    pod = template_of(spec, role).get("spec") or {}
    container = container_of(spec, role)
    found = [(name, container.get(name)) for name in _CONTAINER_ONLY_IN_PODS]
    found += [(name, pod.get(name)) for name in _ONLY_IN_PODS]
    found.append(("other containers", len(pod.get("containers") or ()) > 1))
    found.append(("env.valueFrom", any("valueFrom" in one for one in container.get("env") or ())))
    is_always = role in roles_that_always_restart(spec)
    policy = (f"{role.value}.restartPolicy: Always (means OnFailure)",) if is_always else ()
    return (*policy, *dict.fromkeys(f"template: {name}" for name, value in found if value))
