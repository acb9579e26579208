"""How far a real run has come, as `tfo ps` in another terminal says while it goes on, and as its end records it."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.launcher import Launcher, wait_until

pytestmark = pytest.mark.process

STEPPING = """
import sys, time
from orchestrator.train import report
step = 0
while True:
    step += 1
    report(step=step, total_steps=100_000, loss=1 / step)
    if step == int(sys.argv[1]):
        time.sleep(600)
    time.sleep(0.05)
"""


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launcher]:
    launcher = Launcher(tmp_path)
    yield launcher
    launcher.close()


def begin(launch: Launcher, silent_after: int, **recovery: int) -> None:
    """A program that reports a step every 50 ms, and nothing after the one that is named."""
    job = launch.job(
        0,
        {"telemetry": {}, "recovery": recovery},
        command=(sys.executable, "-c", STEPPING, str(silent_after)),
    )
    launch(str(job)).in_attempt(1)


def step_told(launch: Launcher) -> int:
    """As `tfo ps` says it; 0 before the first."""
    [row] = json.loads(launch.tfo("ps", "--output", "json").stdout)
    return row["step"] or 0


def test_ps_follows_a_run_that_does_nothing_but_steps(launch: Launcher) -> None:
    begin(launch, silent_after=0)
    first = wait_until(lambda: step_told(launch), "a first step", 10.0)
    wait_until(lambda: step_told(launch) > first, "a later step", 5.0)
    wait_until(lambda: step_told(launch) > first + 40, "the steps of two more seconds", 7.0)


def test_a_run_that_hangs_is_at_the_last_step_that_its_program_reported(launch: Launcher) -> None:
    """Also if that came within the interval (here the usual second) after which the one before had been sent."""
    begin(launch, silent_after=40)
    wait_until(lambda: step_told(launch) == 40, "the last step", 10.0)
    run = launch.started[-1]
    run.process.terminate()
    assert run.end().summary["step"] == 40
