"""JSON events: valid by their schema, complete, and the summary last."""

import io
import json
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from orchestrator.api.status import Cause
from orchestrator.cli import events, events_reference
from orchestrator.cli.render_json import JsonRenderer
from orchestrator.cli.summary import RunPaths, Summary
from orchestrator.cli.view import RunEvent
from orchestrator.core.actions import Event, EventType, Reason
from tests.fixtures.run_views import (
    METRICS_URL,
    build_event,
    build_failure,
    build_summary,
    build_view,
    changed,
)
from tests.fixtures.training_reports import later

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "events.md"


def written_by(*calls: object) -> list[dict[str, Any]]:
    """The lines for a sequence of views, events, notes and summaries; every one checked by the schema."""
    stream = io.StringIO()
    with JsonRenderer(stream, "digits-cnn", 3) as renderer:
        for call in calls:
            show(renderer, call)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    validator = jsonschema.Draft202012Validator(events.schema())
    for line in lines:
        validator.validate(line)
        assert {"time", "event", "job", "attempt"} <= set(line)
    return lines


def show(renderer: JsonRenderer, call: object) -> None:
    if isinstance(call, RunEvent):
        renderer.told(call)
    elif isinstance(call, Summary):
        renderer.close(call)
    elif isinstance(call, str):
        renderer.note(call, later(0))
    else:
        renderer.refresh(call)  # type: ignore[arg-type]  # what is left is a view


def test_an_event_has_all_that_is_known() -> None:
    [line] = written_by(build_event())
    assert line == {
        "time": "2026-11-23T12:00:30.000Z",
        "event": "memberLost",
        "job": "digits-cnn",
        "number": 3,
        "attempt": 1,
        "type": "Warning",
        "message": "worker-1 was killed by SIGKILL",
        "member": "worker-1",
        "cause": "ProgramSignal",
    }


def test_the_first_event_says_where_the_metrics_are() -> None:
    lines = written_by(build_view(None), build_event(), build_event(), build_view())
    told = [line.get("metricsUrl") for line in lines]
    assert told == [METRICS_URL, None, None]


def test_an_event_leaves_out_what_is_not_known() -> None:
    event = Event(type=EventType.NORMAL, reason=Reason.CREATED, message="accepted")
    [line] = written_by(RunEvent(event, later(0)))
    assert set(line) == {"time", "event", "job", "number", "attempt", "type", "message"}


def test_an_exit_code_of_0_is_not_left_out() -> None:
    event = Event(
        type=EventType.NORMAL, reason=Reason.MEMBER_LOST, message="", cause=Cause.PROGRAM_EXIT, exit_code=0
    )
    assert written_by(RunEvent(event, later(0)))[0]["exitCode"] == 0


def test_progress_comes_once_a_second_and_only_when_there_is_some() -> None:
    calls = [
        build_view(step, seconds=seconds) for seconds, step in ((0, 1), (0.5, 2), (1, 3), (9, 3), (10, 4))
    ]
    lines = written_by(build_view(None), *calls)
    assert [line["step"] for line in lines] == [1, 3, 4]
    assert lines[0] == {
        "time": "2026-11-23T12:00:00.000Z",
        "event": "progress",
        "job": "digits-cnn",
        "number": 3,
        "attempt": 2,
        "step": 1,
        "totalSteps": 420,
        "metrics": {"loss": 0.0821, "accuracy": 0.9742, "val_accuracy": 0.9812},
        "examplesPerSecond": 2310.4,
        "etaSeconds": 11.2,
    }


def test_a_note_carries_the_attempt_that_runs() -> None:
    assert [line["attempt"] for line in written_by("before", build_view(None), "after")] == [0, 2]


def test_the_summary_has_every_field() -> None:
    line = written_by(build_view(5), build_summary())[-1]
    assert line == {
        "time": "2026-11-23T12:01:12.400Z",
        "event": "summary",
        "job": "digits-cnn",
        "number": 3,
        "namespace": None,
        "attempt": 2,
        "result": "succeeded",
        "exitCode": 0,
        "reason": "JobSucceeded",
        "message": "chief-0 succeeded",
        "seconds": 72.4,
        "step": 420,
        "restarts": 1,
        "disruptions": 0,
        "resizes": 0,
        "stepsLost": 14,
        "nonFinite": 0,
        "checkpointFailures": 0,
        "lostWrites": 0,
        "lostLogs": [],
        "lostLogLines": 0,
        "metrics": {"loss": 0.0421, "accuracy": 0.9874, "val_accuracy": 0.9812},
        "examplesPerSecond": 2310.4,
        "paths": {
            "run": "tfo-runs/digits-cnn/3",
            "model": "tfo-runs/digits-cnn/3/model/model.keras",
            "checkpoints": "tfo-runs/digits-cnn/3/checkpoints",
            "tensorboard": "tfo-runs/digits-cnn/3/tensorboard",
            "logs": "tfo-runs/digits-cnn/3/logs",
            "metrics": "tfo-runs/digits-cnn/3/metrics.prom",
        },
        "cause": None,
        "next": ["tensorboard --logdir tfo-runs/digits-cnn/3/tensorboard"],
    }


def test_why_tfo_has_not_ended_is_a_note_and_the_summary_stays_the_last_line() -> None:
    note, summary = written_by(build_summary(farewell="metrics stay"))
    assert (note["event"], note["message"], summary["event"]) == ("note", "metrics stay", "summary")


def test_the_summary_of_a_failure_names_the_cause() -> None:
    [line] = written_by(build_failure())
    assert (line["result"], line["exitCode"]) == ("failed", 1)
    assert line["paths"] == {"run": "tfo-runs/digits-cnn/3", "logs": "tfo-runs/digits-cnn/3/logs"}
    assert line["cause"] == {
        "member": "worker-1",
        "attempt": 4,
        "cause": "ProgramExit",
        "exitCode": 1,
        "lastLines": ["Traceback (most recent call last):", "ValueError: no such layer"],
    }


def test_text_of_any_kind_stays_on_one_line_of_ascii() -> None:
    message = "line 1\nline 2\u2028\x00 ünï \udcff"
    [line] = written_by(build_event(message))
    assert line["message"] == message
    assert events.encode(events.of_event("digits-cnn", 3, build_event(message))).isascii()


@pytest.mark.parametrize("field", ["exitCode", "metrics", "result"])
def test_the_schema_refuses_a_summary_that_lacks_something(field: str) -> None:
    line = msgspec.json.decode(events.encode(events.of_summary(build_summary())))
    del line[field]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(line, events.schema())


def test_the_schema_refuses_an_event_that_nobody_knows() -> None:
    line = msgspec.json.decode(events.encode(events.of_event("digits-cnn", 3, build_event())))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**line, "event": "unheardOf"}, events.schema())


def test_the_document_is_up_to_date_and_explains_every_event() -> None:
    text = events_reference.render_reference()
    hint = f"run: python -m orchestrator.cli.events_reference > {DOCUMENT}"
    assert DOCUMENT.read_text() == text, hint
    assert all(f"| `{events.event_name(reason)}` |" in text for reason in Reason)
    assert "|  |\n" not in text


def test_no_path_is_no_field() -> None:
    [line] = written_by(build_summary(paths=RunPaths(run="r")))
    assert line["paths"] == {"run": "r"}


def test_views_of_one_moment_are_one_line() -> None:
    view = build_view(5)
    assert len(written_by(view, changed(view, eta_seconds=3.0), changed(view, now=later(100)))) == 1
