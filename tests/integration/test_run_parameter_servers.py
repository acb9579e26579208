"""`tfo run` of ParameterServerStrategy with real TensorFlow: who dies, who comes back, and what that costs.

Few runs with many assertions each, since a start of TensorFlow takes seconds.
"""

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.api.status import Cause, JobStatus
from tests.fixtures.launcher import ROOT, Launcher, Run, wait_until
from tests.integration.programs_train.members import base_environment, tf_config

pytestmark = pytest.mark.tensorflow
LIMIT = 300.0
SPECS: dict[str, Any] = {"chief": {}, "worker": {"replicas": 2}, "ps": {"replicas": 2}, "evaluator": {}}
OWN_SERVER = """
import tensorflow as tf
me = tf.distribute.cluster_resolver.TFConfigClusterResolver()
print("a server of its own", flush=True)
tf.distribute.Server(me.cluster_spec(), job_name=me.task_type, task_index=me.task_id, protocol="grpc").join()
"""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.close()


def status_of(run: Run) -> JobStatus:
    wait_until(lambda: run.status is not None, "the status", LIMIT)
    found = run.status
    assert found is not None
    return found


def step_of(run: Run) -> int:
    return status_of(run).progress.step or 0


def goes_on(run: Run, steps: int) -> None:
    """Until so many more steps are done."""
    before = step_of(run)
    wait_until(lambda: step_of(run) >= before + steps, f"{steps} steps after step {before}", LIMIT)


def begins(run: Run, attempt: int) -> int:
    """The step that the attempt restores, once it has done a step."""
    wait_until(lambda: number_of(run) == attempt, f"attempt {attempt}", LIMIT)
    found = status_of(run).attempt
    assert found is not None
    restored = found.restore_step or 0
    wait_until(lambda: f"restored step {restored} from" in run.log("chief-0", attempt), "the restore", LIMIT)
    return restored


def number_of(run: Run) -> int:
    attempt = status_of(run).attempt
    return attempt.number if attempt else 0


def address(run: Run, replica: str, attempt: int) -> str:
    """Where a server says that it serves."""
    (found,) = wait_until(
        lambda: re.findall(r" serves at (\S+)\n", run.log(replica, attempt)), f"{replica} to serve", LIMIT
    )
    return str(found)


def served(launch: Launcher, epochs: int, **spec: Any) -> Path:
    args = {"epochs": epochs, "seed": 1, "dropout": 0.1, "export": False}
    shape: dict[str, Any] = {"replicaSpecs": SPECS, "checkpoint": {"everySteps": 100}} | spec
    return launch.workload("mlp", args, 0, strategy="ParameterServer", **shape)


def test_a_worker_comes_back_alone_and_a_parameter_server_or_the_chief_costs_an_attempt(
    launch: Launcher,
) -> None:
    run = launch(str(served(launch, 250)))
    wait_until(lambda: run.status and step_of(run) >= 100, "step 100", LIMIT)
    chief = run.program("chief-0")
    os.kill(run.program("worker-1"), signal.SIGKILL)
    goes_on(run, 100)
    assert address(run, "worker-1", 2) == address(run, "worker-1", 1)
    os.kill(run.program("evaluator-0"), signal.SIGKILL)
    goes_on(run, 100)
    assert (number_of(run), run.program("chief-0"), run.log("worker-0", 2)) == (1, chief, "")

    os.kill(run.program("ps-1"), signal.SIGKILL)
    assert begins(run, 2) >= 100
    goes_on(run, 100)
    os.kill(run.program("chief-0"), signal.SIGKILL)
    assert begins(run, 3) >= 200

    ended = run.end(LIMIT)
    status = status_of(run)
    assert (ended.code, ended.summary["step"], ended.summary["restarts"]) == (0, 250 * 15, 3)
    ends = [(one.cause, one.member) for one in status.attempts]
    assert ends == [(Cause.PROGRAM_SIGNAL, "ps-1"), (Cause.PROGRAM_SIGNAL, "chief-0")]
    sides = {f"{one.role}-{one.index}": one.restarts for one in status.sides}
    assert sides == {"worker-0": 0, "worker-1": 1, "evaluator-0": 1}
    for role in ("chief", "worker", "ps"):
        found = status.replica_statuses[role]
        assert (found.succeeded, found.failed) == (found.desired, 0)
    assert ended.summary["metrics"]["val_accuracy"] >= 0.95
    assert f"step {250 * 15}: val_accuracy" in "".join(run.log("evaluator-0", one) for one in (1, 2))
    assert (run.folder.path / "model" / "model.keras").exists()
    run.is_gone()


