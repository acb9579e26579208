"""Fold a training process's datagrams into the Report of its attempt: pure, bounded, never in anybody's way.

Called by `agent.loop`; the datagrams come from `agent.reports`. Counters only grow within an attempt, also when
datagrams are lost. Python 3.9, standard library only.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Dict, Optional, Tuple

from orchestrator.protocol.datagrams import SAVE_BUCKETS, STEP_BUCKETS, Checkpointed, Datagram
from orchestrator.protocol.fields import MAX_INTEGER, MAX_METRIC_NAME, MAX_METRICS
from orchestrator.protocol.messages import Report

MAX_NOTES = 8
MAX_NOTE = 256
MAX_BUSY = 32
MAX_SECONDS = 1e12
_BUCKETS = len(STEP_BUCKETS) + 1
Metrics = Dict[str, Optional[float]]


@dataclass(frozen=True)
class Telemetry:
    """What one attempt has reported so far. `stepped_at`: when its last step arrived, on the agent's clock."""

    report: Report
    stepped_at: Optional[float] = None
    heard: bool = False


def begin(attempt: int) -> Telemetry:
    return Telemetry(Report(attempt=attempt, sequence=0))


def fold(telemetry: Telemetry, datagram: Datagram, now: float) -> Telemetry:
    """The telemetry with one more datagram; one of another attempt is dropped."""
    report = telemetry.report
    if datagram.attempt is not None and datagram.attempt != report.attempt:
        return drop(telemetry)
    stepped = datagram.steps > 0 or (datagram.step is not None and datagram.step != report.step)
    metrics, extra = _fold_metrics(report.metrics, datagram.metrics)
    report = replace(
        report,
        step=_newer(datagram.step, report.step),
        total_steps=_newer(datagram.total_steps, report.total_steps),
        epoch=_newer(datagram.epoch, report.epoch),
        total_epochs=_newer(datagram.total_epochs, report.total_epochs),
        metrics=metrics,
        steps=_sum(report.steps, datagram.steps),
        examples=_sum(report.examples, datagram.examples),
        non_finite=_sum(report.non_finite, datagram.non_finite),
        step_seconds=_fold_buckets(report.step_seconds, datagram.step_seconds),
        step_seconds_sum=_seconds(report.step_seconds_sum, datagram.step_seconds_sum),
        input_wait_seconds=_seconds(report.input_wait_seconds, datagram.input_wait_seconds),
        callback_seconds=_seconds(report.callback_seconds, datagram.callback_seconds),
        busy=report.busy if datagram.busy is None else datagram.busy[:MAX_BUSY],
    )
    report = _fold_checkpoint(report, datagram.checkpoint)
    if datagram.note:
        report = _fold_note(report, datagram.note)
    if extra:
        report = _fold_note(report, f"more than {MAX_METRICS} metrics: {extra} and others are not reported")
    return Telemetry(report, now if stepped else telemetry.stepped_at, heard=True)


def drop(telemetry: Telemetry) -> Telemetry:
    """The telemetry after a datagram that could not be understood."""
    report = telemetry.report
    return replace(telemetry, report=replace(report, dropped=_sum(report.dropped, 1)))


def note(telemetry: Telemetry, text: str) -> Telemetry:
    """The telemetry with something that the agent itself has to say."""
    return replace(telemetry, report=_fold_note(telemetry.report, text))


def lose(telemetry: Telemetry, lines: int, text: str) -> Telemetry:
    """The telemetry after lines of the program's output have been lost, so many by now."""
    return note(
        replace(telemetry, report=replace(telemetry.report, lost_lines=min(lines, MAX_INTEGER))), text
    )


def render(telemetry: Telemetry, sequence: int, now: float) -> Report:
    """The report to send at this moment."""
    stepped_at = telemetry.stepped_at
    silence = None if stepped_at is None else max(0.0, now - stepped_at)
    return replace(telemetry.report, sequence=sequence, seconds_since_step=silence)


def _fold_metrics(known: Metrics, news: Metrics) -> Tuple[Metrics, str]:
    """The latest values, and the name of one that found no room. None: it is not finite now."""
    found, extra = dict(known), ""
    for name, value in news.items():
        if name in found or (len(found) < MAX_METRICS and 0 < len(name) <= MAX_METRIC_NAME):
            found[name] = value
        else:
            extra = name[:MAX_METRIC_NAME]
    return found, extra


def _fold_buckets(known: Tuple[int, ...], news: Tuple[int, ...]) -> Tuple[int, ...]:
    if len(news) != _BUCKETS:
        return known
    return tuple(_sum(old, new) for old, new in zip_longest(known, news, fillvalue=0))


def _fold_checkpoint(report: Report, checkpoint: Optional[Checkpointed]) -> Report:
    if checkpoint is None:
        return report
    if not checkpoint.ok:
        return replace(report, checkpoint_failures=_sum(report.checkpoint_failures, 1))
    return replace(
        report,
        checkpoint_step=max(checkpoint.step, report.checkpoint_step or 0),
        checkpoint_save_buckets=_count(report.checkpoint_save_buckets, checkpoint.seconds),
        checkpoint_save_seconds=_seconds(report.checkpoint_save_seconds, checkpoint.seconds),
    )


def _count(known: Tuple[int, ...], seconds: float) -> Tuple[int, ...]:
    counts = list(known or (0,) * (len(SAVE_BUCKETS) + 1))
    bucket = bisect_left(SAVE_BUCKETS, seconds)
    counts[bucket] = _sum(counts[bucket], 1)
    return tuple(counts)


def _fold_note(report: Report, text: str) -> Report:
    text = text[:MAX_NOTE]
    if text in report.notes:
        return report
    return replace(report, notes=(*report.notes, text)[-MAX_NOTES:])


def _newer(news: Optional[int], known: Optional[int]) -> Optional[int]:
    return known if news is None else news


def _sum(known: int, increment: int) -> int:
    return min(known + increment, MAX_INTEGER)


def _seconds(known: float, increment: float) -> float:
    return min(known + increment, MAX_SECONDS)
