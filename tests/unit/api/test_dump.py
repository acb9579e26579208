"""Jobs as text again."""

from orchestrator.api.dump import dump, dump_yaml
from orchestrator.api.parse import parse_jobs
from orchestrator.api.types import TensorFlowJob
from tests.fixtures.job_texts import cnn


def written(text: str) -> TensorFlowJob:
    (job,), errors = parse_jobs(text, "f")
    assert errors == ()
    return job


def test_only_what_differs_from_defaults_is_written_behind_a_whole_head() -> None:
    assert dump(written(cnn("runPolicy: {backoffLimit: 3, cleanPodPolicy: All}"))) == {
        "apiVersion": "tf-orchestrator.io/v1alpha1",
        "kind": "TensorFlowJob",
        "metadata": {"name": "digits"},
        "spec": {
            "workload": {"name": "cnn"},
            "replicaSpecs": {"chief": {}, "worker": {"replicas": 2}},
            "runPolicy": {"cleanPodPolicy": "All"},
        },
    }


def test_words_that_kubectl_would_take_for_booleans_are_quoted() -> None:
    text = dump_yaml(written(cnn("instrument: {metrics: Off}")))
    assert "metrics: 'Off'" in text
    assert text.startswith(
        "apiVersion: tf-orchestrator.io/v1alpha1\nkind: TensorFlowJob\nmetadata:\n  name: digits\n"
    )


def test_texts_that_look_like_numbers_of_any_yaml_are_quoted() -> None:
    for text in ("1e100", "0o17", "y", "1_0", "1:30", "010", "null", "~", "2026-01-01", ".inf", "0x1"):
        job = written(cnn(f"logs: {{directory: '{text}'}}"))
        assert f"directory: '{text}'" in dump_yaml(job)


def test_what_is_shared_is_written_out() -> None:
    text = cnn("template: {a: &x [1], b: *x}")
    assert written(dump_yaml(written(text))).spec.template == {"a": [1], "b": [1]}
    assert "&" not in dump_yaml(written(text))


def test_what_was_written_is_read_again() -> None:
    job = written(cnn("checkpoint: {from: other}\nrecovery: {exitCodes: [{codes: [1], action: Fail}]}"))
    assert written(dump_yaml(job)) == job
