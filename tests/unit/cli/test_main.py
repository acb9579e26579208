"""`main`: which command is called, and what every way of ending it is for the shell."""

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli import commands, dispatch, exit_codes, main, ps
from orchestrator.cli.arguments import PsOptions
from orchestrator.cli.commands import COMMANDS
from orchestrator.cli.errors import Refused, WrongJob
from orchestrator.version import __version__

Raising = Callable[[BaseException], None]


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch) -> Raising:
    """Makes `tfo ps` end with this exception."""

    def arrange(error: BaseException) -> None:
        def command(options: PsOptions) -> int:
            raise error

        monkeypatch.setattr(ps, "ps_command", command)

    return arrange


def test_help_and_version_are_successes(capsys: pytest.CaptureFixture[str]) -> None:
    assert [main.main([word]) for word in ("--help", "--version")] == [0, 0]
    out = capsys.readouterr().out
    assert all(f"  {command.name} " in out or f"  {command.name}\n" in out for command in COMMANDS)
    assert out.endswith(f"tfo {__version__}\n")


@pytest.mark.parametrize("command", [one.name for one in COMMANDS])
def test_every_command_has_help_with_its_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([command, "--help"]) == 0
    out = capsys.readouterr().out
    known = next(one for one in COMMANDS if one.name == command)
    assert out.startswith(f"usage: {known.usage[0]}\n")
    assert all(f"  {example}" in out for example in known.examples)


def test_errors_in_a_job_are_printed_without_our_name(
    raising: Raising, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(WrongJob("job.yaml:3:1: spec: is missing\njob.yaml:4:1: other"))
    assert main.main(["ps"]) == exit_codes.WRONG_INPUT
    assert capsys.readouterr().err == "job.yaml:3:1: spec: is missing\njob.yaml:4:1: other\n"


@pytest.mark.parametrize("command", [one.name for one in COMMANDS])
def test_every_command_has_its_function(command: str) -> None:
    known = commands.find(command)
    assert known is not None
    assert callable(dispatch.find_entry(known.entry))


def test_no_command_prints_the_help_and_is_wrong_input(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main([]) == exit_codes.WRONG_INPUT
    assert capsys.readouterr().err.startswith("usage: tfo COMMAND")


def test_a_wrong_word_is_one_line_and_where_to_read_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["ps", "--al"]) == exit_codes.WRONG_INPUT
    assert capsys.readouterr().err == (
        "tfo ps: unknown option '--al'; did you mean '--all'?\nsee: tfo ps --help\n"
    )


def test_what_a_command_refuses_is_wrong_input(raising: Raising, capsys: pytest.CaptureFixture[str]) -> None:
    raising(Refused("no such run"))
    assert main.main(["ps"]) == exit_codes.WRONG_INPUT
    assert capsys.readouterr().err == "tfo: no such run\n"


def test_an_error_of_ours_is_short_and_its_traceback_in_a_file(
    raising: Raising, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv("TFO_DEBUG", raising=False)
    raising(ZeroDivisionError("by zero"))
    assert main.main(["ps"]) == exit_codes.ERROR
    said = capsys.readouterr().err
    [file] = tmp_path.iterdir()
    assert "ZeroDivisionError: by zero" in said
    assert str(file) in said
    assert "Traceback" not in said
    assert "Traceback" in file.read_text()


def test_with_tfo_debug_the_traceback_is_printed(
    raising: Raising, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFO_DEBUG", "1")
    raising(ZeroDivisionError("by zero"))
    assert main.main(["ps"]) == exit_codes.ERROR
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_130(raising: Raising) -> None:
    raising(KeyboardInterrupt())
    assert main.main(["ps"]) == exit_codes.INTERRUPTED


def test_a_reader_who_has_gone_is_no_error(
    raising: Raising, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(BrokenPipeError())
    with os.fdopen(os.dup(1), "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main.main(["ps"]) == exit_codes.BROKEN_PIPE
    assert capfd.readouterr().err == ""


def test_a_full_disk_behind_the_output_is_no_error_of_ours(
    raising: Raising, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(OSError(errno.ENOSPC, "No space left on device"))
    with os.fdopen(os.dup(1), "w") as output:
        monkeypatch.setattr(sys, "stdout", output)
        assert main.main(["ps"]) == exit_codes.FAILED
    assert capfd.readouterr().err == "tfo: cannot write: No space left on device\n"


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.EISDIR, errno.ELOOP])
def test_a_file_that_may_not_be_touched_is_named(
    number: int, raising: Raising, capsys: pytest.CaptureFixture[str]
) -> None:
    raising(OSError(number, os.strerror(number), "runs/j/1/state.json"))
    assert main.main(["ps"]) == exit_codes.WRONG_INPUT
    assert capsys.readouterr().err == f"tfo: runs/j/1/state.json: {os.strerror(number)}\n"


@pytest.mark.parametrize("error", [OSError(errno.EACCES, "no file"), OSError(errno.EBADF, "ours", "file")])
def test_other_errors_of_the_system_are_ours(
    error: OSError, raising: Raising, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TFO_DEBUG", "1")
    raising(error)
    assert main.main(["ps"]) == exit_codes.ERROR


@pytest.mark.parametrize("line", ["run cnn", "ps", "stop j", "rm j"])
def test_elsewhere_than_on_linux_runs_are_refused_before_anything_is_imported(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert main.main(line.split()) == exit_codes.WRONG_INPUT
    assert f"tfo {line.split()[0]} needs Linux" in capsys.readouterr().err
