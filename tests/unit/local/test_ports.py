"""Port reservations: apart from each other, free for the program, given back."""

import socket

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
