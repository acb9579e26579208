"""The coordinator's socket is removed by an agent only where nobody listens on it any more."""

import select
import shutil
import socket
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.agent import connection
from orchestrator.agent.connection import remove_socket


@pytest.fixture
def folder() -> Iterator[Path]:
    """A short path, as sockets need."""
    path = Path(tempfile.mkdtemp(prefix="t-"))
    yield path
    shutil.rmtree(path, ignore_errors=True)


def test_of_a_coordinator_that_lives_nothing_is_removed(folder: Path) -> None:
    path = folder / "s"
    with _listening(path) as coordinator, ThreadPoolExecutor() as elsewhere:
        elsewhere.submit(_speak, coordinator)
        remove_socket(f"unix:{path}")
        assert path.is_socket()
    remove_socket(f"unix:{path}")
    assert not folder.exists()


def test_a_coordinator_that_is_only_just_dying_is_waited_for(folder: Path) -> None:
    """The kernel has ended its pipes already, its socket not yet; the connection in its queue is never answered."""
    path = folder / "s"
    with _listening(path) as coordinator, ThreadPoolExecutor() as elsewhere:
        removed = elsewhere.submit(remove_socket, f"unix:{path}")
        select.select([coordinator], [], [])
        coordinator.close()
        removed.result()
    assert not folder.exists()


def test_of_one_too_busy_to_speak_nothing_is_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_DYING_SECONDS", 0.01)
    with _listening(folder / "s"):
        remove_socket(f"unix:{folder / 's'}")
        assert (folder / "s").is_socket()


def _speak(coordinator: socket.socket) -> None:
    with coordinator.accept()[0] as accepted:
        accepted.send(b"settings")


def _listening(path: Path) -> socket.socket:
    made = socket.socket(socket.AF_UNIX)
    made.bind(str(path))
    made.listen()
    return made


def test_what_others_have_put_beside_it_stays(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as coordinator:
        coordinator.bind(str(folder / "s"))
    (folder / "report").touch()
    remove_socket(f"unix:{folder / 's'}")
    assert [one.name for one in folder.iterdir()] == ["report"]


def test_a_coordinator_elsewhere_has_no_socket_here() -> None:
    remove_socket("127.0.0.1:1")
