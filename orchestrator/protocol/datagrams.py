"""What a training process tells its agent: JSON datagrams of increments on the UNIX socket TFO_REPORT_SOCKET.

Sent by `train.report`, received by `agent.telemetry`. Counters are increments, so that a dropped datagram loses
little; a metric that is not finite is null. Every instrumented program imports it: keep that cheap.
Python 3.9, standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional, Tuple, Union

from orchestrator.protocol.fields import (
    MAX_METRIC_NAME,
    MAX_METRICS,
    MAX_NUMBERS,
    Check,
    ProtocolError,
    collect,
    describe,
    integer,
    mapping,
    number,
    optional,
    parse,
    plain,
    render,
    sequence,
    text,
)

MAX_DATAGRAM_BYTES = 16 * 1024
COMPILING = "compiling"
STARTING = "starting"
"""Before training, with nothing to save yet: a program that says so is not asked to stop, but ended."""
UNOBSERVED = "unobserved"
"""What a program is busy with of which nobody knows any more whether it makes steps."""
STEP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Upper bounds in seconds of the step-duration histogram; the last, +Inf, is implied."""
SAVE_BUCKETS = (0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0)
"""The same of how long saves of a checkpoint take."""
BUILT_IN_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
"""Reported in every job; others where its telemetry.metrics names them."""

__all__ = [
    "BUILT_IN_METRICS",
    "COMPILING",
    "MAX_DATAGRAM_BYTES",
    "SAVE_BUCKETS",
    "STARTING",
    "STEP_BUCKETS",
    "UNOBSERVED",
    "Checkpointed",
    "Datagram",
    "ProtocolError",
    "decode",
    "encode",
]


@dataclass(frozen=True)
class Checkpointed:
    """A save that ended: committed if `ok`, after so many seconds."""

    step: int
    ok: bool = True
    seconds: float = 0.0


@dataclass(frozen=True)
class Datagram:
    """Any of these; absent means unchanged.

    `busy`: "" | starting | compiling | evaluating | saving | stopping | unobserved.
    """

    attempt: Optional[int] = None
    pid: Optional[int] = None
    step: Optional[int] = None
    total_steps: Optional[int] = None
    epoch: Optional[int] = None
    total_epochs: Optional[int] = None
    metrics: Dict[str, Optional[float]] = field(default_factory=dict)
    steps: int = 0
    examples: int = 0
    non_finite: int = 0
    step_seconds: Tuple[int, ...] = ()
    step_seconds_sum: float = 0.0
    input_wait_seconds: float = 0.0
    callback_seconds: float = 0.0
    busy: Optional[str] = None
    checkpoint: Optional[Checkpointed] = None
    note: Optional[str] = None


def encode(datagram: Datagram) -> bytes:
    """Raises ProtocolError for what the agent would refuse."""
    value = plain(datagram)
    _datagram(value)
    return render(value, MAX_DATAGRAM_BYTES)


def decode(data: bytes) -> Datagram:
    """Raises ProtocolError."""
    return _datagram(parse(data, MAX_DATAGRAM_BYTES))


def _datagram(value: object) -> Datagram:
    return Datagram(**collect(value, _DATAGRAM, "datagram"))


def _checkpointed(value: object, path: str) -> Checkpointed:
    return Checkpointed(**collect(value, _CHECKPOINTED, path))


def _increment(value: object, path: str) -> int:
    checked = integer(value, path)
    if checked < 0:
        raise ProtocolError(f"{path} must not be negative")
    return checked


def _seconds(value: object, path: str) -> float:
    checked = number(value, path)
    if checked < 0:
        raise ProtocolError(f"{path} must not be negative")
    return checked


_CHECKS: Dict[object, Check] = {
    int: _increment,
    float: _seconds,
    Union[int, None]: optional(_increment),
    Union[str, None]: optional(text),
    Tuple[int, ...]: sequence(_increment, MAX_NUMBERS),
    Dict[str, Union[float, None]]: mapping(optional(number), 4 * MAX_METRICS, 4 * MAX_METRIC_NAME),
    Union[Checkpointed, None]: optional(_checkpointed),
}
# More metrics and longer names than a Report may carry are let in, so that the agent can keep the first ones.
_CHECKPOINTED = describe(Checkpointed, _CHECKS)
_DATAGRAM = describe(Datagram, _CHECKS)
