"""`tfo stop` against a real process that holds a run's lock."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Phase
from orchestrator.backends.local.run_folder import RunFolder, RunLock
from orchestrator.cli import main
from tests.fixtures.runs import make_run

ROOT = Path(__file__).resolve().parents[3]
Start = Callable[..., RunFolder]


def tfo(runs: Path, *words: str) -> int:
    return main.main(["stop", "--runs-dir", str(runs), *words])


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """A run whose runner ends at the n-th Ctrl-C."""
    with ExitStack() as stack:

        def begin(patience: int) -> RunFolder:
            folder = make_run(tmp_path, status=JobStatus(phase=Phase.RUNNING))
            command = [
                sys.executable,
                "-m",
                "tests.fixtures.stand_in_runner",
                str(folder.path),
                str(patience),
            ]
            process = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
            )
            stack.callback(process.kill)
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            state = folder.read_state()
            folder.write_state(replace(state, runner=replace(state.runner, pid=process.pid)))
            return folder

        yield begin


@pytest.mark.process
def test_stop_interrupts_the_runner_and_waits_for_its_end(
    tmp_path: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = start(1)
    assert tfo(tmp_path, "digits") == 0
    assert not folder.is_live()
    assert capsys.readouterr().out == "digits/1 has ended: Lost\n"


@pytest.mark.process
def test_now_is_a_second_ctrl_c(tmp_path: Path, start: Start) -> None:
    start(2)
    assert tfo(tmp_path, "digits/1", "--now", "--timeout", "20") == 0


@pytest.mark.process
def test_a_runner_that_takes_too_long_is_told_from_one_that_has_ended(
    tmp_path: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = start(2)
    assert tfo(tmp_path, "digits", "--timeout", "0.05") == 1
    assert folder.is_live()
    assert "tfo stop digits/1 --now" in capsys.readouterr().err
    assert tfo(tmp_path, "digits") == 0


def test_a_run_that_has_ended_needs_no_stop(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path)
    assert tfo(tmp_path, "digits") == 0
    assert capsys.readouterr().out == "digits/1 is not running: Succeeded\n"


def test_an_older_run_that_lives_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lock = RunLock(make_run(tmp_path))
    make_run(tmp_path)
    tfo(tmp_path, "digits")
    lock.release()
    assert capsys.readouterr().out == "digits/2 is not running: Succeeded (running: digits/1)\n"


def test_a_process_of_another_machine_is_not_signalled(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = 2**22 + os.getpid()
    lock = RunLock(make_run(tmp_path, pid=nobody))
    code = tfo(tmp_path, "digits")
    lock.release()
    assert code == 2
    assert f"its process {nobody} is not of this machine" in capsys.readouterr().err


def test_a_state_that_cannot_be_read_is_no_guess(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_run(tmp_path)
    folder.state_file.write_text("")
    lock = RunLock(folder)
    code = tfo(tmp_path, "digits")
    lock.release()
    assert code == 2
    assert "its state cannot be read" in capsys.readouterr().err
