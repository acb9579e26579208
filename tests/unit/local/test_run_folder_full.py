"""A full disk under a run folder: what of the state is written anyway, and what is counted as lost."""

import errno
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Phase
from orchestrator.backends.local import run_folder
from orchestrator.backends.local.backend import LocalBackend
from orchestrator.backends.local.gpus import Shares
from orchestrator.backends.local.programs import Place
from orchestrator.backends.local.run_folder import RESERVED_BYTES, RunFolder, RunState
from orchestrator.core.plan import Plan
from tests.fixtures.runs import make_run

NOW = datetime(2026, 11, 24, tzinfo=UTC)
ENDED = JobStatus(phase=Phase.SUCCEEDED, message="the job has succeeded")
Disk = Callable[[Callable[[], bool]], None]


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    found = make_run(tmp_path, status=JobStatus(phase=Phase.RUNNING))
    found.reserve()
    return found


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Disk:
    """Full as long as the function says so; only what is there already can be written over."""
    write = Path.write_bytes

    def arrange(is_full: Callable[[], bool]) -> None:
        def write_bytes(path: Path, data: bytes) -> int:
            if is_full():
                write(path, data[: len(data) // 2])
                raise OSError(errno.ENOSPC, "No space left on device", str(path))
            return write(path, data)

        monkeypatch.setattr(Path, "write_bytes", write_bytes)

    return arrange


def left(folder: RunFolder) -> list[str]:
    return sorted(path.name for path in folder.path.iterdir() if path.is_file())


def ended(folder: RunFolder, status: JobStatus = ENDED) -> RunState:
    return run_folder.with_status(folder.read_state(), status)


def test_room_for_the_last_state_is_taken_and_given_back(folder: RunFolder) -> None:
    taken = folder.reserve_file.stat()
    assert (taken.st_size, taken.st_blocks * 512 >= RESERVED_BYTES) == (RESERVED_BYTES, True)
    folder.write_state(ended(folder))
    assert left(folder) == ["state.json"]


def test_the_last_state_takes_the_room_that_was_kept(folder: RunFolder, disk: Disk) -> None:
    disk(folder.reserve_file.exists)
    state = ended(folder)
    folder.write_state(state)
    assert (folder.read_state(), left(folder)) == (state, ["state.json"])


@pytest.mark.parametrize("message", ["", "it failed " * 100])
def test_without_any_room_the_last_state_is_written_over_the_one_before(
    folder: RunFolder, disk: Disk, message: str
) -> None:
    """Shorter and longer than that one."""
    disk(lambda: True)
    state = ended(folder, replace(ENDED, message=message))
    folder.write_state(state)
    assert (folder.read_state(), left(folder)) == (state, ["state.json"])


def test_any_other_state_is_lost_and_the_one_before_stands(folder: RunFolder, disk: Disk) -> None:
    before = folder.read_state()
    disk(lambda: True)
    with pytest.raises(OSError, match="No space left"):
        folder.write_state(run_folder.with_status(before, JobStatus(phase=Phase.RESTARTING)))
    assert (folder.read_state(), left(folder)) == (before, [".reserve", "state.json"])


def a_backend(folder: RunFolder) -> LocalBackend:
    plan = Plan(job=folder.job, service="s", replicas=())
    place = Place(folder=folder.path, environ={})
    return LocalBackend(folder, plan, place, Shares(devices={}), lambda: NOW)


async def test_the_backend_counts_what_was_lost_and_writes_it_when_there_is_room(
    folder: RunFolder, disk: Disk
) -> None:
    backend, full = a_backend(folder), [True]
    disk(lambda: full[0])
    for _ in range(2):
        await backend.write_status(folder.job, JobStatus(phase=Phase.RESTARTING), str(backend.state.version))
    assert (backend.lost_writes, backend.write_error) == (2, "No space left on device")
    assert folder.read_state().status.phase is Phase.RUNNING
    full[0] = False
    await backend.close()
    assert folder.read_state() == backend.state
