"""The controller's log: one JSON object a line, or text."""

import json
import logging

import pytest

from orchestrator.controller.logs import LOGGER, say, set_up


def test_a_line_is_one_object_without_empty_fields(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("json", "info")
    say(logging.WARNING, "a turn failed", job="ns/job", member="", attempt=2)
    found = json.loads(capsys.readouterr().err)
    assert found.pop("time").endswith("Z")
    assert found == {"level": "warning", "message": "a turn failed", "job": "ns/job", "attempt": 2}


def test_an_error_carries_its_trace(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("json", "info")
    try:
        raise ValueError("broken")
    except ValueError:
        LOGGER.error("an error of ours", exc_info=True)
    assert "ValueError: broken" in json.loads(capsys.readouterr().err)["trace"]


def test_text_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    set_up("text", "debug")
    say(logging.INFO, "leading", term=3)
    assert capsys.readouterr().err.rstrip().endswith("INFO    leading  term=3")
