"""`tfo submit`: which job is sent where, what is refused before anything is, and what is said."""

from pathlib import Path

import msgspec
import pytest
import yaml

from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes.api import ApiError, Unreachable
from orchestrator.cli.cluster_submit import with_image
from tests.fixtures.scripted_cluster import JOBS, ScriptedCluster, document
from tests.fixtures.scripted_cluster import scripted as scripted

SUBMIT = ("submit", "cnn", "--name", "job")
ELSEWHERE = JOBS.replace("team", "other")


def job_with(*containers: JsonObject) -> JsonObject:
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"nodeName": "n", "containers": list(containers)}}
    return {"kind": "TensorFlowJob", "spec": {"template": template, "strategy": "Independent"}}


def test_no_image_changes_nothing() -> None:
    job = job_with({"name": "tensorflow"})
    assert with_image(job, "") is job


def test_an_image_goes_to_containers_that_name_none_and_nothing_else_changes() -> None:
    job = job_with({"name": "tensorflow", "command": ["x"]}, {"name": "sidecar", "image": "theirs"})
    before = msgspec.json.encode(job)
    found = with_image(job, "mine")
    assert found["spec"]["template"]["spec"] == {
        "nodeName": "n",
        "containers": [
            {"image": "mine", "name": "tensorflow", "command": ["x"]},
            {"image": "theirs", "name": "sidecar"},
        ],
    }
    assert found["spec"]["template"]["metadata"] == {"labels": {"a": "b"}}
    assert found["spec"]["strategy"] == "Independent"
    assert msgspec.json.encode(job) == before, "the job that was given stays as it was"


def test_a_job_without_a_template_gets_one_with_our_container() -> None:
    found = with_image({"spec": {"workload": {"name": "cnn"}}}, "mine")
    assert found["spec"]["template"] == {"spec": {"containers": [{"image": "mine", "name": "tensorflow"}]}}


def test_a_submitted_job_is_told_how_to_be_followed(scripted: ScriptedCluster) -> None:
    scripted.answer("POST", JOBS, document())
    code, out, err = scripted.tfo(*SUBMIT, "--workers", "2", "--set", "epochs=5", "--context", "c")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "team/job created",
        "  follow it: tfo logs job -n team --context c -f",
        "  its story: tfo describe job -n team --context c",
    ]
    sent = scripted.body_of("POST", JOBS)
    assert (sent["metadata"]["namespace"], sent["spec"]["workload"]["args"]) == ("team", {"epochs": 5})
    [request] = scripted.requests("POST", JOBS)
    assert ("fieldValidation", "Strict") in request.query


def test_the_namespace_of_the_command_line_wins_over_that_of_the_file(
    scripted: ScriptedCluster, tmp_path: Path
) -> None:
    job = {"apiVersion": "tf-orchestrator.io/v1alpha1", "kind": "TensorFlowJob"}
    spec = {"workload": {"name": "mlp"}, "replicaSpecs": {"chief": {}}}
    file = tmp_path / "job.yaml"
    file.write_text(yaml.safe_dump({**job, "metadata": {"name": "job", "namespace": "other"}, "spec": spec}))
    for path in (JOBS, ELSEWHERE):
        scripted.answer("POST", path, document())
    assert scripted.tfo("submit", str(file))[1].startswith("other/job created\n")
    assert scripted.tfo("submit", str(file), "-n", "team")[1].startswith("team/job created\n")
    assert [scripted.body_of("POST", path)["metadata"]["namespace"] for path in (ELSEWHERE, JOBS)] == [
        "other",
        "team",
    ]


def test_what_only_the_client_looks_at_is_sent_nowhere(scripted: ScriptedCluster) -> None:
    code, out, _ = scripted.tfo(*SUBMIT, "--dry-run", "client", "--watch", "--image", "mine")
    found = yaml.safe_load(out)
    assert (code, found["metadata"]["name"]) == (0, "job")
    assert found["spec"]["template"]["spec"]["containers"][0]["image"] == "mine"
    assert scripted.asked == []


def test_what_the_server_only_looks_at_is_not_followed(scripted: ScriptedCluster) -> None:
    scripted.answer("POST", JOBS, document())
    code, out, _ = scripted.tfo(*SUBMIT, "--dry-run", "server", "--watch")
    assert (code, out) == (0, "team/job created (server dry run)\n")
    [request] = scripted.requests("POST", JOBS)
    assert ("dryRun", "All") in request.query
    assert scripted.watched == []


def test_a_wrong_job_is_sent_nowhere(scripted: ScriptedCluster) -> None:
    code, _, err = scripted.tfo(*SUBMIT, "--set", "epochs=none")
    assert (code, "epochs" in err, scripted.asked) == (2, True, [])


def test_a_name_that_is_taken_is_told_with_both_ways_out(scripted: ScriptedCluster) -> None:
    scripted.answer("POST", JOBS, ApiError(409, "AlreadyExists", "already exists"))
    code, _, err = scripted.tfo(*SUBMIT)
    assert code == 2
    assert "delete it (tfo delete job -n team), or give this one another name: --name" in err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (
            ApiError(422, "Invalid", "spec.x: unknown field"),
            2,
            "tfo: the API server: spec.x: unknown field\n",
        ),
        (ApiError(403, "Forbidden", "you may not"), 2, "tfo: the API server: you may not\n"),
        (ApiError(503, "ServiceUnavailable", "not well"), 1, "tfo: the API server: not well\n"),
        (Unreachable("no route to host"), 1, "tfo: no route to host\n"),
    ],
)
def test_wrong_input_is_told_apart_from_a_server_that_is_not_well(
    scripted: ScriptedCluster, error: Exception, code: int, words: str
) -> None:
    scripted.answer("POST", JOBS, error)
    assert scripted.tfo(*SUBMIT) == (code, "", words)


def test_a_cluster_without_our_crd_is_told_what_to_install(scripted: ScriptedCluster) -> None:
    scripted.answer("POST", JOBS, ApiError(404, "", "404 page not found"))
    code, _, err = scripted.tfo(*SUBMIT)
    assert (code, "kubectl apply -f manifests/crd.yaml" in err) == (2, True)
