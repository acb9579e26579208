"""`tfo run` on real processes: unusual ends, and disks that take nothing more for a while.

A full disk is a limit on the size of files (RLIMIT_FSIZE), set from outside on a process that runs already.
"""

import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.fixtures.launcher import Launcher, wait_until

pytestmark = pytest.mark.process
PROGRAM = """
import os, sys, time
while not os.path.exists(sys.argv[1]):
    with open(sys.argv[2], "a") as ticks:
        print(file=ticks)
    print("line")
    time.sleep(0.05)
"""
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.close()


def test_ctrl_backslash_kills_at_once(launch: Launcher) -> None:
    run = launch.training(1, STEPS="100000", IGNORE_TERM="1")
    run.saved(10)
    run.process.send_signal(signal.SIGQUIT)
    ended = run.end(limit=10)
    assert (ended.code, ended.summary["result"], ended.errors) == (131, "cancelled", "")
    run.is_gone()


def test_wrong_data_fails_the_job_at_once_with_the_programs_words(launch: Launcher, tmp_path: Path) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, x_train=np.full((30, 8, 8), np.nan, np.float32), y_train=np.arange(30) % 2)
    ended = launch("mlp", "--workers", "1", "--set", f"data={path}", name="mlp").end()
    assert (ended.code, ended.summary["reason"], ended.summary["restarts"]) == (1, "WrongInput", 0)
    assert "bad.npz: x_train holds NaN" in ended.summary["cause"]["lastLines"][-1]


def test_a_disk_that_is_full_for_a_while_costs_writes_that_are_counted(
    launch: Launcher, tmp_path: Path
) -> None:
    """The last state is written when there is room again; log lines are lost for good."""
    trigger, ticks = tmp_path / "end", tmp_path / "ticks"
    run = launch("--", "python", "-c", PROGRAM, str(trigger), str(ticks), name="python")
    run.in_attempt(1)
    program = run.program("chief-0")
    wait_until(lambda: "line" in run.log("chief-0"), "the first line")
    agent = run.agent("chief-0")
    for pid in (run.process.pid, agent):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    seen = ticks.stat().st_size
    wait_until(lambda: ticks.stat().st_size > seen + 2, "lines that are lost")
    resource.prlimit(agent, resource.RLIMIT_FSIZE, UNLIMITED)
    os.kill(program, signal.SIGKILL)
    wait_until(lambda: run.program("chief-0") != program, "the next attempt")
    resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, UNLIMITED)
    trigger.touch()
    ended = run.end()
    summary = ended.summary
    assert (ended.code, summary["result"], summary["lostLogs"]) == (0, "succeeded", ["chief-0"])
    assert summary["lostWrites"] >= 2
    assert summary["lostLogLines"] >= 2
    assert run.status is not None
    assert run.status.phase == "Succeeded"
    run.is_gone()


def test_a_disk_that_stays_full_keeps_the_end_of_the_run(launch: Launcher) -> None:
    """Of the runner's files none may grow any more, but what was kept free is enough for the last state."""
    run = launch.training(0, STEPS="60")
    run.saved(10)
    room = run.folder.state_file.stat().st_size * 4
    resource.prlimit(run.process.pid, resource.RLIMIT_FSIZE, (room, room))
    assert run.end().code == 0
    assert run.status is not None
    assert run.status.phase == "Succeeded"
    assert not run.folder.reserve_file.exists()
