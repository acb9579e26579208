"""Files and folders of the user that cannot be what they should be: exit code 2, with the path, in one line."""

from pathlib import Path

import pytest

from orchestrator.cli import main
from tests.fixtures.runs import make_run

LONG = "x" * 300


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a file, a folder and links that lead nowhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TFO_RUNS_DIR", raising=False)
    (tmp_path / "file").touch()
    (tmp_path / "folder.yaml").mkdir()
    for name in ("loop", "loop.yaml"):
        (tmp_path / name).symlink_to(name)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "path"),
    [
        (["run", "folder.yaml"], "folder.yaml"),
        (["run", "loop.yaml"], "loop.yaml"),
        (["plan", "folder.yaml"], "folder.yaml"),
        (["run", "file/job.yaml"], "file/job.yaml"),
        (["run", LONG], LONG),
        (["plan", LONG], LONG),
        (["run", "--", LONG], LONG),
        (["run", "--metrics-port", "0", "--runs-dir", "file", "--", "true"], "file"),
        (["run", "--metrics-port", "0", "--runs-dir", "loop", "--", "true"], "loop"),
        (["run", "--metrics-port", "0", "--runs-dir", "/proc/runs", "--", "true"], "/proc/runs"),
        (["run", "--metrics-port", "0", "--runs-dir", LONG, "--", "true"], LONG),
        (["run", "--metrics-port", "0", "--runs-dir", "file", "--resume", "--", "true"], "file"),
        (["ps", "--runs-dir", "file"], "file"),
        (["logs", "job", "--runs-dir", "file"], "file"),
        (["stop", "job", "--runs-dir", "file"], "file"),
        (["rm", "job", "--runs-dir", "file"], "file"),
        (["ps", "--runs-dir", LONG], LONG),
    ],
)
def test_it_is_named_and_nothing_else_happens(
    words: list[str], path: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = sorted(Path().rglob("*"))
    assert main.main(words) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert path in line
    assert sorted(Path().rglob("*")) == before


@pytest.mark.parametrize("words", [[], ["--tail", "3"], ["chief-0"]])
@pytest.mark.parametrize("kind", ["folder", "loop"])
def test_a_log_that_cannot_be_read(kind: str, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_run(Path("tfo-runs"), "job")
    log = folder.log_file("chief-0", 1)
    if kind == "folder":
        log.mkdir()
    else:
        log.symlink_to(log.name)
    assert main.main(["logs", "job", *words]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert str(log) in line


def test_a_state_that_may_not_be_read_is_listed_as_such(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make_run(Path("tfo-runs"), "job")
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path.name == "state.json":
            raise PermissionError(13, "Permission denied", str(path))
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert main.main(["ps", "--all"]) == 0
    assert "job/1  Unreadable" in capsys.readouterr().out
