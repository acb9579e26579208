"""The JSON events of `--output json`, as types; docs/reference/events.md is generated from them.

Of `tfo run` and `tfo submit --watch`: `render_json` fills them, `recording` may keep them in the run folder. One object
per line, camelCase; a field without a value is left out; no NaN ever. New fields may be added, none changes its
meaning.
"""

import json
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from orchestrator.api.status import Cause
from orchestrator.cli import wording
from orchestrator.cli.summary import Result, RunPaths, Summary
from orchestrator.cli.view import RunEvent, RunView
from orchestrator.core.actions import EventType, Reason


def event_name(reason: Reason) -> str:
    """JobCreated -> jobCreated."""
    return reason.value[0].lower() + reason.value[1:]


Time = Annotated[
    str, Meta(description="When, in UTC, with milliseconds.", pattern=r"^\d{4}-\d\d-\d\dT[\d:.]+Z$")
]
JobName = Annotated[str, Meta(description="Name of the job.")]
RunNumber = Annotated[
    Annotated[int, Meta(ge=1)] | None, Meta(description="Number of the run; a job on a cluster has none.")
]
JobNamespace = Annotated[str | None, Meta(description="Namespace of a job on a cluster.")]
AttemptNumber = Annotated[int, Meta(description="Number of the attempt; 0 before the first.", ge=0)]
Metrics = Annotated[dict[str, float], Meta(description="Latest finite values, by the program's own names.")]
Message = Annotated[str, Meta(description="For people.")]


