"""Checkpoints without TensorFlow: committed whole or not at all, pruned, replaced, and a disk that refuses."""

import errno
import os
import resource
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from orchestrator.protocol.checkpoints import checkpoint_path, committed_steps
from orchestrator.train import Checkpointer, commit, model_state
from orchestrator.train.reporter import Reporter
from orchestrator.train.steps import steps_of
from tests.unit.train.conftest import Listener


@pytest.fixture(autouse=True)
def outside_any_job(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TF_CONFIG", "TFO_CHECKPOINT_DIR", "TFO_RANK", "TFO_ROLE", "TFO_CHECKPOINT_KEEP"):
        monkeypatch.delenv(name, raising=False)


def write_number(number: int) -> commit.Writer:
    def write(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "number").write_text(str(number))

    return write


def read_number(checkpointer: Checkpointer, step: int) -> int:
    return int((checkpointer.restore_path(step) / "inner" / "number").read_text())


def fail_after_half(folder: Path) -> None:
    (folder / "half").write_text("x")
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_save_is_there_as_a_whole_and_reported(
    tmp_path: Path, listener: Listener, reporter: Reporter
) -> None:
    checkpointer = Checkpointer(tmp_path / "new" / "folder")
    assert checkpointer.latest_step() is None
    assert checkpointer.save_state(10, write_number(1))
    assert (checkpointer.latest_step(), read_number(checkpointer, 10)) == (10, 1)
    assert [path.name for path in Path(checkpointer.directory).iterdir()] == ["ckpt-0000000010"]
    heard = listener.heard()
    assert [each.busy for each in heard] == ["saving", "", ""]
    assert heard[-1].checkpoint is not None
    assert (heard[-1].checkpoint.step, heard[-1].checkpoint.ok) == (10, True)
    assert 0 < heard[-1].checkpoint.seconds <= reporter.saving_seconds


def test_the_newest_are_kept(tmp_path: Path) -> None:
    checkpointer = Checkpointer(tmp_path, keep=2)
    for step in (10, 20, 30, 40):
        checkpointer.save_state(step, write_number(step))
    assert committed_steps(str(tmp_path)) == [30, 40]


def test_the_one_just_made_is_kept_even_beside_higher_steps(tmp_path: Path) -> None:
    """After going back to an older step, the way forward must not be lost."""
    for step in (100, 200, 300):
        Checkpointer(tmp_path).save_state(step, write_number(step))
    Checkpointer(tmp_path, keep=2).save_state(110, write_number(110))
    assert committed_steps(str(tmp_path)) == [110, 300]


def test_a_step_that_is_saved_again_replaces_the_first(tmp_path: Path) -> None:
    checkpointer = Checkpointer(tmp_path)
    for number in (1, 2):
        assert checkpointer.save_state(10, write_number(number))
    assert read_number(checkpointer, 10) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["ckpt-0000000010"]


def test_a_full_disk_is_counted_and_said_once_and_nothing_half_written_stays(
    tmp_path: Path, listener: Listener, reporter: Reporter, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save_state(10, write_number(1))
    listener.heard()
    assert not checkpointer.save_state(20, fail_after_half)
    assert not checkpointer.save_state(30, fail_after_half)
    assert [path.name for path in tmp_path.iterdir()] == ["ckpt-0000000010"]
    heard = listener.heard()
    assert [(each.checkpoint.step, each.checkpoint.ok) for each in heard if each.checkpoint] == [
        (20, False),
        (30, False),
    ]
    (note,) = [each.note for each in heard if each.note]
    assert "step 20" in note
    assert "No space left on device" in note
    assert capsys.readouterr().err == f"tfo: {note}\n"
    assert checkpointer.save_state(40, write_number(4))
    assert not checkpointer.save_state(50, fail_after_half)
    assert len([each.note for each in listener.heard() if each.note]) == 1


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond 64 KiB: the nearest to a full disk that needs no root."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_write_that_the_kernel_refuses_is_survived(tmp_path: Path, small_files: None) -> None:
    def write(folder: Path) -> None:
        (folder / "large").write_bytes(b"x" * 200_000)

    assert not Checkpointer(tmp_path).save_state(10, write)
    assert list(tmp_path.iterdir()) == []


def test_a_failure_at_the_very_commit_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpointer = Checkpointer(tmp_path)
    checkpointer.save_state(10, write_number(1))

    def refuse(source: object, target: object) -> None:
        raise OSError(errno.EIO, "refused")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        assert not checkpointer.save_state(10, write_number(2))
        assert not checkpointer.save_state(20, write_number(2))
    assert committed_steps(str(tmp_path)) == [10]
    assert read_number(checkpointer, 10) == 1


def test_a_directory_that_cannot_be_made_is_a_lost_save_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert not Checkpointer(tmp_path / "file" / "checkpoints").save_state(1, write_number(1))


def test_a_programs_own_mistake_is_not_swallowed(tmp_path: Path) -> None:
    def mistake(folder: Path) -> None:
        raise ValueError("mistake")

    with pytest.raises(ValueError, match="mistake"):
        Checkpointer(tmp_path).save_state(1, mistake)
    assert list(tmp_path.iterdir()) == []


def test_members_that_do_not_lead_do_the_same_work_and_keep_nothing(
    tmp_path: Path, listener: Listener, reporter: Reporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    folders: list[Path] = []
    checkpointer = Checkpointer(tmp_path / "checkpoints", leader=False)
    assert checkpointer.save_state(10, folders.append)
    assert checkpointer.save_state(20, fail_after_half)
    assert folders[0].parent == scratch
    assert list(scratch.iterdir()) == []
    assert not (tmp_path / "checkpoints").exists()
    assert [each.checkpoint for each in listener.heard() if each.checkpoint or each.note] == []


def test_leftovers_of_dead_saves_are_swept_by_the_leader(tmp_path: Path) -> None:
    (tmp_path / ".tmp-dead").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    Checkpointer(tmp_path, leader=False).save_state(1, write_number(1))
    assert (tmp_path / ".tmp-dead").exists()
    Checkpointer(tmp_path).save_state(1, write_number(1))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ckpt-0000000001", "notes.txt"]


def test_the_environment_says_where_how_many_and_who(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="TFO_CHECKPOINT_DIR"):
        Checkpointer()
    monkeypatch.setenv("TFO_CHECKPOINT_DIR", str(tmp_path))
    monkeypatch.setenv("TFO_CHECKPOINT_KEEP", "7")
    monkeypatch.setenv("TFO_RANK", "2")
    checkpointer = Checkpointer()
    assert (checkpointer.directory, checkpointer.keep, checkpointer.is_leader) == (str(tmp_path), 7, False)
    with pytest.raises(ValueError, match="at least 1"):
        Checkpointer(keep=0)


def test_a_restored_model_is_one_of_that_step_whatever_its_optimizer_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_state, "write_model", lambda model, folder: None)
    monkeypatch.setattr(model_state, "read_model", lambda model, folder: None)
    counted = SimpleNamespace(iterations=SimpleNamespace(numpy=lambda: 53))
    model = SimpleNamespace(optimizer=counted)
    Checkpointer(tmp_path).save(model, 50, {"examples": 400})
    assert Checkpointer(tmp_path).restore(model, 50) == {"examples": 400}
    assert steps_of(model) == 50


def test_what_is_not_there_cannot_be_restored(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="step 5"):
        Checkpointer(tmp_path).restore_path(5)


def test_what_cannot_be_removed_stays_and_harms_nobody(tmp_path: Path) -> None:
    commit.remove(str(tmp_path), 5)
    Path(checkpoint_path(str(tmp_path), 5)).mkdir()
    commit.prune(str(tmp_path), keep=1, newest=9)
    assert list(tmp_path.iterdir()) == []
