"""Jobs for simulated worlds and unit tests: defaulted, valid, with a UID."""

from msgspec.structs import replace

from orchestrator.api.types import (
    AgentMode,
    JobSpec,
    Metadata,
    Recovery,
    ReplicaSpec,
    ReplicaSpecs,
    RunPolicy,
    Strategy,
    SuccessPolicy,
    TensorFlowJob,
)

TEMPLATE = {"spec": {"containers": [{"name": "tensorflow", "command": ["python", "train.py"]}]}}


def make_job(
    specs: ReplicaSpecs | None = None,
    *,
    strategy: Strategy = Strategy.MULTI_WORKER_MIRRORED,
    success: SuccessPolicy = SuccessPolicy.CHIEF,
    run_policy: RunPolicy | None = None,
    recovery: Recovery | None = None,
) -> TensorFlowJob:
    """A chief and two workers unless told otherwise."""
    return TensorFlowJob(
        metadata=Metadata(name="job", namespace="default", uid="job-uid", generation=1),
        spec=JobSpec(
            strategy=strategy,
            template=TEMPLATE,
            replica_specs=specs or gang(2),
            run_policy=run_policy or RunPolicy(),
            success_policy=success,
            recovery=recovery or Recovery(),
        ),
    )


def gang(
    workers: int, *, chief: bool = True, evaluator: bool = False, least: int | None = None
) -> ReplicaSpecs:
    """`least`: minReplicas of the workers."""
    return ReplicaSpecs(
        chief=ReplicaSpec() if chief else None,
        worker=ReplicaSpec(replicas=workers, min_replicas=least) if workers else None,
        evaluator=ReplicaSpec() if evaluator else None,
    )


def servers(workers: int, ps: int, *, evaluator: bool = False) -> ReplicaSpecs:
    """The roles of ParameterServer."""
    return ReplicaSpecs(
        chief=ReplicaSpec(),
        worker=ReplicaSpec(replicas=workers),
        ps=ReplicaSpec(replicas=ps),
        evaluator=ReplicaSpec() if evaluator else None,
    )


def scaled(spec: JobSpec, workers: int) -> JobSpec:
    """Another number of workers; minReplicas never above it."""
    found = spec.replica_specs.worker
    assert found is not None
    least = None if found.min_replicas is None else min(found.min_replicas, workers)
    worker = replace(found, replicas=workers, min_replicas=least)
    return replace(spec, replica_specs=replace(spec.replica_specs, worker=worker))


WITHOUT_AGENTS = Recovery(agent=AgentMode.DISABLED)
