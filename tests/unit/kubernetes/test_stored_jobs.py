"""What the API server keeps becomes a job and a status, and back."""

import json
from typing import Any

import msgspec
import pytest

from orchestrator.api.status import JobStatus
from orchestrator.api.types import SuccessPolicy, TensorFlowJob
from orchestrator.backends.kubernetes.jobs import (
    Invalid,
    decode_job,
    decode_status,
    encode_status,
    status_from,
)
from orchestrator.backends.kubernetes.objects import StoredJob
from tests.contract.full_status import FULL_STATUS

SPEC = {"workload": {"name": "mlp"}, "replicaSpecs": {"chief": {}}}


def stored(spec: Any = SPEC, status: Any = None, **metadata: Any) -> StoredJob:
    found: dict[str, Any] = {
        "metadata": {
            "name": "job",
            "namespace": "ns",
            "uid": "u",
            "resourceVersion": "7",
            "generation": 2,
            **metadata,
        },
        "spec": spec,
    }
    if status is not None:
        found["status"] = status
    return msgspec.json.decode(json.dumps(found), type=StoredJob)


def test_a_job_comes_out_defaulted() -> None:
    job = decode_job(stored(labels={"team": "a"}))
    assert isinstance(job, TensorFlowJob)
    assert (job.metadata.name, job.metadata.namespace, job.metadata.generation) == ("job", "ns", 2)
    assert job.metadata.labels == {"team": "a"}
    assert job.spec.success_policy is SuccessPolicy.CHIEF


def test_what_kubectl_keeps_for_itself_is_dropped() -> None:
    own = {"kubectl.kubernetes.io/last-applied-configuration": "long", "note": "b"}
    job = decode_job(stored(annotations=own))
    assert isinstance(job, TensorFlowJob)
    assert job.metadata.annotations == {"note": "b"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"workload": {"name": "nonsense"}, "replicaSpecs": {"chief": {}}}, "nonsense"),
        ({"workload": {"name": "mlp", "args": {"epochs": -1}}, "replicaSpecs": {"chief": {}}}, "epochs"),
        ({"workload": {"name": "mlp"}}, "replicaSpecs"),
        ({"replicaSpecs": {"chief": {"replicas": "many"}}}, "replicas"),
        (None, "null"),
    ],
)
def test_one_that_is_none_says_what_is_wrong(spec: Any, words: str) -> None:
    found = decode_job(stored(spec))
    assert isinstance(found, Invalid)
    assert words in found.message


def test_a_job_without_a_status_has_an_empty_one() -> None:
    assert decode_status(stored()) == JobStatus()


def test_a_status_survives_the_way_there_and_back() -> None:
    assert decode_status(stored(status=encode_status(FULL_STATUS))) == FULL_STATUS
    assert status_from(encode_status(JobStatus())) == JobStatus()


def test_conditions_have_the_words_that_kubectl_waits_for() -> None:
    assert encode_status(FULL_STATUS)["conditions"][0]["status"] == "True"


def test_what_kubectl_get_shows_is_there_from_the_beginning() -> None:
    found = encode_status(JobStatus())
    assert (found["phase"], found["restarts"]) == ("Created", 0)
