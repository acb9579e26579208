"""`tfo rm` on real run folders, and what all commands say of a run that is not there."""

import shutil
from pathlib import Path

import pytest

from orchestrator.api.status import JobStatus, Phase
from orchestrator.backends.local.run_folder import RunLock
from orchestrator.cli import main
from tests.fixtures.runs import make_run


def tfo(runs: Path, *words: str) -> int:
    return main.main([*words, "--runs-dir", str(runs)])


def left(runs: Path) -> list[str]:
    return sorted(f"{one.parent.parent.name}/{one.parent.name}" for one in runs.glob("*/*/state.json"))


def three_and_one(runs: Path) -> None:
    for name in ("a", "a", "a", "b"):
        make_run(runs, name, logs={"chief-0.attempt-1": "text"})


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["a"], ["a/1", "a/2", "b/1"]),
        (["a/1"], ["a/2", "a/3", "b/1"]),
        (["a/1", "b"], ["a/2", "a/3"]),
        (["a", "a/3"], ["a/1", "a/2", "b/1"]),
        (["a", "--all"], ["b/1"]),
        (["--all"], []),
    ],
)
def test_what_is_named_is_removed(tmp_path: Path, words: list[str], kept: list[str]) -> None:
    three_and_one(tmp_path)
    assert tfo(tmp_path, "rm", *words) == 0
    assert left(tmp_path) == kept


def test_the_last_run_of_a_job_takes_the_job_s_folder_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "b")
    tfo(tmp_path, "rm", "b")
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out == "removed b/1\n"


def test_a_live_run_is_refused_and_nothing_else_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "a")
    lock = RunLock(make_run(tmp_path, "b", status=JobStatus(phase=Phase.RUNNING)))
    code = tfo(tmp_path, "rm", "a", "b")
    lock.release()
    assert code == 2
    assert left(tmp_path) == ["a/1", "b/1"]
    assert capsys.readouterr().err == "tfo: still running: b/1; first: tfo stop b/1\n"


def test_all_keeps_what_lives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(tmp_path, "a")
    lock = RunLock(make_run(tmp_path, "a", status=JobStatus(phase=Phase.RUNNING)))
    code = tfo(tmp_path, "rm", "--all")
    lock.release()
    assert (code, left(tmp_path)) == (0, ["a/2"])
    assert capsys.readouterr().out == "removed a/1\nkept a/2: still running\n"


def test_a_lost_run_and_one_whose_state_is_broken_can_be_removed(tmp_path: Path) -> None:
    make_run(tmp_path, "lost", status=JobStatus(phase=Phase.RUNNING))
    make_run(tmp_path, "broken").state_file.write_text("?")
    assert tfo(tmp_path, "rm", "lost", "broken") == 0
    assert left(tmp_path) == []


@pytest.mark.parametrize("words", [["a/2"], ["a", "--all"], ["--all"]])
def test_what_a_run_left_that_was_killed_before_it_had_a_state_is_removed(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "a")
    make_run(tmp_path, "a").state_file.unlink()
    assert tfo(tmp_path, "rm", *words) == 0
    assert "removed a/2\n" in capsys.readouterr().out
    assert not (tmp_path / "a" / "2").exists()


def test_a_job_means_its_newest_run_with_a_state_if_there_is_one(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    for _ in range(2):
        make_run(tmp_path, "a").state_file.unlink()
    assert [tfo(tmp_path, "rm", "a") for _ in range(3)] == [0, 0, 0]
    assert not (tmp_path / "a").exists()


def test_a_run_that_begins_is_not_taken_for_one_that_was_killed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(tmp_path, "a")
    folder.state_file.unlink()
    lock = RunLock(folder)
    codes = [tfo(tmp_path, "rm", word) for word in ("a/1", "--all")]
    lock.release()
    assert (codes, folder.path.is_dir()) == ([2, 0], True)
    assert capsys.readouterr().out == "kept a/1: still running\n"


def test_one_that_cannot_be_removed_keeps_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    three_and_one(tmp_path)
    remove = shutil.rmtree

    def refuse(path: Path) -> None:
        if path == tmp_path / "a" / "2":
            raise PermissionError(13, "Permission denied", str(path))
        remove(path)

    monkeypatch.setattr(shutil, "rmtree", refuse)
    assert tfo(tmp_path, "rm", "--all") == 2
    assert left(tmp_path) == ["a/2"]
    said = capsys.readouterr()
    assert said.out == "removed a/1\nremoved a/3\nremoved b/1\n"
    assert said.err == f"tfo: cannot remove {tmp_path}/a/2: Permission denied\n"


@pytest.mark.parametrize("command", ["logs", "stop", "rm"])
@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("digit-cnn", "no run of a job 'digit-cnn' in {runs}; did you mean 'digits-cnn'?"),
        ("zzz", "no run of a job 'zzz' in {runs}; there: digits-cnn"),
        ("digits-cnn/7", "job 'digits-cnn' has no run '7'; it has 1"),
        ("digits-cnn/x", "job 'digits-cnn' has no run 'x'; it has 1"),
        ("../digits-cnn", "no run of a job '..'"),
    ],
)
def test_a_run_that_is_not_there_is_said_with_the_nearest_that_is(
    tmp_path: Path, command: str, reference: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "digits-cnn")
    assert tfo(tmp_path, command, reference) == 2
    assert words.format(runs=tmp_path) in capsys.readouterr().err
    assert left(tmp_path) == ["digits-cnn/1"]


@pytest.mark.parametrize("command", ["logs", "stop", "rm"])
def test_where_there_are_no_runs_it_says_how_to_name_another_folder(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tfo(tmp_path / "none", command, "cnn") == 2
    assert "TFO_RUNS_DIR" in capsys.readouterr().err


def test_long_lists_of_runs_are_cut_to_the_newest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(12):
        make_run(tmp_path, "a")
    tfo(tmp_path, "rm", "a/99")
    assert capsys.readouterr().err.rstrip().endswith("it has …, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12")
