"""TF_CONFIG on its way into a program: a variable while one can hold it, else a file."""

import errno
import os
from pathlib import Path

import pytest

from orchestrator.agent.folder import Folder
from orchestrator.agent.process import Program
from orchestrator.agent.tf_config import TfConfig
from orchestrator.protocol.fields import MAX_ENVIRONMENT_VALUE
from orchestrator.protocol.messages import Run
from orchestrator.protocol.tf_config import join


def sized(size: int, attempt: int = 1) -> Run:
    """An order whose TF_CONFIG has so many bytes."""
    rest = len(join('{"worker":[""]}', "worker", 0))
    return Run(attempt, {}, f'{{"worker":["{"x" * (size - rest)}"]}}', "worker", 0)


def text_of(run: Run) -> str:
    return join(run.cluster, run.task_type, run.task_index)


@pytest.fixture
def config(tmp_path: Path) -> TfConfig:
    return TfConfig(Folder(str(tmp_path), "worker-0"))


def test_what_a_variable_can_hold_is_one(config: TfConfig, tmp_path: Path) -> None:
    longest = sized(MAX_ENVIRONMENT_VALUE)
    assert config.give(longest) == text_of(longest)
    assert len(config.give(longest)) == MAX_ENVIRONMENT_VALUE
    assert config.give(Run(1, {"A": "b"})) == ""
    assert list(tmp_path.iterdir()) == []


def test_one_byte_more_is_a_file_that_the_next_attempt_replaces(config: TfConfig, tmp_path: Path) -> None:
    for attempt in (1, 2):
        run = sized(MAX_ENVIRONMENT_VALUE + attempt, attempt)
        value = config.give(run)
        assert value[0] == "@"
        assert list(tmp_path.iterdir()) == [Path(value[1:])]
        assert Path(value[1:]).read_text() == text_of(run)
        assert Path(value[1:]).stat().st_mode & 0o777 == 0o600
    config.give(sized(1000))
    assert list(tmp_path.iterdir()) == []


def test_nothing_of_it_is_left(config: TfConfig, tmp_path: Path) -> None:
    config.give(sized(MAX_ENVIRONMENT_VALUE + 1))
    config.close()
    config.close()
    assert list(tmp_path.iterdir()) == []


def test_the_file_of_a_killed_agent_of_the_same_number_is_replaced(config: TfConfig, tmp_path: Path) -> None:
    (tmp_path / f"worker-0-{os.getpid()}.tf-config").symlink_to(tmp_path / "elsewhere")
    assert config.give(sized(MAX_ENVIRONMENT_VALUE + 1))[0] == "@"
    assert not (tmp_path / "elsewhere").exists()


def test_the_path_holds_wherever_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = TfConfig(Folder("", "worker-0"))
    assert config.give(sized(MAX_ENVIRONMENT_VALUE + 1)).startswith(f"@{tmp_path}/worker-0-")


def test_of_a_write_that_fails_nothing_is_left(
    config: TfConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.open

    def open_full(path: str, flags: int, mode: int) -> int:
        os.close(real(path, flags, mode))
        return real("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(os, "open", open_full)
    with pytest.raises(OSError, match="No space left on device"):
        config.give(sized(MAX_ENVIRONMENT_VALUE + 1))
    config.close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "is_passing"), [(errno.ENOSPC, True), (errno.EACCES, False)])
def test_a_full_disk_may_have_room_at_the_next_try(number: int, is_passing: bool) -> None:
    program = Program()
    program.record(1)
    program.give_up(OSError(number, "why"), "it cannot be written", 126, 5.0)
    assert (program.remark, program.start_error) == (
        ("agent: it cannot be written", "") if is_passing else ("", "it cannot be written")
    )
    assert (program.view.exit_code, program.view.exited_at, program.view.alive) == (126, 5.0, False)
