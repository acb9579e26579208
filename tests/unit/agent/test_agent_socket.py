"""The coordinator's socket is removed by an agent only where nobody listens on it any more."""

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.agent.connection import remove_socket


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, as sockets need."""
    path = Path(tempfile.mkdtemp(prefix="t-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_of_a_coordinator_that_lives_nothing_is_removed(folder: Path) -> None:
    path = folder / "s"
    with socket.socket(socket.AF_UNIX) as coordinator:
        coordinator.bind(str(path))
        coordinator.listen()
        remove_socket(f"unix:{path}")
        assert path.is_socket()
    remove_socket(f"unix:{path}")
    assert not folder.exists()


def test_what_others_have_put_beside_it_stays(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as coordinator:
        coordinator.bind(str(folder / "s"))
    (folder / "report").touch()
    remove_socket(f"unix:{folder / 's'}")
    assert [one.name for one in folder.iterdir()] == ["report"]


def test_a_coordinator_elsewhere_has_no_socket_here() -> None:
    remove_socket("127.0.0.1:1")
