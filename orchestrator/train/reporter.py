"""Sends what a training process has to say to its agent: JSON datagrams on a UNIX socket, never waiting, never raising.

Called by `report()`, the Keras callbacks and the checkpointer. Counters are increments since the last datagram that
the kernel accepted, so one that did not fit loses nothing. It must not slow training down: without a socket every
call returns at once, and values are converted only when a datagram is due. What was held back is sent by an
`Afterlook` if the program falls silent. Python 3.9, standard library only.
"""

from __future__ import annotations

import atexit
import json
import math
import os
import socket
import threading
import time
from bisect import bisect_left
from collections import deque
from typing import Callable, Collection, Deque, Dict, List, Mapping, Optional

from orchestrator.protocol import environment as env
from orchestrator.protocol.datagrams import (
    BUILT_IN_METRICS,
    STARTING,
    STEP_BUCKETS,
    Checkpointed,
    Datagram,
    ProtocolError,
    encode,
)
from orchestrator.protocol.fields import MAX_INTEGER, MAX_METRIC_NAME, MAX_METRICS
from orchestrator.train.afterlook import Afterlook
from orchestrator.train.ownership import Ownership

DEFAULT_SECONDS = 1.0
PATIENCE = 0.25
"""So much of an interval longer a program may take for its next report, which then says all at once, metrics too."""
MAX_NOTE = 1000
MAX_PENDING = 16


class Increments:
    """What was counted since the last datagram that got through."""

    # Why no dataclass? Making one costs every instrumented program a millisecond of its start; so with Standing.
    def __init__(self, examples: float = 0.0) -> None:
        self.steps = 0
        self.examples = examples
        self.step_seconds: List[int] = [0] * (len(STEP_BUCKETS) + 1)
        self.step_seconds_sum = 0.0
        self.input_wait_seconds = 0.0
        self.callback_seconds = 0.0

    def count(self, steps: int, seconds_each: Optional[float], examples: float) -> None:
        """Count steps that took so many seconds each; None where nobody measured."""
        self.steps += steps
        self.examples += examples
        if seconds_each is not None and steps > 0:
            self.step_seconds[bisect_left(STEP_BUCKETS, seconds_each)] += steps
            self.step_seconds_sum += seconds_each * steps


class Standing:
    """What holds until something else is said."""

    def __init__(self) -> None:
        self.step: Optional[int] = None
        self.total_steps: Optional[int] = None
        self.epoch: Optional[int] = None
        self.total_epochs: Optional[int] = None
        self.busy = ""