def test_a_stop_saves_what_the_servers_hold_and_a_resume_goes_on_there(launch: Launcher) -> None:
    specs: dict[str, dict[str, int]] = {"chief": {}, "worker": {}, "ps": {}}
    first = launch(str(served(launch, 100_000, replicaSpecs=specs, checkpoint={"everySteps": 1_000_000})))
    wait_until(lambda: first.status and step_of(first) >= 30, "step 30", LIMIT)
    first.process.send_signal(signal.SIGTERM)
    stopped = first.end(LIMIT)
    (saved,) = (int(path.name.removeprefix("ckpt-")) for path in first.folder.checkpoints.glob("ckpt-*"))
    assert (stopped.code, stopped.summary["result"], stopped.summary["step"]) == (143, "cancelled", saved)
    first.is_gone()

    specs = {"chief": {}, "worker": {"replicas": 2}, "ps": {"replicas": 2}}
    second = launch(str(served(launch, saved // 15 + 20, replicaSpecs=specs)), "--resume")
    ended = second.end(LIMIT)
    assert (ended.code, ended.summary["restarts"]) == (0, 0)
    assert f"restored step {saved} from" in second.log("chief-0")
    assert ended.summary["metrics"]["val_accuracy"] >= 0.9
    second.is_gone()


def test_a_loop_of_ones_own_goes_on_while_a_worker_is_killed(launch: Launcher) -> None:
    """The workers have no program of their own, the parameter server has one."""

    def container(**words: object) -> dict[str, Any]:
        return {"template": {"spec": {"containers": [{"name": "tensorflow", **words}]}}}

    script = str(ROOT / "examples" / "parameter_server.py")
    job = launch.job(
        0,
        {
            "strategy": "ParameterServer",
            "replicaSpecs": {
                "chief": container(command=["python", script, "--epochs", "100"]),
                "worker": {"replicas": 2},
                "ps": container(command=["python", "-c", OWN_SERVER]),
            },
            "instrument": {},
        }
        | container(),
    )
    run = launch(str(job))
    wait_until(lambda: run.status and step_of(run) >= 28, "step 28", LIMIT)
    os.kill(run.program("worker-0"), signal.SIGKILL)
    goes_on(run, 100)
    ended = run.end(LIMIT)
    assert (ended.code, ended.summary["attempt"], ended.summary["restarts"]) == (0, 1, 1)
    assert ended.summary["step"] == 1400
    assert ended.summary["metrics"]["val_accuracy"] >= 0.9
    assert address(run, "worker-0", 2) == address(run, "worker-0", 1)
    assert "a server of its own" in run.log("ps-0")
    run.is_gone()


def test_a_server_that_is_told_to_stop_serves_its_chief_to_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as chief, socket.socket() as spare:
        spare.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in (chief, spare)]
        spare.close()
        variables = base_environment() | {"TF_CONFIG": tf_config([("chief", 0), ("ps", 0)], addresses, 1)}
        command = [sys.executable, "-m", "orchestrator.train.server"]
        server = subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == f"ps 0 serves at {addresses[1]}\n"
            server.send_signal(signal.SIGTERM)
            for _ in range(2):  # it looks whether its chief is still there, again and again
                chief.settimeout(LIMIT)
                chief.accept()[0].close()
            assert server.poll() is None
            chief.close()
            assert server.wait(LIMIT) == 143
        finally:
            server.kill()
            server.communicate()
