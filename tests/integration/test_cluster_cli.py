"""`tfo` on a real API server: what a user types, what comes out, and what the cluster then has."""

import asyncio
import json
import os
import re
import signal
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import yaml

from orchestrator.cli import main
from tests.cluster.fixtures import Cluster
from tests.fixtures.bare_jobs import ALL, LIMIT_SECONDS, World
from tests.fixtures.launcher import TFO
from tests.fixtures.lines_that_break import BreakableLine
from tests.fixtures.terminals import Terminal

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


# --- followed to the end


JOB = """apiVersion: tf-orchestrator.io/v1alpha1
kind: TensorFlowJob
metadata: {name: job}
spec:
  template:
    spec:
      containers: [{name: tensorflow, image: any, command: [train]}]
  recovery: {agent: Disabled}
  replicaSpecs: {chief: {}, worker: {replicas: 2}}
"""


@asynccontextmanager
async def watching(
    world: World, cluster: Cluster, folder: Path, *words: str, stdout: int
) -> AsyncIterator[Process]:
    """`tfo submit --watch` as a process of its own."""
    (folder / "job.yaml").write_text(JOB)
    process = await asyncio.create_subprocess_exec(
        *(*TFO, "submit", "job.yaml", "--watch", "-n", world.namespace, *words),
        cwd=folder,
        env={**os.environ, "KUBECONFIG": str(cluster.kubeconfig), "TERM": "xterm-256color"},
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def live_through_a_restart(world: World, cluster: Cluster) -> None:
    """Until attempt 2 is at step 40 of 200; then everybody has done his work."""
    await world.until_running(*ALL)
    await world.until_phase("Running")
    await world.end("job-worker-1", 3)
    await world.until_running(*ALL, attempt=2)
    await world.until_phase("Running")
    progress = {"step": 40, "totalSteps": 200, "loss": "0.5", "updateTime": "2026-11-23T12:00:00Z"}
    await asyncio.to_thread(set_status, cluster, world.namespace, "job", progress=progress)


async def succeed(world: World) -> None:
    for name in reversed(ALL):
        await world.end(name, 0)


async def test_a_job_that_is_watched_through_a_pipe_is_told_in_lines(
    bare_world: World, cluster: Cluster, tmp_path: Path
) -> None:
    pipe = asyncio.subprocess.PIPE
    async with watching(bare_world, cluster, tmp_path, stdout=pipe) as process:
        await live_through_a_restart(bare_world, cluster)
        await succeed(bare_world)
        out, err = await process.communicate()
    place = bare_world.namespace
    lines = out.decode().splitlines()
    assert [line.partition("  ")[2] for line in lines if line[2:3] == ":"] == [
        f"{place}/job created",
        "the job was accepted",
        "attempt 1 starts with 3 replicas",
        "attempt 1 is running",
        "warning: worker-1 exited with code 3",
        "attempt 2 starts with 3 replicas",
        "attempt 2 is running",
        "40/200 steps (20 %)  loss 0.500",
        "the job has succeeded",
    ]
    headline, *rest = lines[lines.index("") + 1 :]
    assert re.fullmatch(
        rf"{place}/job succeeded after \d+:\d\d   loss 0.500   1 restart \(worker-1 exited with code 3\)",
        headline,
    )
    assert rest == ["", "next:", f"  tfo logs job -n {place}"]
    assert (process.returncode, err.decode()) == (0, "")


async def test_a_job_that_is_watched_on_a_terminal_is_drawn_live(
    bare_world: World, cluster: Cluster, tmp_path: Path, terminal: Terminal
) -> None:
    stdout = terminal.stream.fileno()
    async with watching(bare_world, cluster, tmp_path, stdout=stdout) as process:
        await live_through_a_restart(bare_world, cluster)
        await asyncio.to_thread(terminal.wait_for, "40/200 steps")
        await asyncio.to_thread(terminal.wait_for, "worker-1  running  on stand-in  restarted 1×")
        await asyncio.to_thread(terminal.wait_for_frame)
        frame = terminal.screen().text
        await succeed(bare_world)
        _, err = await process.communicate()
    place = bare_world.namespace
    top = next(number for number, line in enumerate(frame) if line.startswith(f"{place}/job  Running"))
    assert "attempt 2" in frame[top]
    assert "(restarted 1×: worker-1 exited with code 3)" in frame[top]
    assert frame[top + 1].endswith("40/200 steps  20 %   loss 0.500")
    assert frame[top + 2 : top + 5] == [
        "chief-0   running  on stand-in",
        "worker-0  running  on stand-in",
        "worker-1  running  on stand-in  restarted 1×",
    ]
    left = terminal.screen().text
    assert not any("on stand-in" in line for line in left), "the frame goes, what was told stays"
    assert any(line.endswith("worker-1 exited with code 3") for line in left)
    assert any(f"{place}/job succeeded after" in line for line in left)
    assert (process.returncode, err.decode()) == (0, "")


async def test_ctrl_c_ends_the_watching_and_not_the_job(
    bare_world: World, cluster: Cluster, tmp_path: Path
) -> None:
    pipe = asyncio.subprocess.PIPE
    async with watching(bare_world, cluster, tmp_path, "--output", "json", stdout=pipe) as process:
        await bare_world.until_running(*ALL)
        await bare_world.until_phase("Running")
        assert process.stdout is not None
        lines = [json.loads(await process.stdout.readline()) for _ in range(4)]
        process.send_signal(signal.SIGINT)
        _, err = await process.communicate()
    assert [line["event"] for line in lines] == ["note", "jobCreated", "attemptStarting", "jobRunning"]
    assert {(line["job"], line["namespace"]) for line in lines} == {("job", bare_world.namespace)}
    left = "not watching any more; the job goes on (tfo delete job -n {} ends it)"
    assert (process.returncode, err.decode().strip()) == (130, left.format(bare_world.namespace))
    assert (await bare_world.status())["phase"] == "Running"


async def test_a_network_that_breaks_while_a_job_is_watched_is_told_and_nothing_is_missed(
    bare_world: World, cluster: Cluster, tmp_path: Path
) -> None:
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    found = config["clusters"][0]["cluster"]
    address, _, port = found["server"].rpartition(":")
    async with BreakableLine(int(port)) as line:
        found["server"] = f"{address}:{line.port}"
        (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
        words = ("--kubeconfig", str(tmp_path / "kubeconfig"))
        pipe = asyncio.subprocess.PIPE
        async with watching(bare_world, cluster, tmp_path, *words, stdout=pipe) as process:
            assert process.stdout is not None
            told = await lines_until(process.stdout, "attempt 1 is running", bare_world)
            await line.cut()
            told += await lines_until(process.stdout, "what is shown is how it was", bare_world)
            await bare_world.end("job-worker-1", 3)
            await bare_world.until_running(*ALL, attempt=2)
            await bare_world.until_phase("Running")
            await line.mend()
            told += await lines_until(process.stdout, "attempt 2 is running", bare_world)
            await succeed(bare_world)
            _, err = await process.communicate()
    assert [text.partition(" (")[0] for text in told[4:]] == [
        "the API server does not answer",
        "the API server answers again",
        "warning: worker-1 exited with code 3",
        "attempt 2 starts with 3 replicas",
        "attempt 2 is running",
    ]
    assert (process.returncode, err.decode()) == (0, "")


async def lines_until(stream: asyncio.StreamReader, last: str, world: World) -> list[str]:
    """Without their times of day."""
    lines: list[str] = []
    async with asyncio.timeout(LIMIT_SECONDS):
        while not (lines and lines[-1].endswith(last)):
            line = (await stream.readline()).decode()
            assert line, f"the end came before {last!r}: {lines}; {await world.status()}"
            lines.append(line.rstrip("\n").partition("  ")[2])
    return lines
