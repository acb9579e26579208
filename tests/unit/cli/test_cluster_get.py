"""`tfo get`: jobs of a cluster in a table, or as the server has them."""

import json

import pytest
import yaml

from orchestrator.api.status import CheckpointStatus, JobStatus, Phase, Progress
from orchestrator.api.types import JsonObject
from orchestrator.cli.cluster_get import age, table
from tests.fixtures.scripted_api import page
from tests.fixtures.scripted_cluster import JOB, JOBS, ScriptedCluster, document
from tests.fixtures.scripted_cluster import scripted as scripted
from tests.fixtures.training_reports import build_attempt, later

EVERYWHERE = "/apis/tf-orchestrator.io/v1alpha1/tensorflowjobs"
STATUS = JobStatus(
    phase=Phase.RUNNING,
    message="attempt 2 is running",
    ready="3/3",
    restarts=1,
    attempt=build_attempt(2),
    progress=Progress(step=40, loss="0.5", accuracy="0.75"),
    checkpoint=CheckpointStatus(20, later(5)),
)


def rows(out: str) -> list[list[str]]:
    return [line.split() for line in out.splitlines()]


def fresh(name: str) -> JsonObject:
    """A job that no controller has seen."""
    return document(name=name)


def test_a_table_has_what_is_known_and_dashes_for_the_rest(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOBS, page(1, document(status=STATUS), fresh("new")))
    code, out, err = scripted.tfo("get")
    header, job, new = rows(out)
    assert header == ["NAME", "PHASE", "READY", "STEP", "LOSS", "ACCURACY", "RESTARTS", "AGE"]
    assert job[:7] == ["job", "Running", "3/3", "40", "0.5", "0.75", "1"]
    assert new[:7] == ["new", "-", "-", "-", "-", "-", "0"]
    assert (code, err) == (0, "")


def test_a_wide_table_has_attempt_checkpoint_and_message(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOBS, page(1, document(status=STATUS)))
    header, job = rows(scripted.tfo("get", "-o", "wide")[1])
    assert header[-3:] == ["ATTEMPT", "CHECKPOINT", "MESSAGE"]
    assert job[8:] == ["2", "20", "attempt", "2", "is", "running"]


def test_one_job_is_a_table_of_one_and_a_document_of_its_own(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOB, document(status=STATUS))
    assert len(rows(scripted.tfo("get", "job")[1])) == 2
    assert json.loads(scripted.tfo("get", "job", "-o", "json")[1]) == document(status=STATUS)
    assert yaml.safe_load(scripted.tfo("get", "job", "-o", "yaml")[1]) == document(status=STATUS)


def test_several_jobs_are_a_list_as_kubectl_prints_it(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOBS, page(1, document(), fresh("new")))
    for output, read in (("json", json.loads), ("yaml", yaml.safe_load)):
        found = read(scripted.tfo("get", "-o", output)[1])
        assert found == {"apiVersion": "v1", "kind": "List", "items": [document(), fresh("new")]}


def test_a_long_list_comes_page_by_page(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOBS, page(1, fresh("a"), following="more"), page(1, fresh("b")))
    assert [row[0] for row in rows(scripted.tfo("get")[1])] == ["NAME", "a", "b"]
    assert [dict(one.query).get("continue") for one in scripted.asked] == [None, "more"]


def test_jobs_of_all_namespaces_say_which(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", EVERYWHERE, page(1, fresh("a"), document(name="b", namespace="other")))
    header, first, second = rows(scripted.tfo("get", "-A")[1])
    assert (header[0], first[:2], second[:2]) == ("NAMESPACE", ["team", "a"], ["other", "b"])


def test_no_jobs_are_said_to_be_none(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOBS, page(1))
    scripted.answer("GET", EVERYWHERE, page(1))
    assert scripted.tfo("get")[1] == "no jobs in namespace team\n"
    assert scripted.tfo("get", "-A")[1] == "no jobs in the cluster\n"
    assert json.loads(scripted.tfo("get", "-o", "json")[1])["items"] == []


def test_a_job_that_is_not_there_is_refused_with_those_that_are(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOBS, page(1, fresh("digits"), fresh("words")), page(1))
    assert scripted.tfo("get", "wrods")[::2] == (
        2,
        "tfo: namespace team has no job 'wrods'; it has digits, words\n",
    )
    assert scripted.tfo("get", "wrods")[2].endswith("no job 'wrods'; it has none\n")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0s"), (0, "0s"), (119, "119s"), (120, "2m"), (7199, "119m"), (7200, "2h"), (172800, "2d")],
)
def test_ages_are_those_of_kubectl(seconds: int, text: str) -> None:
    assert age("2026-11-23T12:00:00Z", later(seconds)) == text


def test_columns_are_as_wide_as_their_longest_cell() -> None:
    assert table([("A", "B"), ("long", ""), ("x", "y")]) == ["A      B", "long", "x      y"]
