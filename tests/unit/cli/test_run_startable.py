"""`tfo run` refuses programs that cannot start, with the place of the field, and makes no run."""

from pathlib import Path

import pytest

from orchestrator.cli import main
from tests.fixtures.job_texts import job_text

TEMPLATE = "{{spec: {{containers: [{{name: tensorflow, command: [{}]}}]}}}}"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("")
    return tmp_path


def refused(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main.main(["run", *words]) == 2
    assert not Path("tfo-runs").exists()
    return capsys.readouterr().err.strip()


def test_a_program_on_the_command_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "--", "python", "trian.py")
    place = "spec.template.spec.containers[0].command[1]"
    assert said == f"{place}: there is no file '{here}/trian.py'; did you mean 'train.py'?"


def test_a_program_in_a_file_has_its_line(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "job.yaml").write_text(
        job_text(f"replicaSpecs: {{chief: {{}}}}\ntemplate: {TEMPLATE.format('./trian.py')}")
    )
    said = refused(capsys, "job.yaml")
    assert said.startswith("job.yaml:6:63: spec.template.spec.containers[0].command[0]: there is no file")


def test_the_empty_program(capsys: pytest.CaptureFixture[str]) -> None:
    assert refused(capsys, "--", "").endswith("is empty; the first word is the program, such as python")
