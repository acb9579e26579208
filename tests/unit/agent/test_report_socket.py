"""The agent's end of the report socket."""

import os
import socket
from pathlib import Path

import pytest

from orchestrator.agent.folder import MAX_SOCKET_PATH, Folder
from orchestrator.agent.reports import MAX_DATAGRAMS_PER_TURN, ReportSocket
from orchestrator.protocol.datagrams import Datagram


def test_datagrams_are_taken_a_bounded_number_at_a_time(tmp_path: Path) -> None:
    reports = ReportSocket(Folder(str(tmp_path), "worker-0"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sender:
        assert reports.take() == []
        sender.sendto(b'{"step":1}', reports.path)
        sender.sendto(b"nonsense", reports.path)
        sender.sendto(b" " * 20_000, reports.path)
        assert reports.take() == [Datagram(step=1), None, None]
        flooded = False
        while not flooded:
            try:
                sender.sendto(b"{}", reports.path)
            except BlockingIOError:
                flooded = True
        assert 0 < len(reports.take()) <= MAX_DATAGRAMS_PER_TURN
        reports.discard()
        assert reports.take() == []
    reports.close()
    reports.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("directory", [None, "/" + "x" * 100])
def test_without_a_short_directory_the_folder_is_a_private_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, directory: str | None
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / ("x" * 100)))
    folder = Folder(directory, "evaluator-0")
    reports = ReportSocket(folder)
    assert len(os.fsencode(reports.path)) <= MAX_SOCKET_PATH
    place = Path(reports.path).parent
    assert place.stat().st_mode & 0o777 == 0o700
    assert Path(folder.path(".other")).parent == place
    reports.close()
    folder.close()
    assert not place.exists()


def test_a_place_that_does_not_work_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"."):
        ReportSocket(Folder(str(tmp_path / "missing"), "worker-0"))
