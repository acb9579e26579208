"""What `tfo run` refuses before anything has been made: exit code 2, plain words, and no trace of a run."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.protocol.checkpoints import checkpoint_path
from tests.fixtures.runs import make_run


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    before = sorted(Path().rglob("*"))
    assert main.main(["run", *words]) == 2
    assert sorted(Path().rglob("*")) == before
    return capsys.readouterr().err


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_metrics_port_that_is_taken(taken: int, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "--metrics-port", str(taken), "--", "true")
    assert said == f"tfo: --metrics-port: cannot serve metrics on 127.0.0.1:{taken}: Address already in use\n"


@pytest.mark.parametrize("text", ["", "?", "[]", '{"job": 1}', "[" * 100_000, "\udcff"])
def test_a_damaged_state_to_resume_from_is_left_as_it_is(
    text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = make_run(Path("tfo-runs"), "true")
    data = text.encode("utf-8", "surrogateescape")
    folder.state_file.write_bytes(data)
    said = refused(capsys, "--resume", "--", "true")
    assert said.startswith(f"tfo: --resume: {folder.state_file}: is damaged (")
    assert said.endswith(f"or start without --resume; its checkpoints are in {folder.checkpoints}\n")
    assert folder.state_file.read_bytes() == data


def test_a_run_without_a_checkpoint_to_resume_from(capsys: pytest.CaptureFixture[str]) -> None:
    folder = make_run(Path("tfo-runs"), "true")
    said = refused(capsys, "--resume", "--", "true")
    assert said == f"tfo: --resume: true/1 has no committed checkpoint in {folder.checkpoints}\n"


def test_a_run_without_a_checkpoint_names_the_newest_run_that_has_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = [make_run(Path("tfo-runs"), "true") for _ in range(4)]
    for folder in runs[:2]:
        Path(checkpoint_path(str(folder.checkpoints), 100)).mkdir()
    runs[2].state_file.write_text("?")
    told = "has one: --resume=true/2\n"
    assert refused(capsys, "--resume", "--", "true").endswith(f" in {runs[3].checkpoints}; true/2 {told}")
    other = ("--set", "spec.checkpoint.from=true", "--name", "other", "--", "true")
    assert refused(capsys, *other).endswith(f"; true/2 {told}")


@pytest.mark.parametrize("reference", ["train/7", "other/1"])
def test_a_run_to_resume_from_that_is_not_there(reference: str, capsys: pytest.CaptureFixture[str]) -> None:
    make_run(Path("tfo-runs"), "train")
    said = refused(capsys, f"--resume={reference}", "--", "true")
    assert said.startswith("tfo: --resume: ")
    assert "no run" in said


def test_a_job_of_the_file_to_start_from_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    make_run(Path("tfo-runs"), "train")
    said = refused(capsys, "--set", "spec.checkpoint.from=trian", "--", "true")
    assert said.startswith("tfo: spec.checkpoint.from: no run of a job 'trian'")
    assert said.endswith("did you mean 'train'?\n")


def test_a_job_to_resume_from_behind_no_equals_sign(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "cnn", "--resume", "train")
    assert said.startswith(
        "tfo run: unexpected argument 'train'; a run to resume stands behind '=': --resume=train"
    )


def test_a_program_without_the_two_dashes(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "true").endswith("; did you mean: tfo run -- true\n")
    assert refused(capsys, "no-such-program").endswith("and there is no file of this name\n")
    assert "did you mean 'cnn'?" in refused(capsys, "cn")


def test_a_file_of_data_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "mlp", "--set", "data=nope.npz")
    assert said.startswith("--set data=nope.npz: spec.workload.args.data: there is no file ")