class Reporter:
    """Collects what happened in this process and sends it when it is due. Safe to call from several threads."""

    def __init__(
        self,
        path: str = "",
        interval: float = DEFAULT_SECONDS,
        attempt: Optional[int] = None,
        metrics: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`metrics`: names that somebody wants to see beside BUILT_IN_METRICS; no others are sent."""
        self._path = path
        self._interval = interval
        self._attempt = attempt
        self._names = frozenset((*BUILT_IN_METRICS, *metrics))
        self._clock = clock
        self._lock = threading.RLock()
        self._ownership = Ownership(path)
        self._afterlook = Afterlook(self._lock, self._send_held_back)
        self._socket: Optional[socket.socket] = None
        self._next = float("-inf")
        self._is_step_said = False
        self._has_news = False
        self._increments = Increments()
        self._standing = Standing()
        self._metrics: Dict[str, object] = {}
        self._checkpoints: Deque[Checkpointed] = deque(maxlen=MAX_PENDING)
        self._notes: Deque[str] = deque(maxlen=MAX_PENDING)
        self.saving_seconds = 0.0
        """Seconds spent in saves so far; who measures a step around one subtracts them."""

    @property
    def is_active(self) -> bool:
        """Whether anybody listens."""
        return bool(self._path)

    def is_due(self) -> bool:
        """Whether the next datagram may be sent."""
        return self.is_active and self._clock() >= self._next

    def is_due_after(self, step: int) -> bool:
        """Whether a datagram should be sent now that this step is done: the first, the last, or in time."""
        if not self.is_active:
            return False
        return not self._is_step_said or step == self._standing.total_steps or self._clock() >= self._next

    def count_steps(
        self, step: int, steps: int = 1, seconds_each: Optional[float] = None, examples: float = 0.0
    ) -> None:
        """`step` is done; `steps` is how many more than at the last call."""
        with self._lock:
            self._has_news = True
            self._increments.count(steps, seconds_each, examples)
            self._standing.step = _bounded(step)

    def set_plan(
        self,
        total_steps: Optional[int] = None,
        epoch: Optional[int] = None,
        total_epochs: Optional[int] = None,
    ) -> None:
        """How far training is to go, and the epoch it is in; None: as before."""
        with self._lock:
            now = self._standing
            self._has_news = True
            now.total_steps = now.total_steps if total_steps is None else _bounded(total_steps)
            now.epoch = now.epoch if epoch is None else _bounded(epoch)
            now.total_epochs = now.total_epochs if total_epochs is None else _bounded(total_epochs)

    def set_metrics(self, metrics: Mapping[str, object]) -> None:
        """Latest values by name; anything that `float` takes. Converted only when they are sent."""
        with self._lock:
            self._has_news = True
            self._metrics.update(metrics)

    def set_busy(self, busy: str) -> None:
        """ "", starting, compiling, evaluating, saving or stopping; a change is sent at once."""
        with self._lock:
            if busy != self._standing.busy:
                self._has_news = True
                self._standing.busy = busy
                self.send()

    def end_start(self) -> None:
        """From now on there is something to save, or somebody who listens: to be asked to stop, not ended."""
        if self.busy == STARTING:
            self.set_busy("")

    @property
    def busy(self) -> str:
        return self._standing.busy

    def add_examples(self, examples: float) -> None:
        with self._lock:
            self._has_news = True
            self._increments.examples += examples

    def add_input_wait(self, seconds: float) -> None:
        """Time that steps spent waiting for their input; anything but a positive number counts for nothing."""
        with self._lock:
            if 0 < seconds < math.inf:
                self._has_news = True
                self._increments.input_wait_seconds += seconds

    def add_callback_seconds(self, seconds: float) -> None:
        """Time that reporting itself took from the training."""
        with self._lock:
            self._increments.callback_seconds += seconds

    def add_checkpoint(self, step: int, ok: bool, seconds: float) -> None:
        """A save ended; sent at once."""
        with self._lock:
            self._has_news = True
            self._checkpoints.append(Checkpointed(step=step, ok=ok, seconds=seconds))
            self.send()

    def add_note(self, text: str) -> None:
        """A sentence for the person who watches; sent at once."""
        with self._lock:
            self._has_news = True
            self._notes.append(text[:MAX_NOTE])
            self.send()

    def send(self) -> bool:
        """Send what there is, now. False if it did not get through; its counts then go with the next one."""
        if not self.is_active:
            return False
        with self._lock:
            self._next = self._clock() + self._interval
            is_through = self._send_all()
            if self._interval > 0 and self._socket is not None:  # who may not report has no socket
                self._afterlook.start(self._interval * (1 + PATIENCE))
            return is_through

    def close(self) -> None:
        """Send what is left and let another process of the program report."""
        with self._lock:
            if self.is_active and (self._has_news or self._metrics):
                self._send_all()
            self._afterlook.stop()
            self._ownership.release()
            if self._socket is not None:
                self._socket.close()
                self._socket = None

    def disown(self) -> None:
        """Give the right to report away without a word; for a forked child, whose parent still holds it."""
        self._ownership.release()

    def _send_held_back(self, is_last: bool) -> Optional[float]:
        """Called by the Afterlook. Seconds until the next look; None when nothing is left for one.

        The next report stays due as it is: it may bring metrics that nobody looks at before they are due. After the
        last look it is due at once, and has another look follow.
        """
        if is_last:
            self._next = float("-inf")
        left = self._next + self._interval * PATIENCE - self._clock()
        if left > 0:
            return left
        if not self._has_news or not self._ownership.is_held():
            return None
        found = self._metrics
        self._metrics = {name: value for name, value in found.items() if _is_plain(value)}
        is_through = self._send_all()
        for name in self._names.intersection(found):
            if not _is_plain(found[name]):
                self._metrics[name] = found[name]
        return None if is_through else self._interval

    def _send_all(self) -> bool:
        self._is_step_said = self._is_step_said or self._standing.step is not None
        if not self._ownership.is_held():
            return False
        while self._send_one():
            if not self._checkpoints and not self._notes:
                return True
        return False

    def _send_one(self) -> bool:
        metrics = finite_metrics(self._metrics, self._names)
        try:
            self._put(encode(self._datagram(metrics)))
        except ProtocolError:
            self._forget()  # nothing that is said here can be refused; should it ever be, do not repeat it for ever
            return False
        except OSError:
            return False
        self._forget()
        return True

    def _datagram(self, metrics: Dict[str, Optional[float]]) -> Datagram:
        counted, standing = self._increments, self._standing
        return Datagram(
            attempt=self._attempt,
            pid=os.getpid(),
            step=standing.step,
            total_steps=standing.total_steps,
            epoch=standing.epoch,
            total_epochs=standing.total_epochs,
            metrics=metrics,
            steps=counted.steps,
            examples=int(counted.examples),
            non_finite=sum(value is None for value in metrics.values()),
            step_seconds=tuple(counted.step_seconds) if any(counted.step_seconds) else (),
            step_seconds_sum=counted.step_seconds_sum,
            input_wait_seconds=counted.input_wait_seconds,
            callback_seconds=counted.callback_seconds,
            busy=standing.busy,
            checkpoint=self._checkpoints[0] if self._checkpoints else None,
            note=self._notes[0] if self._notes else None,
        )

    def _put(self, data: bytes) -> None:
        if self._socket is None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)
        self._socket.sendto(data, self._path)

    def _forget(self) -> None:
        fraction = self._increments.examples % 1.0
        self._increments = Increments(examples=fraction)
        self._metrics = {}
        for queue in (self._checkpoints, self._notes):
            if queue:
                queue.popleft()
        self._has_news = bool(self._checkpoints or self._notes)


def _bounded(number: int) -> int:
    return min(max(0, int(number)), MAX_INTEGER)


def finite_metrics(values: Mapping[str, object], names: Collection[str]) -> Dict[str, Optional[float]]:
    """Those of these names that are numbers, None for NaN and infinities. Others cost no conversion."""
    found: Dict[str, Optional[float]] = {}
    for name in values:
        if name not in names:
            continue
        try:
            number = float(values[name])  # type: ignore[arg-type]  # tensors are numbers too; the rest is skipped
        except Exception:
            continue
        found[name] = number if math.isfinite(number) else None
    return found


def _is_plain(value: object) -> bool:
    """Whether another thread may convert it: a tensor may have to be waited for, or belong to the thread that trains.

    By its type alone: even `isinstance` asks a value that pretends to be something else.
    """
    from numbers import Real  # NumPy's numbers are such too; imported here, since most programs never come by

    return issubclass(type(value), Real)


def read_reporter(environ: Mapping[str, str]) -> Reporter:
    """The reporter that this environment describes; an inactive one where there is no agent."""
    return Reporter(
        path=environ.get(env.REPORT_SOCKET, ""),
        interval=_positive(environ.get(env.REPORT_SECONDS, "")) or DEFAULT_SECONDS,
        attempt=_whole(environ.get(env.ATTEMPT, "")),
        metrics=_names(environ.get(env.METRICS, "")),
    )


def _names(text: str) -> List[str]:
    """At most as many, and as long ones, as a report may carry."""
    try:
        found = json.loads(text) if text else []
    except ValueError:
        return []
    usable = [each for each in found if isinstance(each, str) and 0 < len(each) <= MAX_METRIC_NAME]
    return usable[: MAX_METRICS - len(BUILT_IN_METRICS)]


def _positive(text: str) -> Optional[float]:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _whole(text: str) -> Optional[int]:
    return int(text) if text.isascii() and text.isdigit() else None


_of_process: List[Reporter] = []


def current() -> Reporter:
    """The one reporter of this process."""
    if not _of_process:
        _of_process.append(read_reporter(os.environ))
        atexit.register(_close)
    return _of_process[0]


def _close() -> None:
    for each in _of_process:
        each.close()


def _forget_parents() -> None:
    """A forked child has its own pid and its own story; the parent's unsent counts are the parent's."""
    for each in _of_process:
        each.disown()
    _of_process.clear()


os.register_at_fork(after_in_child=_forget_parents)
