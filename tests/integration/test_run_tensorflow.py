"""`tfo run` with real TensorFlow on a chief and workers: what dies is replaced, and training goes on where it saved.

Few runs with many assertions each, since a start of TensorFlow takes seconds. The causes and rules that do not need
TensorFlow are in test_run_recovery.
"""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.api.status import Cause
from tests.fixtures.launcher import ROOT, Launcher, Run, wait_until

pytestmark = pytest.mark.tensorflow
LIMIT = 300.0


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.close()


def steps_done(run: Run) -> int:
    """As the newest committed checkpoint says."""
    return max(
        (int(path.name.removeprefix("ckpt-")) for path in run.folder.checkpoints.glob("ckpt-*")), default=0
    )


def digests(run: Run, attempt: int, replicas: tuple[str, ...]) -> set[str]:
    found = set()
    for replica in replicas:
        found |= set(re.findall(r"^weights (\S+) after step", run.log(replica, attempt), re.MULTILINE))
    return found


def test_worker_and_chief_are_killed_one_after_the_other(launch: Launcher) -> None:
    run = launch(str(launch.workload("mlp", {"epochs": 60, "seed": 1}, 2)))
    wait_until(lambda: steps_done(run) >= 100, "step 100", LIMIT)
    os.kill(run.program("worker-1"), signal.SIGKILL)
    wait_until(lambda: run.status and len(run.status.attempts) == 1, "the end of attempt 1", LIMIT)
    wait_until(lambda: steps_done(run) >= 300, "step 300", LIMIT)
    os.kill(run.program("chief-0"), signal.SIGKILL)
    ended = run.end(LIMIT)
    status = run.status
    assert status is not None
    assert (ended.code, ended.summary["restarts"], ended.summary["attempt"]) == (0, 2, 3)
    assert [(one.cause, one.member) for one in status.attempts] == [
        (Cause.PROGRAM_SIGNAL, "worker-1"),
        (Cause.PROGRAM_SIGNAL, "chief-0"),
    ]
    assert all(one.steps_lost <= 40 for one in status.attempts)
    assert ended.summary["metrics"]["val_accuracy"] >= 0.95
    assert len(digests(run, 3, ("chief-0", "worker-0", "worker-1"))) == 1
    run.is_gone()


def test_a_stopped_worker_hangs_the_job_and_is_named(launch: Launcher) -> None:
    job = launch.workload("mlp", {"epochs": 40, "seed": 1}, 2, recovery={"hangTimeoutSeconds": 10})
    run = launch(str(job))
    wait_until(lambda: steps_done(run) >= 40, "step 40", LIMIT)
    os.kill(run.program("worker-0"), signal.SIGSTOP)
    ended = run.end(LIMIT)
    status = run.status
    assert status is not None
    assert (ended.code, ended.summary["restarts"]) == (0, 1)
    assert (status.attempts[0].cause, status.attempts[0].member) == (Cause.HANG, "worker-0")
    run.is_gone()


def test_a_stopped_run_goes_on_with_another_number_of_workers(launch: Launcher) -> None:
    """With an evaluator beside the second run, which looks at its checkpoints and disturbs nobody."""
    first = launch(str(launch.workload("mlp", {"epochs": 200, "seed": 1}, 2)))
    wait_until(lambda: steps_done(first) >= 40, "step 40", LIMIT)
    first.process.send_signal(signal.SIGTERM)
    stopped = first.end(LIMIT)
    assert (stopped.code, stopped.summary["result"]) == (143, "cancelled")
    saved = steps_done(first)
    specs = {"chief": {}, "worker": {"replicas": 1}, "evaluator": {}}
    job = launch.workload("mlp", {"epochs": 40, "seed": 1}, 1, replicaSpecs=specs)
    second = launch(str(job), "--resume")
    ended = second.end(LIMIT)
    assert (ended.code, ended.summary["restarts"]) == (0, 0)
    status = second.status
    assert status is not None
    assert status.attempt is not None
    assert status.attempt.restore_step == saved
    assert ended.summary["metrics"]["val_accuracy"] >= 0.95
    assert "val_accuracy" in second.log("evaluator-0")
    second.is_gone()


def test_an_early_stop_is_not_lost_on_tensorflow(launch: Launcher) -> None:
    """From the moment that the strategy takes SIGTERM over, as closely as can be seen from outside."""
    run = launch(str(launch.workload("mlp", {"epochs": 100000, "seed": 1}, 1)))
    wait_until(lambda: catches_sigterm(run.program("worker-0")), "TensorFlow's handler", LIMIT)
    run.process.send_signal(signal.SIGINT)
    assert run.end(limit=20).code == 130
    run.is_gone()


def catches_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


def test_a_stop_ends_an_unchanged_script_at_once(launch: Launcher) -> None:
    script = str(ROOT / "examples" / "train.py")
    run = launch("--workers", "1", "--", "python", script, "--epochs", "100000", name="train")
    wait_until(lambda: run.status and run.status.progress.step, "a step", LIMIT)
    run.process.send_signal(signal.SIGTERM)
    ended = run.end(limit=20)
    assert (ended.code, ended.summary["message"]) == (143, "the job was stopped")
    run.is_gone()


def test_an_unchanged_script_reports_without_a_word_about_us(launch: Launcher) -> None:
    script = str(ROOT / "examples" / "train.py")
    run = launch("--workers", "2", "--", "python", script, "--epochs", "2", name="train")
    ended = run.end(LIMIT)
    assert (ended.code, ended.summary["result"]) == (0, "succeeded")
    assert {"loss", "accuracy", "val_accuracy"} <= set(ended.summary["metrics"])
    assert ended.summary["step"] == 28
    run.is_gone()
