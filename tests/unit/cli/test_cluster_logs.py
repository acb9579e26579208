"""`tfo logs` of a job on a cluster: whose lines, behind which name, each once; and where a job is looked for."""

from pathlib import Path

import pytest

from orchestrator.api.status import JobStatus, Phase
from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes.api import ApiError
from orchestrator.cli import cluster_logs
from orchestrator.cli.cluster_logs import Unrepeated, container_of
from tests.fixtures.runs import make_run
from tests.fixtures.scripted_api import CUT
from tests.fixtures.scripted_cluster import JOB, JOBS, PODS, ScriptedCluster, document
from tests.fixtures.scripted_cluster import scripted as scripted

ALONE = document(spec={"replicaSpecs": {"chief": {"replicas": 1}}})
ON_CLUSTER = "job: on the cluster\n"
DONE = ("MODIFIED", document(9, JobStatus(phase=Phase.SUCCEEDED)))


@pytest.fixture(autouse=True)
def nowhere_else(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No runs here, a cluster is configured, and a seat is asked for again at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", "any")
    monkeypatch.setattr(cluster_logs, "_AGAIN_SECONDS", 0.0)


def log_of(member: str) -> str:
    return f"{PODS}/job-{member}/log"


def stamped(second: int, text: str) -> bytes:
    return f"2026-11-23T12:00:{second:02}.000000000Z {text}".encode()


def end_after_logs(scripted: ScriptedCluster) -> None:
    """The job ends when the chief's log has been read so far."""
    scripted.script(JOBS)
    scripted.script(log_of("chief-0"), lambda: scripted.script(JOBS, DONE))


# --- once


def test_every_replicas_lines_stand_behind_its_name(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", log_of("chief-0"), b"one\ntwo\n")
    scripted.answer("GET", log_of("worker-0"), b"w one\n")
    scripted.answer("GET", log_of("worker-1"), ApiError(400, "BadRequest", "container is waiting to start"))
    code, out, err = scripted.tfo("logs", "job")
    assert out == "chief-0  | one\nchief-0  | two\nworker-0 | w one\n"
    assert err == f"{ON_CLUSTER}tfo logs: worker-1: container is waiting to start\n"
    assert code == 0


def test_one_replica_is_printed_as_it_is(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", log_of("worker-1"), b"one\n\xff\n")
    assert scripted.tfo("logs", "job", "worker-1", "--tail", "7")[1] == "one\n\ufffd\n"
    [request] = scripted.requests("GET", log_of("worker-1"))
    assert dict(request.query) == {"container": "tensorflow", "tailLines": "7"}


def test_a_replica_that_the_job_has_not_got(scripted: ScriptedCluster) -> None:
    code, _, err = scripted.tfo("logs", "job", "worker-2")
    assert (code, err.endswith("job has no replica 'worker-2'; it has chief-0, worker-0, worker-1\n")) == (
        2,
        True,
    )


def test_attempts_are_not_told_apart_in_pods(scripted: ScriptedCluster) -> None:
    code, out, err = scripted.tfo("logs", "job", "--attempt", "2")
    assert (code, out, "--attempt" in err) == (2, "", True)


@pytest.mark.parametrize(
    ("template", "own", "container"),
    [
        (None, None, "tensorflow"),
        (["sidecar", "tensorflow"], None, "tensorflow"),
        (["first", "second"], None, "first"),
        (["first"], ["own"], "own"),
    ],
)
def test_the_container_is_the_one_that_trains(
    template: list[str] | None, own: list[str] | None, container: str
) -> None:
    def made(names: list[str] | None) -> JsonObject | None:
        return None if names is None else {"spec": {"containers": [{"name": name} for name in names]}}

    spec = {"template": made(template), "replicaSpecs": {"worker": {"replicas": 1, "template": made(own)}}}
    assert container_of({"spec": spec}, "worker-0") == container


# --- followed


def test_lines_of_all_replicas_come_as_they_are_written_until_the_job_has_ended(
    scripted: ScriptedCluster,
) -> None:
    scripted.script(log_of("chief-0"), stamped(1, "one"), stamped(3, "two"))
    scripted.script(log_of("worker-0"), stamped(2, "w one"))
    scripted.script(log_of("worker-1"))
    scripted.script(JOBS, ("MODIFIED", document(2)), DONE)
    code, out, _ = scripted.tfo("logs", "job", "-f")
    assert code == 0
    assert [line for line in out.splitlines() if line.startswith("chief-0")] == [
        "chief-0  | one",
        "chief-0  | two",
    ]
    assert "worker-0 | w one" in out


def test_a_log_that_breaks_is_taken_up_where_it_broke_and_nothing_is_printed_twice(
    scripted: ScriptedCluster,
) -> None:
    scripted.answer("GET", JOB, ALONE)
    scripted.script(log_of("chief-0"), stamped(1, "one"), stamped(2, "two"), CUT)
    scripted.script(log_of("chief-0"), stamped(1, "one"), stamped(2, "two"), stamped(3, "three"))
    end_after_logs(scripted)
    _, out, _ = scripted.tfo("logs", "job", "-f")
    assert out.splitlines() == ["chief-0 | one", "chief-0 | two", "chief-0 | three"]
    asked = [dict(one.query) for one in scripted.watched if one.path == log_of("chief-0")]
    assert (asked[0].get("sinceTime"), asked[1]["sinceTime"]) == (None, "2026-11-23T12:00:02.000000000Z")


def test_lines_of_the_same_moment_are_all_printed(scripted: ScriptedCluster) -> None:
    """Some container runtimes stamp everything that they read at once with one time."""
    scripted.answer("GET", JOB, ALONE)
    scripted.script(log_of("chief-0"), stamped(1, "one"), stamped(1, "two"), CUT)
    scripted.script(log_of("chief-0"), *(stamped(1, text) for text in ("one", "two", "three")))
    end_after_logs(scripted)
    _, out, _ = scripted.tfo("logs", "job", "-f")
    assert out.splitlines() == ["chief-0 | one", "chief-0 | two", "chief-0 | three"]


def test_what_is_new_in_a_log_is_what_comes_after_the_break() -> None:
    seen = Unrepeated()
    assert [seen.is_new(moment) for moment in (b"1", b"2", b"2", b"1")] == [True] * 4
    seen.begin()
    assert [seen.is_new(moment) for moment in (b"0", b"1", b"1", b"2")] == [False, False, True, True]


# --- here or there


def test_a_run_that_lies_here_is_meant_before_a_job_on_the_cluster(
    scripted: ScriptedCluster, tmp_path: Path
) -> None:
    make_run(tmp_path / "tfo-runs", "job", logs={"chief-0.attempt-1": "of this machine\n"})
    assert scripted.tfo("logs", "job")[:2] == (0, "chief-0 | of this machine\n")
    assert scripted.asked == []


@pytest.mark.parametrize("words", [("--on", "kubernetes"), ("-n", "team"), ("--context", "c")])
def test_who_names_a_place_on_the_cluster_means_the_cluster(
    scripted: ScriptedCluster, tmp_path: Path, words: tuple[str, ...]
) -> None:
    make_run(tmp_path / "tfo-runs", "job", logs={"chief-0.attempt-1": "of this machine\n"})
    scripted.answer("GET", JOB, ALONE)
    scripted.answer("GET", log_of("chief-0"), b"of the cluster\n")
    assert scripted.tfo("logs", "job", *words)[1] == "chief-0 | of the cluster\n"


@pytest.mark.parametrize("is_configured", [True, False])
def test_without_a_cluster_or_by_order_it_is_looked_for_here_alone(
    scripted: ScriptedCluster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_configured: bool
) -> None:
    if not is_configured:
        monkeypatch.delenv("KUBECONFIG")
        monkeypatch.setenv("HOME", str(tmp_path))
    code, _, err = scripted.tfo("logs", "job", *(("--on", "local") if is_configured else ()))
    assert (code, scripted.asked) == (2, [])
    assert ON_CLUSTER not in err
