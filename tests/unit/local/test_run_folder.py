"""Run folders: numbers, references, the lock that tells a live run from a lost one."""

from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Phase
from orchestrator.api.types import TensorFlowJob
from orchestrator.backends.local import run_folder
from orchestrator.backends.local.run_folder import RunFolder, RunLock, Runner, RunState

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def a_run(runs: Path, name: str = "digits", phase: Phase = Phase.RUNNING) -> RunFolder:
    job = msgspec.convert(
        {"metadata": {"name": name}, "spec": {"replicaSpecs": {"chief": {}}}}, TensorFlowJob
    )
    folder = run_folder.create(runs, name)
    folder.write_state(RunState(job=job, status=JobStatus(phase=phase), runner=Runner(pid=1, start_time=NOW)))
    return folder


def test_numbers_count_up_and_are_never_reused(tmp_path: Path) -> None:
    first, second = a_run(tmp_path), a_run(tmp_path)
    first.remove()
    assert (first.number, second.number, a_run(tmp_path).number) == (1, 2, 3)


def test_an_unfinished_run_whose_lock_is_free_is_lost(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    lock = RunLock(folder)
    assert (folder.is_live(), folder.phase()) == (True, Phase.RUNNING)
    lock.release()
    assert (folder.is_live(), folder.phase()) == (False, Phase.LOST)


def test_a_finished_run_is_not_lost(tmp_path: Path) -> None:
    assert a_run(tmp_path, phase=Phase.SUCCEEDED).phase() is Phase.SUCCEEDED


def test_the_state_comes_back_as_it_was_written(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    state = run_folder.with_status(folder.read_state(), JobStatus(restarts=2))
    folder.write_state(state)
    assert folder.read_state() == state
    assert state.version == 1


def test_removing_the_last_run_removes_the_job_folder(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    folder.remove()
    assert not list(tmp_path.iterdir())


def test_every_run_is_listed_in_order(tmp_path: Path) -> None:
    a_run(tmp_path, "b")
    a_run(tmp_path, "a")
    a_run(tmp_path, "b")
    assert [(one.job, one.number) for one in run_folder.every(tmp_path)] == [("a", 1), ("b", 1), ("b", 2)]
    assert list(run_folder.every(tmp_path / "none")) == []


def test_a_runner_may_write_while_its_state_is_read(tmp_path: Path) -> None:
    folder = a_run(tmp_path)
    state = folder.read_state()
    for restarts in range(20):
        state = replace(state, status=JobStatus(restarts=restarts))
        folder.write_state(state)
        assert folder.read_state().status.restarts == restarts
