"""`tfo` where standard streams are closed or read by nobody, and where the current folder has been removed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.cli import doctor, main
from orchestrator.cli.findings import TensorFlow

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = str(ROOT / "examples" / "cnn.yaml")
GONE = "tfo: the current folder has been removed; go to one that exists and call again\n"


def shell(line: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """A line for bash, in which `tfo` is ours."""
    tfo = f'tfo() {{ "{sys.executable}" -m orchestrator.cli.main "$@"; }}; set -o pipefail; '
    return subprocess.run(
        ["bash", "-c", tfo + line],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


@pytest.mark.process
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_are_no_error(closed: str, tmp_path: Path) -> None:
    done = shell(f"tfo ps {closed}", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.process
def test_nothing_is_printed_into_a_file_that_got_the_number_of_a_closed_stream(tmp_path: Path) -> None:
    """Here a run folder's own files would be the next to be opened."""
    done = shell("tfo run --metrics-port 0 -- true <&- >&- 2>&-", tmp_path)
    assert done.returncode == 0
    [state] = tmp_path.glob("tfo-runs/true/1/state.json")
    assert state.read_text().startswith("{")
    assert "succeeded" not in state.with_name("runner.lock").read_text()


@pytest.mark.process
def test_a_reader_who_leaves_does_not_end_the_run(tmp_path: Path) -> None:
    done = shell("tfo run --metrics-port 0 -- sh -c 'sleep 0.5' | head -1", tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("the job was accepted\n")
    assert shell("tfo ps -a", tmp_path).stdout.splitlines()[1].split()[:2] == ["sh/1", "Succeeded"]


@pytest.mark.process
def test_a_reader_who_leaves_ends_what_only_prints(tmp_path: Path) -> None:
    done = shell("tfo plan cnn --workers 300 --output json | head -c 1", tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (141, "{", "")


@pytest.fixture
def removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current folder is gone."""
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()


@pytest.mark.usefixtures("removed")
@pytest.mark.parametrize(
    "words", [["plan", "cnn"], ["plan", "--", "train"], ["validate", EXAMPLE], ["schema"], ["ps"]]
)
def test_what_needs_no_current_folder_works_without_one(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("removed")
@pytest.mark.parametrize("words", [["run", "cnn"], ["run", EXAMPLE], ["run", "--", "true"]])
def test_a_run_says_that_the_current_folder_is_gone(
    words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.main(words) == 2
    assert capsys.readouterr().err == GONE


@pytest.mark.usefixtures("removed")
def test_the_doctor_needs_no_current_folder(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(doctor, "look_at_tensorflow", lambda command, limit: TensorFlow(version="2.21.0"))
    assert main.main(["doctor", "--output", "json"]) in (0, 1)
    out, err = capsys.readouterr()
    assert (json.loads(out)["facts"]["machine"]["disk_free"], err) == (None, "")
