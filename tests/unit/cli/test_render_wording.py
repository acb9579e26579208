"""Durations, numbers, paths and text of programs as people read them."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from orchestrator.cli import wording


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-3, "0:00"),
        (0.9, "0:00"),
        (7, "0:07"),
        (750, "12:30"),
        (3723, "1:02:03"),
        (183845, "2 d 03:04:05"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert wording.duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0004, "0.4 ms/step"), (0.041, "41 ms/step"), (0.9994, "999 ms/step"), (2.34, "2.3 s/step")],
)
def test_step_times(seconds: float, text: str) -> None:
    assert wording.step_time(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.98123, "0.981"),
        (1, "1.000"),
        (0.00012345, "0.000123"),
        (123456.0, "1.23e+05"),
        (-0.5, "-0.500"),
    ],
)
def test_metrics(value: float, text: str) -> None:
    assert wording.metric(value) == text


def test_counts_and_rates() -> None:
    assert [wording.count(number, "step") for number in (0, 1, 2000)] == ["0 steps", "1 step", "2,000 steps"]
    assert [wording.rate(value) for value in (0.25, 9.96, 2310.4)] == ["0.2", "10.0", "2,310"]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("plain", "plain"),
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\tb\nc\r\x00\x9b\u2028d", "a    b c\ufffd\ufffd\ufffdd"),
        ("left \u202eto right \udcff", "left \ufffdto right \ufffd"),
        ("naïve × 日本", "naïve × 日本"),
        ("x" * 600, "x" * 499 + "…"),
    ],
)
def test_text_of_programs_is_harmless(text: str, clean: str) -> None:
    assert wording.clean(text) == clean


def test_paths_are_relative_where_they_lie_inside(tmp_path: Path) -> None:
    assert wording.near(tmp_path / "a" / "b", tmp_path) == "a/b"
    assert wording.near(tmp_path / "a", tmp_path / "c") == str(tmp_path / "a")


def test_moments() -> None:
    moment = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
    assert wording.timestamp(moment) == "2026-11-23T12:00:00.123Z"
    assert len(wording.clock(moment)) == 8
