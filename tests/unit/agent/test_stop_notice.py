"""The file that tells a program of a stop: there from the stop on, never for the next program."""

import os
from pathlib import Path

import pytest

from orchestrator.agent.folder import Folder
from orchestrator.agent.stop_notice import StopNotice


@pytest.fixture
def notice(tmp_path: Path) -> StopNotice:
    return StopNotice(Folder(str(tmp_path), "worker-0"))


def test_it_is_there_from_the_stop_on_and_gone_for_the_next_program(notice: StopNotice) -> None:
    path = Path(notice.place())
    assert not path.exists()
    notice.give()
    assert path.exists()
    assert notice.place() == str(path)
    assert not path.exists()
    notice.give()
    notice.close()
    assert not path.exists()


def test_what_an_agent_of_the_same_number_left_behind_is_removed(tmp_path: Path, notice: StopNotice) -> None:
    """In a container each has the same."""
    (tmp_path / f"worker-0-{os.getpid()}.stop").touch()
    assert not Path(notice.place()).exists()


def test_one_that_cannot_be_removed_is_shown_to_nobody(tmp_path: Path, notice: StopNotice) -> None:
    """As in a file system that has become read-only: each attempt would take itself for one that was asked to stop."""
    (tmp_path / f"worker-0-{os.getpid()}.stop").mkdir()  # what unlink refuses, to root too
    with pytest.raises(OSError, match="directory"):
        notice.place()


def test_where_it_cannot_be_written_the_signal_alone_has_to_do(tmp_path: Path) -> None:
    notice = StopNotice(Folder(str(tmp_path / "missing"), "worker-0"))
    path = notice.place()
    notice.give()
    notice.close()
    assert not os.path.exists(path)
