"""`tfo logs` on real log files: whose lines, behind which name, from where on, and until when."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.backends.local.run_folder import RunFolder, RunLock
from orchestrator.cli import log_files, main
from orchestrator.cli.log_files import Cursor, every_file, tail_offsets
from tests.fixtures.runs import make_run

TWO_ATTEMPTS = {
    "chief-0.attempt-1": "one\ntwo\n",
    "worker-0.attempt-1": "w one\n",
    "chief-0.attempt-2": "three\n",
    "worker-0.attempt-2": "w two\nw three\n",
    "worker-0.agent": "of the agent itself\n",
}


def tfo(runs: Path, *words: str) -> int:
    return main.main(["logs", "--runs-dir", str(runs), *words])


def test_all_replicas_stand_behind_their_names_in_the_order_of_attempts_and_ranks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, workers=1, logs=TWO_ATTEMPTS)
    assert tfo(tmp_path, "digits") == 0
    assert capsys.readouterr().out == (
        "chief-0     | one\n"
        "chief-0     | two\n"
        "worker-0    | w one\n"
        "chief-0 #2  | three\n"
        "worker-0 #2 | w two\n"
        "worker-0 #2 | w three\n"
    )


def test_one_replica_is_printed_as_it_is_with_its_attempts_told_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, workers=1, logs=TWO_ATTEMPTS)
    tfo(tmp_path, "digits/1", "chief-0")
    assert capsys.readouterr().out == (
        "==> chief-0 attempt 1 <==\none\ntwo\n==> chief-0 attempt 2 <==\nthree\n"
    )


def test_one_attempt_of_one_replica_is_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, workers=1, logs=TWO_ATTEMPTS)
    tfo(tmp_path, "digits", "worker-0", "--attempt", "2")
    assert capsys.readouterr().out == "w two\nw three\n"


def test_the_tail_counts_lines_of_each_replica_newest_attempt_first(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, workers=1, logs=TWO_ATTEMPTS)
    tfo(tmp_path, "digits", "--tail", "2")
    assert [line.partition(" | ")[2] for line in capsys.readouterr().out.splitlines()] == [
        "two",
        "three",
        "w two",
        "w three",
    ]


def test_bytes_that_are_no_text_pass_unchanged(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    folder = make_run(tmp_path)
    (folder.logs / "chief-0.attempt-1.log").write_bytes(b"\xff\x00 50 %\r 100 %\nlast without end")
    tfo(tmp_path, "digits", "chief-0")
    assert capfdbinary.readouterr().out == b"\xff\x00 50 %\r 100 %\nlast without end\n"


def test_an_unknown_replica_is_refused_with_the_nearest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, workers=2)
    assert tfo(tmp_path, "digits", "wroker-1") == 2
    assert "did you mean 'worker-1'? (replicas: chief-0, worker-0, worker-1)" in capsys.readouterr().err


def test_an_unknown_attempt_is_refused_with_those_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, logs=TWO_ATTEMPTS)
    assert tfo(tmp_path, "digits", "--attempt", "3") == 2
    assert "digits/1 has no attempt 3; it has 1, 2" in capsys.readouterr().err


def test_no_output_is_said_and_whether_any_can_come(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(tmp_path)
    assert tfo(tmp_path, "digits") == 0
    assert capsys.readouterr().err == "digits/1: no output; the run has ended: Succeeded\n"
    lock = RunLock(folder)
    assert tfo(tmp_path, "digits", "chief-0") == 0
    lock.release()
    assert capsys.readouterr().err == "digits/1: no output of chief-0 yet\n"


class Following:
    """`tfo logs -f` in a thread of its own."""

    def __init__(self, runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self._out = self._err = ""
        self.code: int | None = None
        self._thread = threading.Thread(target=self._run, args=(runs,))
        self._thread.start()

    def _run(self, runs: Path) -> None:
        self.code = tfo(runs, "digits", "-f")

    def _read(self) -> None:
        out, err = self._capsys.readouterr()
        self._out += out
        self._err += err

    def wait_for(self, text: str) -> None:
        moment = threading.Event()
        while text not in self._out:
            assert self._thread.is_alive(), self._out
            moment.wait(0.01)
            self._read()

    def end(self) -> tuple[str, str]:
        self._thread.join(30)
        self._read()
        return self._out, self._err


@pytest.fixture
def live(tmp_path: Path) -> Iterator[tuple[RunFolder, Callable[[], None]]]:
    folder = make_run(tmp_path, logs={"chief-0.attempt-1": "old\n"})
    locks = [RunLock(folder)]

    def end() -> None:
        if locks:
            locks.pop().release()

    yield folder, end
    end()


def test_following_prints_what_comes_new_attempts_too_and_ends_with_the_run(
    tmp_path: Path, live: tuple[RunFolder, Callable[[], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    folder, end = live
    following = Following(tmp_path, capsys)
    try:
        following.wait_for("chief-0 | old\n")
        with (folder.logs / "chief-0.attempt-1.log").open("a") as file:
            file.write("half")
            file.flush()
            (folder.logs / "chief-0.attempt-2.log").write_text("again\n")
            following.wait_for("chief-0 #2 | again\n")
            file.write(" and half\n")
        following.wait_for("chief-0    | half and half\n")
        (folder.logs / "chief-0.attempt-2.log").write_text("again\nlast words")
    finally:
        end()
    out, err = following.end()
    assert out.endswith("chief-0 #2 | last words\n")
    assert out.count("again") == 1
    assert (following.code, err) == (0, "digits/1 has ended: Succeeded\n")


def test_following_an_ended_run_prints_it_and_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, logs={"chief-0.attempt-1": "all\n"})
    assert tfo(tmp_path, "digits", "-f", "--tail", "0") == 0
    assert capsys.readouterr().out == ""


def lines_of(text: bytes) -> list[bytes]:
    """A line feed at the end begins no line."""
    found = text.split(b"\n")
    return found if found[-1] else found[:-1]


@pytest.mark.parametrize("piece", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize(
    "text", [b"", b"\n", b"a", b"a\n", b"a\nb", b"a\nbb\nccc\n", b"\n\n\na\n\n", b"ab\ncd\nef"]
)
def test_the_last_lines_are_the_last_lines_wherever_pieces_end(
    text: bytes, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "_PIECE", piece)
    path = tmp_path / "chief-0.attempt-1.log"
    path.write_bytes(text)
    files = every_file(tmp_path)
    lines = lines_of(text)
    for count in range(6):
        offset = tail_offsets(files, count)[path]
        assert lines_of(text[offset:]) == (lines[-count:] if count else [])


def test_a_long_line_without_end_is_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "_PIECE", 4)
    (tmp_path / "chief-0.attempt-1.log").write_bytes(b"abcdefghij\nk\n")
    [file] = every_file(tmp_path)
    assert list(Cursor(file).read(to_the_end=False)) == [b"abcd", b"efgh", b"ij", b"k"]


def test_files_of_a_folder_that_is_gone_are_none(tmp_path: Path) -> None:
    assert every_file(tmp_path / "gone") == []
