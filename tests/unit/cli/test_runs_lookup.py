"""Finding runs while they come, go and break."""

from pathlib import Path

import pytest

from orchestrator.api.status import JobStatus, Phase
from orchestrator.cli import main
from orchestrator.cli.errors import Refused
from orchestrator.cli.log_files import Cursor, every_file, tail_offsets
from orchestrator.cli.lookup import every_run, find_run, label, phase_of, read_state
from orchestrator.cli.rm import remove
from tests.fixtures.runs import make_run


def test_a_run_being_made_is_none_yet(tmp_path: Path) -> None:
    """Its folder is there before its state: JOB means the newest that can be looked at."""
    make_run(tmp_path, "digits")
    (tmp_path / "digits" / "2").mkdir()
    assert label(find_run(tmp_path, "digits")) == "digits/1"


def test_a_number_means_that_run(tmp_path: Path) -> None:
    for _ in range(3):
        make_run(tmp_path, "digits")
    found = [find_run(tmp_path, reference) for reference in ("digits", "digits/3", "digits/1")]
    assert [label(one) for one in found] == ["digits/3", "digits/3", "digits/1"]


@pytest.mark.parametrize("reference", ["", "other", "digits/7", "digits/x", "..", "../digits", "digits/1/.."])
def test_what_is_no_run_is_not_found(tmp_path: Path, reference: str) -> None:
    make_run(tmp_path, "digits")
    with pytest.raises(Refused, match="no run"):
        find_run(tmp_path, reference)


def test_runs_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for _ in range(11):
        make_run(tmp_path, "a")
    assert [one.number for one in every_run(tmp_path)] == list(range(1, 12))


def test_phases_that_no_state_has(tmp_path: Path) -> None:
    lost = make_run(tmp_path, "lost", status=JobStatus(phase=Phase.RUNNING))
    broken, removed = make_run(tmp_path, "broken"), make_run(tmp_path, "removed")
    broken.state_file.write_text("[]")
    removed.remove()
    assert [phase_of(one) for one in (lost, broken, removed)] == ["Lost", "Unreadable", "Removed"]
    assert [read_state(one) for one in (broken, removed)] == [None, None]


def test_removing_what_somebody_else_removes_is_no_error(tmp_path: Path) -> None:
    folder = make_run(tmp_path)
    folder.remove()
    remove(folder)


def test_a_log_that_is_removed_meanwhile_has_ended(tmp_path: Path) -> None:
    folder = make_run(tmp_path, logs={"chief-0.attempt-1": "text\n"})
    [file] = every_file(folder.logs)
    folder.remove()
    assert list(Cursor(file).read(to_the_end=True)) == []
    assert tail_offsets([file], 5) == {file.path: 0}


def test_a_folder_that_cannot_be_written_is_said_with_its_reason(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_run(tmp_path)

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("shutil.rmtree", refuse)
    assert main.main(["rm", "digits", "--runs-dir", str(tmp_path)]) == 2
    assert capsys.readouterr().err == f"tfo: cannot remove {folder.path}: Permission denied\n"
