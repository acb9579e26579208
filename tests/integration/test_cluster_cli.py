"""`tfo` on a real API server: what a user types, what comes out, and what the cluster then has."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli import main
from tests.cluster.fixtures import Cluster

pytestmark = pytest.mark.cluster
Tfo = Callable[..., tuple[int, str, str]]


@pytest.fixture
def tfo(
    cluster: Cluster,
    namespace: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Tfo:
    """Calls `tfo` in a namespace of its own: exit code, output, errors."""
    monkeypatch.setenv("KUBECONFIG", str(cluster.kubeconfig))
    monkeypatch.chdir(tmp_path)

    def call(*words: str, place: str = namespace) -> tuple[int, str, str]:
        code = main.main([*words, "-n", place])
        out, err = capfd.readouterr()
        return code, out, err

    return call


def set_status(cluster: Cluster, namespace: str, name: str, **status: object) -> None:
    body = json.dumps({"status": status})
    cluster.kubectl("-n", namespace, "patch", "tfo", name, "--subresource=status", "--type=merge", "-p", body)


def test_a_job_from_its_submission_to_its_deletion(tfo: Tfo, cluster: Cluster, namespace: str) -> None:
    code, out, _ = tfo("submit", "cnn", "--workers", "2", "--name", "job", "--image", "mine")
    assert (code, out.splitlines()[0]) == (0, f"{namespace}/job created")
    stored = json.loads(tfo("get", "job", "-o", "json")[1])
    assert stored["spec"]["template"]["spec"]["containers"] == [{"image": "mine", "name": "tensorflow"}]

    code, _, err = tfo("submit", "cnn", "--name", "job")
    assert (code, "has a job 'job' already" in err) == (2, True)

    assert tfo("scale", "job", "--replicas", "5")[1] == "job scaled from 2 to 5 workers\n"
    assert tfo("suspend", "job")[1] == "job suspended\n"
    assert tfo("suspend", "job")[1] == "job is suspended already\n"
    assert tfo("resume", "job")[1] == "job resumed\n"
    spec = json.loads(tfo("get", "job", "-o", "json")[1])["spec"]
    assert (spec["replicaSpecs"]["worker"]["replicas"], spec["runPolicy"]["suspend"]) == (5, False)

    set_status(cluster, namespace, "job", phase="Running", ready="6/6", progress={"step": 40, "loss": "0.5"})
    assert tfo("wait", "job", "--for", "running")[0] == 0
    header, row = tfo("get")[1].splitlines()
    assert header.split() == ["NAME", "PHASE", "READY", "STEP", "LOSS", "ACCURACY", "RESTARTS", "AGE"]
    assert row.split()[:5] == ["job", "Running", "6/6", "40", "0.5"]
    assert "1 chief + 5 worker" in tfo("describe", "job")[1]

    set_status(cluster, namespace, "job", phase="Failed", message="worker-1 exited with code 3")
    code, _, err = tfo("wait", "job")
    assert (code, err) == (1, "job: Failed: worker-1 exited with code 3\n")
    assert tfo("wait", "job", "--for", "failed")[0] == 0
    assert tfo("delete", "job", "--wait", "--timeout", "30")[0] == 0
    assert tfo("get")[1] == f"no jobs in namespace {namespace}\n"


def test_what_is_wrong_is_refused_here_or_there_and_nothing_is_created(tfo: Tfo) -> None:
    code, _, err = tfo("submit", "cnn", "--set", "epochs=none", "--name", "job")
    assert (code, "epochs" in err) == (2, True)
    code, out, _ = tfo("submit", "cnn", "--name", "job", "--dry-run", "server")
    assert (code, "server dry run" in out) == (0, True)
    code, out, _ = tfo("submit", "cnn", "--name", "job", "--dry-run", "client")
    assert (code, "kind: TensorFlowJob" in out) == (0, True)
    for words in (
        ("get", "job"),
        ("suspend", "job"),
        ("scale", "job", "--replicas", "2"),
        ("describe", "job"),
    ):
        code, _, err = tfo(*words)
        assert (code, "has no job 'job'" in err) == (2, True)


def test_a_change_that_the_server_refuses_is_told_in_its_words(
    tfo: Tfo, cluster: Cluster, namespace: str
) -> None:
    tfo("submit", "cnn", "--workers", "2", "--name", "job")
    patch = '{"spec": {"strategy": "Independent"}}'
    with pytest.raises(RuntimeError, match="strategy cannot be changed after creation"):
        cluster.kubectl("-n", namespace, "patch", "tfo", "job", "--type=merge", "-p", patch)
    code, _, err = tfo("submit", "cnn", "--name", "other", place="no-such-namespace")
    assert (code, "no-such-namespace" in err) == (2, True)


def test_a_wait_has_an_end(tfo: Tfo) -> None:
    tfo("submit", "cnn", "--name", "job")
    code, _, err = tfo("wait", "job", "--timeout", "0.2")
    assert (code, err) == (1, "tfo wait: job is not succeeded after 0.2 s\n")


def test_logs_of_a_job_that_is_not_here_are_those_of_the_cluster(tfo: Tfo) -> None:
    tfo("submit", "cnn", "--name", "job")
    code, _, err = tfo("logs", "job")
    assert code == 0
    assert 'chief-0: pods "job-chief-0" not found' in err
    code, _, err = tfo("logs", "job", "worker-7")
    assert (code, "has no replica 'worker-7'; it has chief-0" in err) == (2, True)


def test_a_cluster_that_is_not_there(tfo: Tfo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    code, _, err = tfo("get")
    assert (code, "no cluster to talk to" in err) == (2, True)
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:9"}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (tmp_path / "dead").write_text(json.dumps(config))
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "dead"))
    code, _, err = tfo("get")
    assert (code, err) == (
        1,
        "tfo: http://127.0.0.1:9 cannot be reached: Connect call failed ('127.0.0.1', 9)\n",
    )
