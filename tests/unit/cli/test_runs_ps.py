"""`tfo ps` on real run folders: which runs it lists and what it says of each."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from msgspec.structs import replace

from orchestrator.api.status import (
    Attempt,
    Cause,
    EndedAttempt,
    JobStatus,
    Phase,
    Progress,
)
from orchestrator.backends.local.run_folder import RunLock
from orchestrator.cli import main, ps
from tests.fixtures.runs import STARTED, make_run

RUNNING = JobStatus(
    phase=Phase.RUNNING,
    restarts=1,
    attempts=(EndedAttempt(number=1, cause=Cause.PROGRAM_SIGNAL, start_time=STARTED, end_time=STARTED),),
    attempt=Attempt(number=2, members=(), start_time=STARTED),
    progress=Progress(step=312, total_steps=420, loss="0.082", accuracy="0.974"),
)


def tfo(runs: Path, *words: str) -> int:
    return main.main(["ps", "--runs-dir", str(runs), *words])


def test_a_live_run_is_listed_with_its_progress(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_run(tmp_path, "digits-cnn", status=RUNNING, pid=4121)
    lock = RunLock(folder)
    assert tfo(tmp_path) == 0
    lock.release()
    head, row = capsys.readouterr().out.splitlines()
    assert head.split() == ["JOB", "PHASE", "ATTEMPT", "STEP", "LOSS", "ACCURACY", "RESTARTS", "AGE", "PID"]
    cells = row.split()
    assert cells[:7] == ["digits-cnn/1", "Running", "2", "312/420", "0.082", "0.974", "1"]
    assert cells[8] == "4121"


def test_columns_stand_under_their_heads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a", "a-much-longer-name"):
        make_run(tmp_path, name)
    tfo(tmp_path, "--all")
    lines = capsys.readouterr().out.splitlines()
    place = lines[0].index("PHASE")
    assert [line[place:].split()[0] for line in lines] == ["PHASE", "Succeeded", "Succeeded"]


def test_an_unfinished_run_without_its_runner_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, status=RUNNING)
    tfo(tmp_path, "--output", "json")
    [row] = json.loads(capsys.readouterr().out)
    assert (row["phase"], row["live"], row["pid"]) == ("Lost", False, None)


def test_ended_runs_are_listed_only_when_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "old")
    tfo(tmp_path)
    told = capsys.readouterr()
    assert (len(told.out.splitlines()), told.err) == (1, "1 ended run not shown: tfo ps --all\n")
    tfo(tmp_path, "-a")
    assert "old/1" in capsys.readouterr().out


def test_a_run_that_has_just_been_decided_but_not_ended_is_still_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = RunLock(make_run(tmp_path, "ending"))
    tfo(tmp_path)
    lock.release()
    assert "ending/1  Succeeded" in capsys.readouterr().out


def test_json_has_every_run_in_the_order_of_names_and_numbers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ["b"] * 11 + ["a"]:
        make_run(tmp_path, name)
    tfo(tmp_path, "-a", "--output", "json")
    rows = json.loads(capsys.readouterr().out)
    assert [row["run"] for row in rows] == ["a/1", *(f"b/{number}" for number in range(1, 12))]
    assert rows[0]["path"] == str(tmp_path / "a" / "1")


def test_a_state_that_cannot_be_read_does_not_hide_the_others(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(tmp_path, "broken").state_file.write_text("{")
    make_run(tmp_path, "other", status=RUNNING)
    assert tfo(tmp_path) == 0
    out = capsys.readouterr().out
    assert "broken/1  Unreadable" in out
    assert "other/1   Lost" in out


def test_no_runs_is_an_empty_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert tfo(tmp_path / "none", "--output", "json") == 0
    assert json.loads(capsys.readouterr().out) == []


def test_the_age_counts_from_the_start_and_is_never_negative(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    state = folder.read_state()
    moments = (STARTED + timedelta(minutes=5), STARTED - timedelta(hours=1))
    assert [ps.describe(folder, state, True, now).age_seconds for now in moments] == [300.0, 0.0]


def test_the_attempt_of_an_ended_run_is_its_last(tmp_path: Path) -> None:
    folder = make_run(tmp_path, status=replace(RUNNING, phase=Phase.FAILED, attempt=None))
    assert ps.describe(folder, folder.read_state(), False, STARTED).attempt == 1


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (59.9, "59s"),
        (60, "1m"),
        (303, "5m3s"),
        (7500, "2h5m"),
        (7205, "2h"),
        (86400 * 3 + 3 * 3600 + 59, "3d3h"),
        (864_000, "10d"),
    ],
)
def test_ages_are_short(seconds: float, text: str) -> None:
    assert ps.age(seconds) == text
