"""What users of TFJob write out of habit and what is not so here is refused, with its place and in words."""

import pytest

from orchestrator.api.load import load_text
from orchestrator.api.templates import check_template, find_container
from tests.fixtures.job_texts import HEAD

WORKLOAD = "  workload: {name: mlp}\n"


def errors(spec: str) -> list[str]:
    """Of a job with these lines in its spec, without the places in the file."""
    found = load_text(f"{HEAD}spec:\n{WORKLOAD}{spec}", "job.yaml").errors
    assert all(str(error).startswith("job.yaml:") for error in found)
    return [str(error).partition(": ")[2] for error in found]


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("  tfReplicaSpecs: {Worker: {}}", "unknown field 'tfReplicaSpecs'; did you mean 'replicaSpecs'?"),
        ("  replicaSpecs: {Chief: {}}", "unknown role 'Chief'; did you mean 'chief'?"),
        ("  replicaSpecs: {master: {}}", "unknown role 'master'"),
        ("  enableDynamicWorker: true", "unknown field 'enableDynamicWorker'"),
    ],
)
def test_what_tfjob_spells_or_has_otherwise_is_refused_with_its_place(spec: str, words: str) -> None:
    assert any(words in error for error in errors(spec))


def test_the_kind_of_tfjob_is_refused_and_ours_is_named() -> None:
    text = "apiVersion: kubeflow.org/v1\nkind: TFJob\nmetadata: {name: job}\nspec: {}\n"
    found = [str(error) for error in load_text(text, "job.yaml").errors]
    assert any("TensorFlowJob" in error for error in found)
    assert any("tf-orchestrator.io/v1alpha1" in error for error in found)


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (
            "  replicaSpecs: {chief: {replicas: 2}}",
            "spec.replicaSpecs.chief.replicas: there is at most 1 chief, not 2",
        ),
        (
            "  replicaSpecs: {chief: {}, worker: {restartPolicy: Sometimes}}",
            "spec.replicaSpecs.worker.restartPolicy: unknown value 'Sometimes'"
            " (values: Always, OnFailure, Never, ExitCode)",
        ),
        ("  replicaSpecs: {chief: {}, boss: {}}", "spec.replicaSpecs.boss: unknown role 'boss'"),
    ],
)
def test_what_makes_no_sense_is_refused_where_it_stands(spec: str, error: str) -> None:
    assert any(found.startswith(error) for found in errors(spec))


def test_a_parameter_server_job_without_a_chief_is_refused() -> None:
    found = errors("  strategy: ParameterServer\n  replicaSpecs: {worker: {}, ps: {}}")
    assert found == ["spec.replicaSpecs: strategy ParameterServer needs a chief"]


def test_a_job_in_which_nobody_trains_is_refused() -> None:
    (found,) = errors("  replicaSpecs: {evaluator: {}}")
    assert found.startswith("spec.replicaSpecs: nobody trains: add a chief or a worker")


@pytest.mark.parametrize(
    ("containers", "trains"),
    [
        ([{"name": "main"}], "main"),
        ([{"name": "sidecar"}, {"name": "tensorflow"}], "tensorflow"),
        ([{"name": "one"}, {"name": "two"}], None),
    ],
)
def test_the_container_that_trains_is_named_tensorflow_or_the_only_one(
    containers: list[dict[str, str]], trains: str | None
) -> None:
    template = {"spec": {"containers": containers}}
    found = find_container(template)
    assert (found and found["name"]) == trains
    errors_here = [str(error) for error in check_template(template, ("template",))]
    assert errors_here == (
        [] if trains else ["template.spec.containers: which container trains? name it tensorflow"]
    )
