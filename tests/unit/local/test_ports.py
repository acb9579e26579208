"""Port reservations: apart from each other, free for the program, given back."""

import os
import socket
import tempfile
from pathlib import Path
from typing import Any

import pytest

from orchestrator.backends.local import ports
from orchestrator.backends.local.ports import NoFreePort, Reservation


def test_two_reservations_share_no_port() -> None:
    first, second = Reservation(["a", "b"]), Reservation(["a", "b"])
    found = [*first.ports.values(), *second.ports.values()]
    first.release()
    second.release()
    assert len(set(found)) == 4


def test_a_reserved_port_is_free_for_the_program() -> None:
    reservation = Reservation(["a"])
    with socket.create_server(("127.0.0.1", reservation.ports["a"])):
        reservation.release()


def test_taken_ports_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "HIGHEST", ports.LOWEST + 1)
    reservation = Reservation(["a"])
    with pytest.raises(NoFreePort):
        Reservation(["b"])
    reservation.release()
    again = Reservation(["b"])
    assert again.ports == {"b": ports.LOWEST}
    again.release()


def test_what_was_reserved_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    one, other = ports.Reservation(["a", "b"]), ports.Reservation(["a"])
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 3
    one.release()
    other.release()
    assert list(folder.iterdir()) == []


def test_a_lock_on_a_file_that_was_removed_reserves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened before its owner gave it back, locked after."""
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(tmp_path))
    (port,) = (held := ports.Reservation(["a"])).ports.values()
    opened = os.open

    def open_just_before_the_end(*arguments: Any) -> int:
        fd = opened(*arguments)
        held.release()
        return fd

    monkeypatch.setattr(os, "open", open_just_before_the_end)
    assert ports._lock(port) is None
