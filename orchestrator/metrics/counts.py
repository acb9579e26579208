"""The monotone counters of a Report, as one value that can be joined (largest of two) and added.

`replica` joins reports of one program run and adds runs; both are commutative, so the order in which reports
arrive does not matter. Values from outside are made harmless here: nothing negative, nothing non-finite.
"""

import math

import msgspec

from orchestrator.protocol.datagrams import SAVE_BUCKETS, STEP_BUCKETS
from orchestrator.protocol.messages import Report

_NO_STEPS = (0,) * (len(STEP_BUCKETS) + 1)
_NO_SAVES = (0,) * (len(SAVE_BUCKETS) + 1)
_LARGEST = 2**53


class Counts(msgspec.Struct, frozen=True):
    """Sums over one program run, or over many. The buckets count steps and saves by duration, +Inf last."""

    steps: int = 0
    examples: int = 0
    non_finite: int = 0
    save_failures: int = 0
    lost_lines: int = 0
    step_seconds: float = 0.0
    input_wait_seconds: float = 0.0
    callback_seconds: float = 0.0
    save_seconds: float = 0.0
    step_buckets: tuple[int, ...] = _NO_STEPS
    save_buckets: tuple[int, ...] = _NO_SAVES


def counts_of(report: Report) -> Counts:
    unreal = sum(1 for value in report.metrics.values() if value is None or not math.isfinite(value))
    return Counts(
        steps=_whole(report.steps),
        examples=_whole(report.examples),
        non_finite=max(_whole(report.non_finite), unreal),
        save_failures=_whole(report.checkpoint_failures),
        lost_lines=_whole(report.lost_lines),
        step_seconds=_seconds(report.step_seconds_sum),
        input_wait_seconds=_seconds(report.input_wait_seconds),
        callback_seconds=_seconds(report.callback_seconds),
        save_seconds=_seconds(report.checkpoint_save_seconds),
        step_buckets=_buckets(report.step_seconds, _NO_STEPS),
        save_buckets=_buckets(report.checkpoint_save_buckets, _NO_SAVES),
    )


def largest(a: Counts, b: Counts) -> Counts:
    """The later of two states of one program run, field by field."""
    return Counts(
        steps=max(a.steps, b.steps),
        examples=max(a.examples, b.examples),
        non_finite=max(a.non_finite, b.non_finite),
        save_failures=max(a.save_failures, b.save_failures),
        lost_lines=max(a.lost_lines, b.lost_lines),
        step_seconds=max(a.step_seconds, b.step_seconds),
        input_wait_seconds=max(a.input_wait_seconds, b.input_wait_seconds),
        callback_seconds=max(a.callback_seconds, b.callback_seconds),
        save_seconds=max(a.save_seconds, b.save_seconds),
        step_buckets=tuple(map(max, a.step_buckets, b.step_buckets)),
        save_buckets=tuple(map(max, a.save_buckets, b.save_buckets)),
    )


def total(a: Counts, b: Counts) -> Counts:
    """Two program runs together."""
    return Counts(
        steps=a.steps + b.steps,
        examples=a.examples + b.examples,
        non_finite=a.non_finite + b.non_finite,
        save_failures=a.save_failures + b.save_failures,
        lost_lines=a.lost_lines + b.lost_lines,
        step_seconds=a.step_seconds + b.step_seconds,
        input_wait_seconds=a.input_wait_seconds + b.input_wait_seconds,
        callback_seconds=a.callback_seconds + b.callback_seconds,
        save_seconds=a.save_seconds + b.save_seconds,
        step_buckets=_sums(a.step_buckets, b.step_buckets),
        save_buckets=_sums(a.save_buckets, b.save_buckets),
    )


def _whole(value: int) -> int:
    return min(max(value, 0), _LARGEST)


def _seconds(value: float) -> float:
    return min(max(value, 0.0), float(_LARGEST)) if math.isfinite(value) else 0.0


def _buckets(values: tuple[int, ...], none: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(_whole(value) for value in values) if len(values) == len(none) else none


def _sums(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(x + y for x, y in zip(a, b, strict=True))
