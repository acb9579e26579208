"""What a job means where it says nothing: values that depend on other fields.

Called once after `parse`, before `validation` and everything else; static defaults are those of the types. Pure and
idempotent. A backend's own defaults (how often reports are sent, where files lie) are the planner's.
"""

from msgspec.structs import replace

from orchestrator.api.arguments import normalise_args
from orchestrator.api.catalog import WORKLOADS
from orchestrator.api.types import (
    MAX_REPLICAS,
    JobSpec,
    ReplicaSpecs,
    Strategy,
    SuccessPolicy,
    TensorFlowJob,
    WorkloadSpec,
)

NAMESPACE = "default"
CHECKPOINT_DIRECTORY = "/checkpoints"
LOG_DIRECTORY = "/logs"


def default(job: TensorFlowJob) -> TensorFlowJob:
    metadata = replace(job.metadata, namespace=job.metadata.namespace or NAMESPACE)
    return replace(job, metadata=metadata, spec=_default_spec(job.spec))


def _default_spec(spec: JobSpec) -> JobSpec:
    checkpoint, logs = spec.checkpoint, spec.logs
    if checkpoint.volume_claim is not None and checkpoint.directory is None:
        checkpoint = replace(checkpoint, directory=CHECKPOINT_DIRECTORY)
    if logs.volume_claim is not None and logs.directory is None:
        logs = replace(logs, directory=LOG_DIRECTORY)
    return replace(
        spec,
        workload=_default_workload(spec.workload),
        replica_specs=_default_roles(spec.replica_specs, spec.strategy),
        success_policy=spec.success_policy or _default_success(spec),
        checkpoint=checkpoint,
        logs=logs,
    )


def _default_workload(workload: WorkloadSpec | None) -> WorkloadSpec | None:
    known = WORKLOADS.get(workload.name) if workload else None
    if workload is None or known is None:
        return workload
    return replace(workload, args=normalise_args(known, workload.args))


def _default_roles(roles: ReplicaSpecs, strategy: Strategy) -> ReplicaSpecs:
    """No elasticity unless asked for. Only workers of MultiWorkerMirrored can be fewer at all.

    A number of workers that is out of its bounds is one error and not two.
    """
    worker = roles.worker
    if worker is None or worker.min_replicas is not None or strategy is not Strategy.MULTI_WORKER_MIRRORED:
        return roles
    if not 1 <= worker.replicas <= MAX_REPLICAS:
        return roles
    return replace(roles, worker=replace(worker, min_replicas=worker.replicas))


def _default_success(spec: JobSpec) -> SuccessPolicy:
    """Independent replicas all count; a chief alone is both."""
    if spec.strategy is Strategy.INDEPENDENT and spec.replica_specs.worker is not None:
        return SuccessPolicy.ALL_WORKERS
    return SuccessPolicy.CHIEF
