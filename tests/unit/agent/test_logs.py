"""The way of a program's output into a file."""

import os
from pathlib import Path

import pytest

from orchestrator.agent.logs import LogFile, LogPump, log_path


def test_lines_are_appended_to_a_file_that_is_made_with_its_folder(tmp_path: Path) -> None:
    path = log_path(str(tmp_path / "a" / "b"), "worker-0", 3)
    files = [LogFile(path), LogFile(path)]
    for file, text in zip(files, ("one", "two"), strict=True):
        file.write([text, "ä"], 0.0)
        file.close()
    assert (tmp_path / "a" / "b" / "worker-0.attempt-3.log").read_text() == "one\nä\ntwo\nä\n"
    assert [file.lost for file in files] == [0, 0]


def test_what_a_full_disk_refuses_is_counted() -> None:
    file = LogFile("/dev/full")
    file.write(["a", "b"], 0.0)
    file.write(["c"], 1.0)
    assert (file.lost, file.trouble) == (3, os.strerror(28))
    file.close()


def test_a_line_that_was_torn_does_not_spoil_the_next(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    file = LogFile(str(path))
    real, room = os.write, [3]

    def write(fd: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(28, os.strerror(28))
        written = real(fd, data[: room[0]])
        room[0] -= written
        return written

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", write)
        file.write(["hello"], 0.0)
        file.write(["lost"], 0.0)
    file.write(["world"], 1.0)
    file.write(["again"], 2.0)
    file.close()
    assert (path.read_text(), file.lost) == ("hel\nworld\nagain\n", 2)


def test_a_file_that_cannot_be_opened_is_tried_again_after_a_while(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.write_text("in the way")
    file = LogFile(str(folder / "log"))
    file.write(["a"], 0.0)
    folder.unlink()
    file.write(["b"], 1.0)
    file.write(["c"], 6.0)
    file.close()
    assert ((folder / "log").read_text(), file.lost) == ("c\n", 2)


def test_a_pump_moves_everything_and_knows_the_end(tmp_path: Path) -> None:
    read, write = os.pipe()
    pump = LogPump(read, str(tmp_path / "log"))
    os.write(write, b"a\nb")
    assert pump.tail(0.0) in ((), ("a",))
    os.close(write)
    assert pump.tail(10.0) == ("a", "b")
    assert (pump.trouble, pump.lost, (tmp_path / "log").read_text()) == ("", 0, "a\nb\n")


def test_without_a_folder_the_output_is_the_agents(capfd: pytest.CaptureFixture[str]) -> None:
    read, write = os.pipe()
    pump = LogPump(read, None)
    os.write(write, b"hello\n")
    os.close(write)
    pump.tail(10.0)
    assert capfd.readouterr().out == "hello\n"
