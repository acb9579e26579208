"""metrics.jsonl: a line when there is something new, and a full disk that ends nothing."""

import errno
import json
import os
from pathlib import Path

import pytest

from orchestrator.api.status import Progress
from orchestrator.metrics.runlog import MetricsLog
from orchestrator.metrics.samples import TrainingSample
from tests.fixtures.training_reports import later


def build_sample(step: int | None, loss: float = 0.5) -> TrainingSample:
    return TrainingSample(
        progress=Progress(step=step, total_steps=420),
        metrics=(("loss", loss),) if step else (),
        steps=step or 0,
    )


def read_lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines() if line]


def test_a_line_tells_what_was_measured(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    assert log.append(build_sample(10), 2, later(1))
    assert read_lines(tmp_path / "metrics.jsonl") == [
        {
            "time": "2026-11-23T12:00:01.000Z",
            "attempt": 2,
            "step": 10,
            "totalSteps": 420,
            "metrics": {"loss": 0.5},
            "stepsTotal": 10,
        }
    ]


def test_nothing_new_is_no_line_and_neither_is_the_time_before_the_first_step(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    assert not log.append(build_sample(None), 1, later(0))
    assert log.append(build_sample(1), 1, later(1))
    assert not log.append(build_sample(1), 1, later(10))
    assert log.append(build_sample(2), 1, later(11))


def test_lines_keep_their_distance_but_for_the_last(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl", every_seconds=1.0)
    written = [log.append(build_sample(step), 1, later(step / 4)) for step in range(1, 10)]
    assert written == [True, False, False, False, True, False, False, False, True]
    assert log.append(build_sample(11), 1, later(2.3), last=True)


def test_a_full_disk_is_counted_and_the_file_goes_on_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    real = os.write

    def write_half(fd: int, data: bytes) -> int:
        return real(fd, data[: len(data) // 2])

    def write_nothing(fd: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert log.append(build_sample(1), 1, later(0))
    monkeypatch.setattr(os, "write", write_half)
    assert not log.append(build_sample(2), 1, later(2))
    monkeypatch.setattr(os, "write", write_nothing)
    assert not log.append(build_sample(3), 1, later(4))
    monkeypatch.setattr(os, "write", real)
    assert log.append(build_sample(4), 1, later(6))
    assert (log.lost_lines, log.error) == (2, "No space left on device")
    lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(lines[0])["step"], json.loads(lines[-1])["step"], len(lines)] == [1, 4, 3]


def test_a_folder_that_is_gone_is_counted(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "gone" / "metrics.jsonl")
    assert not log.append(build_sample(1), 1, later(0))
    assert (log.lost_lines, log.error) == (1, "No such file or directory")


def test_a_device_that_is_full_for_real() -> None:
    log = MetricsLog(Path("/dev/full"))
    assert not log.append(build_sample(1), 1, later(0))
    assert log.error == "No space left on device"
