"""What may be changed in a job after its creation."""

import pytest
from msgspec.structs import replace

from orchestrator.api.defaults import default
from orchestrator.api.overrides import apply
from orchestrator.api.types import ReplicaSpecs
from orchestrator.api.update import validate_update
from orchestrator.api.validation import validate
from tests.fixtures.job_texts import job_text, load_one

OLD = load_one(
    job_text(
        "template: {spec: {containers: [{name: tensorflow, command: [a]}]}}\n"
        "replicaSpecs:\n  chief: {}\n  worker: {replicas: 2, template: {spec: {containers: [{name: x, command: [b]}]}}}"
    )
)


def changes(*assignments: str, suspended: bool = False) -> list[str]:
    old = apply(OLD, ["runPolicy.suspend=true"]).job if suspended else OLD
    new = apply(old, assignments)
    assert new.errors == ()
    return [str(error).split(": ")[0] for error in validate_update(old, default(new.job))]


@pytest.mark.parametrize(
    "assignment",
    [
        "runPolicy.suspend=true",
        "runPolicy.backoffLimit=9",
        "runPolicy.activeDeadlineSeconds=60",
        "runPolicy.ttlSecondsAfterFinished=0",
        "replicaSpecs.worker.replicas=5",
        "replicaSpecs.worker.minReplicas=1",
        "metadata.labels.a=b",
    ],
)
def test_what_may_change(assignment: str) -> None:
    assert changes(assignment) == []


@pytest.mark.parametrize(
    ("assignment", "path"),
    [
        ("metadata.name=other", "metadata.name"),
        ("strategy=Independent", "spec.strategy"),
        ("runPolicy.cleanPodPolicy=All", "spec.runPolicy.cleanPodPolicy"),
        ("runPolicy.schedulingPolicy={queue: a}", "spec.runPolicy.schedulingPolicy"),
        ("replicaSpecs.chief.gpus=1", "spec.replicaSpecs.chief.gpus"),
        ("replicaSpecs.worker.restartPolicy=Never", "spec.replicaSpecs.worker.restartPolicy"),
        ("replicaSpecs.evaluator={}", "spec.replicaSpecs.evaluator"),
        ("workload.name=cnn", "spec.workload"),
        ("checkpoint.from=a", "spec.checkpoint.from"),
        ("recovery.exitCodes=[{codes: [1], action: Fail}]", "spec.recovery.exitCodes"),
        ("template.spec.hostNetwork=true", "spec.template"),
        ("replicaSpecs.worker.template.spec.x=1", "spec.replicaSpecs.worker.template"),
    ],
)
def test_what_is_frozen(assignment: str, path: str) -> None:
    assert changes(assignment) == [path]


def test_templates_may_change_while_the_job_is_suspended() -> None:
    assert changes("template.spec.x=1", "replicaSpecs.worker.template.spec.x=1", suspended=True) == []
    assert changes("template.spec.x=1", "runPolicy.suspend=false", suspended=True) == []
    assert changes("strategy=Independent", suspended=True) == ["spec.strategy"]


def test_a_job_without_agents_cannot_become_one_that_goes_on_with_fewer_workers() -> None:
    """The update itself may be made, but what comes of it is no valid job."""
    bare = apply(OLD, ["recovery.agent=Disabled"]).job
    new = apply(bare, ["replicaSpecs.worker.minReplicas=1"]).job
    assert validate_update(bare, new) == ()
    assert [error.path for error in validate(default(new))] == [
        ("spec", "replicaSpecs", "worker", "minReplicas")
    ]


def test_a_role_cannot_go() -> None:
    spec = OLD.spec

    new = replace(OLD, spec=replace(spec, replica_specs=ReplicaSpecs(chief=spec.replica_specs.chief)))
    (error,) = validate_update(OLD, new)
    assert str(error).startswith(
        "spec.replicaSpecs.worker: cannot be changed after creation; what can: suspend,"
    )


def test_everything_is_named_at_once() -> None:
    assert changes("metadata.name=b", "strategy=Independent", "checkpoint.keep=9") == [
        "metadata.name",
        "spec.strategy",
        "spec.checkpoint.keep",
    ]