class _Line(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """What every line has."""

    time: Time
    job: JobName
    number: RunNumber = None
    namespace: JobNamespace = None
    attempt: AttemptNumber


class Happened(_Line, frozen=True, kw_only=True):
    """Something happened to the job."""

    event: Annotated[
        str,
        Meta(description="What happened.", extra_json_schema={"enum": [event_name(each) for each in Reason]}),
    ]
    type: Annotated[EventType, Meta(description="Normal or Warning.")]
    message: Message
    member: Annotated[str | None, Meta(description="The replica that it is about: role-index.")] = None
    cause: Annotated[Cause | None, Meta(description="Cause of the end of an attempt.")] = None
    exit_code: Annotated[int | None, Meta(description="Exit code of the member's program.")] = None
    signal: Annotated[int | None, Meta(description="Signal that killed the member's program.")] = None
    last_lines: Annotated[
        tuple[str, ...], Meta(description="Last lines that the member's program wrote.")
    ] = ()
    metrics_url: Annotated[
        str | None,
        Meta(description="Where the metrics are served; in the first event of a run, if they are."),
    ] = None


class Note(_Line, frozen=True, kw_only=True, tag_field="event", tag="note"):
    """Something that a user should know, from tfo or from a program."""

    message: Message


class Progressed(_Line, frozen=True, kw_only=True, tag_field="event", tag="progress"):
    """Training went on; at most one a second, only when something changed."""

    step: Annotated[int | None, Meta(description="Step that every member has done.")] = None
    total_steps: Annotated[int | None, Meta(description="Steps in all.")] = None
    epoch: Annotated[int | None, Meta(description="Epoch, as the program counts it.")] = None
    metrics: Metrics = {}
    examples_per_second: Annotated[float | None, Meta(description="Of all members, last half minute.")] = None
    eta_seconds: Annotated[float | None, Meta(description="Time left at the present speed.")] = None
    non_finite: Annotated[int, Meta(description="Values so far that were NaN or infinite.")] = 0


class FailureCause(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The end that made a run fail."""

    member: Annotated[str, Meta(description="The replica: role-index.")]
    attempt: Annotated[int, Meta(description="The attempt in which it ended.")]
    cause: Annotated[Cause, Meta(description="How.")]
    exit_code: Annotated[int | None, Meta(description="Exit code of its program.")] = None
    signal: Annotated[int | None, Meta(description="Signal that killed its program.")] = None
    last_lines: Annotated[tuple[str, ...], Meta(description="Last lines that its program wrote.")] = ()


class Ended(_Line, frozen=True, kw_only=True, omit_defaults=False, tag_field="event", tag="summary"):
    """The last line: what the run came to."""

    result: Annotated[
        Result,
        Meta(
            description="What came of it; `gone`: a job on a cluster that went while the API server was not heard."
        ),
    ]
    exit_code: Annotated[int, Meta(description="Exit code of `tfo`.", ge=0, le=255)]
    reason: Annotated[str, Meta(description="Reason of the end, one word.")]
    message: Message
    seconds: Annotated[float, Meta(description="Duration of the run.", ge=0)]
    step: Annotated[int | None, Meta(description="Last step that every member has done.")]
    restarts: Annotated[int, Meta(description="Restarts, which backoffLimit limits.", ge=0)]
    disruptions: Annotated[int, Meta(description="Attempts that ended by no fault of the program.", ge=0)]
    resizes: Annotated[int, Meta(description="Attempts that ended for another number of workers.", ge=0)]
    steps_lost: Annotated[int, Meta(description="Steps that had to be done again.", ge=0)]
    non_finite: Annotated[int, Meta(description="Values that were NaN or infinite.", ge=0)]
    checkpoint_failures: Annotated[int, Meta(description="Saves that failed.", ge=0)]
    lost_writes: Annotated[
        int, Meta(description="Writes of state, metrics and events that failed, as on a full disk.", ge=0)
    ]
    lost_logs: Annotated[tuple[str, ...], Meta(description="Replicas of whose output lines are missing.")]
    lost_log_lines: Annotated[int, Meta(description="How many of them.")]
    metrics: Metrics
    examples_per_second: Annotated[float | None, Meta(description="At the end of training.")]
    paths: Annotated[RunPaths, Meta(description="Where things are; only what exists.")]
    cause: Annotated[FailureCause | None, Meta(description="The end that made a run fail.")]
    next: Annotated[tuple[str, ...], Meta(description="Commands that go on from here.")]


Line = Happened | Note | Progressed | Ended
LINES: tuple[type[Line], ...] = (Happened, Progressed, Note, Ended)


def of_event(
    job: str, number: int | None, event: RunEvent, metrics_url: str = "", namespace: str = ""
) -> Happened:
    told = event.event
    return Happened(
        time=wording.timestamp(event.time),
        job=job,
        number=number,
        namespace=namespace or None,
        attempt=told.attempt,
        event=event_name(told.reason),
        type=told.type,
        message=told.message,
        member=told.member or None,
        cause=told.cause,
        exit_code=told.exit_code,
        signal=told.signal,
        last_lines=tuple(wording.clean(line) for line in told.last_lines),
        metrics_url=metrics_url or None,
    )


def of_progress(view: RunView) -> Progressed:
    progress = view.progress
    return Progressed(
        time=wording.timestamp(view.now),
        job=view.info.name,
        number=view.info.number,
        namespace=view.info.namespace or None,
        attempt=view.attempt,
        step=progress.step,
        total_steps=progress.total_steps,
        epoch=progress.epoch,
        metrics=view.metrics,
        examples_per_second=_rounded(progress.examples_per_second),
        eta_seconds=_rounded(view.eta_seconds),
        non_finite=progress.non_finite,
    )


def of_summary(summary: Summary) -> Ended:
    return Ended(
        time=wording.timestamp(summary.time),
        job=summary.job,
        number=summary.number,
        namespace=summary.namespace or None,
        attempt=summary.attempt,
        result=summary.result,
        exit_code=summary.exit_code,
        reason=summary.reason,
        message=summary.message,
        seconds=round(summary.seconds, 3),
        step=summary.step,
        restarts=summary.restarts,
        disruptions=summary.disruptions,
        resizes=summary.resizes,
        steps_lost=summary.steps_lost,
        non_finite=summary.non_finite,
        checkpoint_failures=summary.checkpoint_failures,
        lost_writes=summary.lost_writes,
        lost_logs=summary.lost_logs,
        lost_log_lines=summary.lost_log_lines,
        metrics=summary.metrics,
        examples_per_second=_rounded(summary.examples_per_second),
        paths=summary.paths,
        cause=_cause(summary),
        next=summary.next,
    )


def encode(line: Line) -> str:
    """ASCII, so that no encoding and no way of splitting lines can break it."""
    return json.dumps(msgspec.to_builtins(line), separators=(",", ":"), allow_nan=False)


def schema() -> dict[str, Any]:
    """JSON Schema of a line; `$defs` holds one type per kind of line."""
    schemas, components = msgspec.json.schema_components(LINES, ref_template="#/$defs/{name}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A line of tfo run or tfo submit --watch with --output json",
        "anyOf": list(schemas),
        "$defs": components,
    }


def _cause(summary: Summary) -> FailureCause | None:
    ended = summary.cause
    if ended is None:
        return None
    return FailureCause(
        member=ended.member,
        attempt=ended.number,
        cause=ended.cause,
        exit_code=ended.exit_code,
        signal=ended.signal,
        last_lines=tuple(wording.clean(line) for line in ended.last_lines),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
