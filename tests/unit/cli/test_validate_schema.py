"""`tfo validate` and `tfo schema`: what is printed where, and the exit codes."""

import io
import json
from pathlib import Path

import pytest

from orchestrator.api.schema import json_schema
from orchestrator.cli.arguments import SchemaOptions, ValidateOptions
from orchestrator.cli.schema import schema_command
from orchestrator.cli.validate import validate_command, validate_files
from tests.fixtures.job_texts import cnn, job_text


def check(*files: Path) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = validate_files([str(file) for file in files], out, err)
    return code, out.getvalue(), err.getvalue()


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.yaml"
    file.write_text(f"{cnn()}---\n{cnn().replace('digits', 'second')}")
    return file


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "bad.yaml"
    file.write_text(job_text("replicaSpecs: {wroker: {}}\nworkload: {name: cnn, args: {seed: x}}"))
    return file


def test_valid_files(good: Path) -> None:
    assert check(good) == (0, f"{good}: valid (digits, second)\n", "")


def test_every_error_has_its_place_and_the_last_line_counts(good: Path, bad: Path) -> None:
    code, out, err = check(bad, good)
    assert code == 2
    assert out == f"{good}: valid (digits, second)\n"
    assert err.splitlines() == [
        f"{bad}:5:18: spec.replicaSpecs.wroker: unknown role 'wroker'; did you mean 'worker'? "
        "(roles: chief, worker, ps, evaluator)",
        f"{bad}:6:38: spec.workload.args.seed: expected a whole number from 0 to 2,147,483,647, got the text 'x'",
        "2 errors in 1 file of 2",
    ]


def test_one_error_is_one_error(tmp_path: Path) -> None:
    code, out, err = check(tmp_path / "missing.yaml")
    assert (code, out) == (2, "")
    assert err.splitlines()[1] == "1 error in 1 file"


def test_a_program_is_named_as_one_and_not_as_broken_yaml(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text('"""Trains."""\nimport sys\n')
    told = f"{file}: is a Python program, not a job; write: tfo run -- python {file}\n1 error in 1 file\n"
    assert check(file) == (2, "", told)


def test_errors_that_are_not_shown_are_counted(tmp_path: Path) -> None:
    file = tmp_path / "flood.yaml"
    file.write_text(
        job_text("replicaSpecs: {chief: {}}\n" + "".join(f"x{number}: 1\n" for number in range(101)))
    )
    _, _, err = check(file)
    assert err.splitlines()[-2:] == ["1 more error, not shown", "101 errors in 1 file"]


def test_the_command(good: Path, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert validate_command(ValidateOptions(files=(str(good),))) == 0
    assert validate_command(ValidateOptions(files=(str(bad),))) == 2
    captured = capsys.readouterr()
    assert captured.out == f"{good}: valid (digits, second)\n"
    assert captured.err.endswith("2 errors in 1 file\n")


def test_the_schema_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert schema_command(SchemaOptions()) == 0
    assert json.loads(capsys.readouterr().out) == json_schema()
