"""`tfo suspend`, `resume`, `scale` and `delete`: the one request that each of them makes, and what it says."""

import pytest

from orchestrator.backends.kubernetes.api import MERGE_PATCH, ApiError
from tests.fixtures.scripted_cluster import JOB, JOBS, ScriptedCluster, document
from tests.fixtures.scripted_cluster import scripted as scripted

SUSPENDED = document(spec={"runPolicy": {"suspend": True}})
WITHOUT_WORKERS = document(spec={"replicaSpecs": {"chief": {"replicas": 1}}})


@pytest.mark.parametrize(("command", "wish"), [("suspend", True), ("resume", False)])
def test_suspending_and_resuming_change_one_field(
    scripted: ScriptedCluster, command: str, wish: bool
) -> None:
    scripted.answer("GET", JOB, document() if wish else SUSPENDED)
    scripted.answer("PATCH", JOB, document())
    done = "suspended" if wish else "resumed"
    assert scripted.tfo(command, "job") == (0, f"job {done}\n", "")
    assert scripted.body_of("PATCH", JOB) == {"spec": {"runPolicy": {"suspend": wish}}}
    assert scripted.requests("PATCH", JOB)[0].content_type == MERGE_PATCH


def test_what_is_so_already_is_not_asked_for(scripted: ScriptedCluster) -> None:
    assert scripted.tfo("resume", "job") == (0, "job is not suspended already\n", "")
    scripted.answer("GET", JOB, SUSPENDED)
    assert scripted.tfo("suspend", "job") == (0, "job is suspended already\n", "")
    assert scripted.asked_for("PATCH") == []


def test_scaling_goes_through_the_subresource_that_kubectl_uses(scripted: ScriptedCluster) -> None:
    scripted.answer("PATCH", f"{JOB}/scale", {})
    assert scripted.tfo("scale", "job", "--replicas", "4") == (0, "job scaled from 2 to 4 workers\n", "")
    assert scripted.body_of("PATCH", f"{JOB}/scale") == {"spec": {"replicas": 4}}


def test_a_job_without_workers_cannot_be_scaled(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOB, WITHOUT_WORKERS)
    assert scripted.tfo("scale", "job", "--replicas", "4") == (2, "", "tfo: job has no workers to scale\n")
    assert scripted.asked_for("PATCH") == []


def test_scaling_needs_a_number(scripted: ScriptedCluster) -> None:
    code, _, err = scripted.tfo("scale", "job")
    assert (code, "write: tfo scale JOB --replicas N" in err, scripted.asked) == (2, True, [])


def test_the_server_has_the_last_word_on_a_change(scripted: ScriptedCluster) -> None:
    scripted.answer("PATCH", f"{JOB}/scale", ApiError(422, "Invalid", "must be at most 3000"))
    code, _, err = scripted.tfo("scale", "job", "--replicas", "4")
    assert (code, err) == (2, "tfo: the API server: must be at most 3000\n")


def test_exactly_the_job_that_was_seen_is_deleted(scripted: ScriptedCluster) -> None:
    scripted.answer("DELETE", JOB, {})
    assert scripted.tfo("delete", "job") == (0, "job deleted\n", "")
    assert scripted.body_of("DELETE", JOB)["preconditions"] == {"uid": "uid-job"}
    assert scripted.watched == []


def test_a_deletion_can_be_waited_for(scripted: ScriptedCluster) -> None:
    scripted.answer("DELETE", JOB, {})
    scripted.script(JOBS, ("MODIFIED", document(2)), ("DELETED", document(3)))
    assert scripted.tfo("delete", "job", "--wait") == (0, "job deleted\n", "")
    assert len(scripted.watched) == 1


def test_a_job_that_went_at_once_is_gone(scripted: ScriptedCluster) -> None:
    scripted.answer("DELETE", JOB, {})
    scripted.answer("GET", JOB, document(), ApiError(404, "NotFound", "no"))
    scripted.answer("GET", JOBS, {"metadata": {}, "items": []})
    assert scripted.tfo("delete", "job", "--wait") == (0, "job deleted\n", "")


def test_a_deletion_that_takes_too_long_says_so(scripted: ScriptedCluster) -> None:
    scripted.answer("DELETE", JOB, {})
    scripted.script(JOBS)
    assert scripted.tfo("delete", "job", "--wait", "--timeout", "0.01") == (
        1,
        "job deleted\n",
        "tfo delete: job is still there after 0.01 s\n",
    )


@pytest.mark.parametrize("words", [("suspend",), ("resume",), ("scale", "--replicas", "2"), ("delete",)])
def test_of_a_job_that_is_not_there_nothing_is_changed(
    scripted: ScriptedCluster, words: tuple[str, ...]
) -> None:
    scripted.answer("GET", JOB, ApiError(404, "NotFound", "no"))
    scripted.answer("GET", JOBS, {"metadata": {}, "items": []})
    code, _, err = scripted.tfo(words[0], "job", *words[1:])
    assert (code, err) == (2, "tfo: namespace team has no job 'job'; it has none\n")
    assert {one.method for one in scripted.asked} == {"GET"}
