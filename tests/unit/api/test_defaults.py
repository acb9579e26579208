"""What a job means where it says nothing."""

from msgspec.structs import replace

from orchestrator.api.defaults import default
from orchestrator.api.types import (
    Checkpoint,
    JobSpec,
    Logs,
    Metadata,
    ReplicaSpec,
    ReplicaSpecs,
    Strategy,
    SuccessPolicy,
    TensorFlowJob,
    WorkloadSpec,
)

PAIR = ReplicaSpecs(chief=ReplicaSpec(), worker=ReplicaSpec(replicas=2))


def defaulted(spec: JobSpec) -> JobSpec:
    return default(TensorFlowJob(metadata=Metadata(name="a"), spec=spec)).spec


def test_the_namespace() -> None:
    job = TensorFlowJob(metadata=Metadata(name="a"), spec=JobSpec(replica_specs=PAIR))
    assert default(job).metadata.namespace == "default"
    named = replace(job, metadata=Metadata(name="a", namespace="research"))
    assert default(named).metadata.namespace == "research"


def test_workers_are_not_elastic_unless_asked_for() -> None:
    worker = defaulted(JobSpec(replica_specs=PAIR)).replica_specs.worker
    assert worker is not None
    assert worker.min_replicas == 2
    elastic = replace(PAIR, worker=ReplicaSpec(replicas=4, min_replicas=2))
    worker = defaulted(JobSpec(replica_specs=elastic)).replica_specs.worker
    assert worker is not None
    assert worker.min_replicas == 2


def test_only_mirrored_workers_have_a_least_number() -> None:
    for strategy in (Strategy.PARAMETER_SERVER, Strategy.INDEPENDENT):
        assert defaulted(JobSpec(replica_specs=PAIR, strategy=strategy)).replica_specs == PAIR
    alone = ReplicaSpecs(chief=ReplicaSpec())
    assert defaulted(JobSpec(replica_specs=alone)).replica_specs == alone


def test_success_is_the_chiefs_but_of_independent_replicas_all_count() -> None:
    assert defaulted(JobSpec(replica_specs=PAIR)).success_policy is SuccessPolicy.CHIEF
    independent = JobSpec(replica_specs=PAIR, strategy=Strategy.INDEPENDENT)
    assert defaulted(independent).success_policy is SuccessPolicy.ALL_WORKERS
    asked = replace(independent, success_policy=SuccessPolicy.CHIEF)
    assert defaulted(asked).success_policy is SuccessPolicy.CHIEF
    alone = replace(independent, replica_specs=ReplicaSpecs(chief=ReplicaSpec()))
    assert defaulted(alone).success_policy is SuccessPolicy.CHIEF


def test_volumes_have_a_place() -> None:
    spec = defaulted(
        JobSpec(replica_specs=PAIR, checkpoint=Checkpoint(volume_claim="a"), logs=Logs(volume_claim="b"))
    )
    assert (spec.checkpoint.directory, spec.logs.directory) == ("/checkpoints", "/logs")
    spec = defaulted(JobSpec(replica_specs=PAIR))
    assert (spec.checkpoint.directory, spec.logs.directory) == (None, None)
    spec = defaulted(
        JobSpec(
            replica_specs=PAIR,
            checkpoint=Checkpoint(volume_claim="a", directory="/c"),
            logs=Logs(volume_claim="a", directory="/l"),
        )
    )
    assert (spec.checkpoint.directory, spec.logs.directory) == ("/c", "/l")


def test_arguments_of_built_in_programs_get_the_form_of_their_type() -> None:
    workload = WorkloadSpec(name="cnn", args={"epochs": 3.0})
    assert defaulted(JobSpec(replica_specs=PAIR, workload=workload)).workload == WorkloadSpec(
        name="cnn", args={"epochs": 3}
    )
    unknown = WorkloadSpec(name="nope", args={"epochs": 3.0})
    assert defaulted(JobSpec(replica_specs=PAIR, workload=unknown)).workload == unknown
