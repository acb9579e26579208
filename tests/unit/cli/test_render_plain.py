"""Plain lines: what is said, how often, and to whom nobody listens."""

import io
import os
import re
from pathlib import Path

import pytest

from orchestrator.cli.render_plain import PlainRenderer
from orchestrator.core.actions import EventType
from tests.fixtures.run_views import RESTARTED, build_event, build_failure, build_summary, build_view
from tests.fixtures.training_reports import build_attempt, later, replaced


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """Local time is the reader's; here it is fixed."""
    monkeypatch.setenv("TZ", "UTC")


def test_a_run_as_it_reads() -> None:
    stream = io.StringIO()
    with PlainRenderer(stream) as plain:
        plain.note("without effect on this machine: schedulingPolicy", later(0))
        plain.refresh(build_view(None, seconds=1))
        plain.told(build_event("attempt 1 starts with 3 replicas", EventType.NORMAL))
        plain.refresh(build_view(1, seconds=31))
        plain.told(build_event())
        plain.close(build_summary(next=()))
    times = re.compile(r"^\d\d:\d\d:\d\d  ", re.MULTILINE)
    assert times.sub("", stream.getvalue()).splitlines()[:7] == [
        "without effect on this machine: schedulingPolicy",
        "metrics http://127.0.0.1:9400/metrics",
        "attempt 1 starts with 3 replicas",
        "1/420 steps (0 %)  ETA 0:12  loss 0.082  accuracy 0.974  val_accuracy 0.981  2,310 examples/s",
        "warning: worker-1 was killed by SIGKILL",
        "",
        "digits-cnn/3 succeeded after 1:12   val_accuracy 0.981   accuracy 0.987   loss 0.042   "
        "1 restart (worker-1 was killed by SIGKILL)   14 steps lost",
    ]
    assert len(times.findall(stream.getvalue())) == 5


def progress_lines(views: list[tuple[float, int]]) -> list[int]:
    """Steps that were shown, of (seconds, step) that were seen."""
    stream = io.StringIO()
    with PlainRenderer(stream) as plain:
        for seconds, step in views:
            plain.refresh(build_view(step, seconds=seconds))
    return [int(found) for found in re.findall(r"  (\d+)/420 steps", stream.getvalue())]


def test_fast_training_has_a_line_every_five_seconds_at_most() -> None:
    assert progress_lines([(second / 4, second * 10) for second in range(43)]) == [0, 200, 400]


def test_slow_training_has_a_line_every_tenth() -> None:
    assert progress_lines([(second, second) for second in range(200)]) == [0, 42, 84, 126, 168]


def test_very_slow_training_has_a_line_every_minute() -> None:
    assert progress_lines([(second, second // 30) for second in range(200)]) == [0, 2, 4, 6]


def test_training_that_stands_still_says_nothing() -> None:
    assert progress_lines([(second, 5) for second in range(0, 1000, 10)]) == [5]


def test_every_attempt_has_a_first_line() -> None:
    stream = io.StringIO()
    with PlainRenderer(stream) as plain:
        plain.refresh(build_view(100, seconds=1))
        plain.refresh(build_view(80, seconds=2, status=replaced(RESTARTED, attempt=build_attempt(3))))
    assert stream.getvalue().count("/420 steps") == 2


def test_a_failure_tells_the_reason_and_the_last_lines_of_its_cause() -> None:
    stream = io.StringIO()
    with PlainRenderer(stream) as plain:
        plain.close(build_failure())
    assert stream.getvalue() == (
        "\n"
        "digits-cnn/3 failed after 1:12   step 420   3 restarts   14 steps lost\n"
        "\n"
        "BackoffLimitExceeded: worker-1 exited with code 1; backoffLimit 3 is used up\n"
        "last lines of worker-1, attempt 4:\n"
        "  Traceback (most recent call last):\n"
        "  ValueError: no such layer\n"
        "\n"
        "logs         tfo-runs/digits-cnn/3/logs\n"
    )


def test_a_reader_who_leaves_ends_nothing() -> None:
    reading, writing = os.pipe()
    with open(writing, "w") as stream, PlainRenderer(stream) as plain:
        plain.note("heard", later(0))
        assert b"heard" in os.read(reading, 1000)
        os.close(reading)
        for second in range(100):
            plain.note("unheard", later(second))
        plain.close(build_summary())


def test_a_reader_who_stops_reading_holds_nothing_up() -> None:
    reading, writing = os.pipe()
    with open(writing, "w") as stream, open(reading) as reader:
        plain = PlainRenderer(stream)
        with plain:
            for _ in range(5_000):
                plain.note("x" * 400, later(0))
            first = reader.readline()
            rest = [reader.readline() for _ in range(4_999)]
    assert first == rest[-1]


def test_a_full_disk_ends_nothing(tmp_path: Path) -> None:
    with open("/dev/full", "w") as stream:
        with PlainRenderer(stream) as plain:
            plain.note("lost", later(0))
        os.dup2(os.open(tmp_path / "room", os.O_CREAT | os.O_WRONLY), stream.fileno())


def test_a_stream_that_knows_few_characters_gets_question_marks() -> None:
    raw = io.BytesIO()
    with io.TextIOWrapper(raw, encoding="ascii") as stream:
        with PlainRenderer(stream) as plain:
            plain.note("naïve × 2", later(0))
        assert raw.getvalue().endswith(b"na?ve ? 2\n")
