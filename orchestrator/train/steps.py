"""Counts training steps of Keras's `fit` over epochs, fits and resumes, the same on every member.

Called by the two callbacks, each with its own count. Keras hands its batch hooks the index within the epoch; with
several steps per execution it skips indexes, and a data set that runs out begins a batch that never ends: nothing is
learned in it, yet the optimizer's `iterations` count it. So they are asked only where nothing better is known, when a
`fit` begins, and about executions of several steps. Otherwise this must not touch the device. Python 3.9, standard
library only.
"""

from __future__ import annotations

import contextlib
import threading
from typing import Any, Optional

_of_process = [0]
"""Steps of all fits that ended in this process: a second fit goes on counting, whatever its optimizer says."""
_SURPLUS = "_tfo_surplus"
"""On an optimizer: how many more batches it says than there were steps. There, because the start-up hook, which may be
another copy of this package, has to find what the program's copy restored."""


class StepCount:
    """`completed`: steps that are done, over everything before this fit too."""

    def __init__(self, initial_step: Optional[int] = None) -> None:
        self._initial_step = initial_step
        self.start = initial_step or 0
        self.completed = self.start
        self._epoch_start = self.start
        self._begun = 0
        self._ended = -1
        self._epoch_seen = 0
        self._lock = threading.Lock()

    @property
    def of_epoch(self) -> int:
        """Steps of the epoch so far."""
        return self.completed - self._epoch_start

    def begin_training(self, model: Any) -> None:
        if self._initial_step is None:
            self.start = max(steps_of(model), _of_process[0])
        else:
            self.start = self._initial_step
        self.completed = self.start

    def begin_epoch(self, model: Any = None) -> None:
        self._epoch_seen = optimizer_steps(model) if steps_per_execution(model) > 1 else 0
        self._epoch_start = self.completed
        self._begun, self._ended = 0, -1

    def begin_batch(self, batch: int) -> int:
        """Keras is about to do this batch, so all before it are done. Returns how many more than known."""
        self._begun = batch
        return self._complete(self._epoch_start + batch)

    def end_batch(self, batch: int) -> None:
        """May come from other threads, out of order and at once: Keras hands out finished batches from a pool."""
        with self._lock:
            self._ended = max(self._ended, batch)

    def end_epoch(self, model: Any = None, stated: Optional[int] = None) -> int:
        """Returns how many more steps are done than known. stated: how many the epoch has, if Keras knows it before."""
        if self._ended < self._begun:
            return 0  # the data ran out: the batch that was begun last never happened
        # Older versions name an execution's first step at its end too.
        last = self._begun + steps_per_execution(model) - 1 if self._ended == self._begun else self._ended
        done = last + 1
        # The last execution ends with the data, but not with `steps_per_epoch`: then it goes on to its full size.
        if stated and done > stated and optimizer_steps(model) - self._epoch_seen <= stated:
            done = stated
        return self._complete(self._epoch_start + done)

    def end_training(self, model: Any) -> None:
        _of_process[0] = max(_of_process[0], self.completed)
        remember_step(model, self.completed)

    def _complete(self, completed: int) -> int:
        more = max(0, completed - self.completed)
        self.completed += more
        return more


def steps_of(model: Any) -> int:
    """Steps that the model has been trained for, as far as it can be known."""
    return optimizer_steps(model) - int(getattr(getattr(model, "optimizer", None), _SURPLUS, 0))


def remember_step(model: Any, step: int) -> None:
    """The model as it is now, trained or restored, is that of this step, whatever its optimizer says."""
    with contextlib.suppress(Exception):  # no optimizer, or one that takes no attributes
        setattr(model.optimizer, _SURPLUS, optimizer_steps(model) - step)


def optimizer_steps(model: Any) -> int:
    """Batches that the model's optimizer counts, also before a restore; 0 where it does not say.

    One more for each time that the data ran out in the middle of a `fit`: TensorFlow counts up beside the request for
    the next batch, which then fails. With accumulated gradients, up to one accumulation less.
    """
    try:
        optimizer = model.optimizer
        accumulated = getattr(optimizer, "gradient_accumulation_steps", None) or 1
        return int(optimizer.iterations.numpy()) * int(accumulated)
    except Exception:
        return 0


def steps_per_execution(model: Any) -> int:
    """Steps that Keras does between two calls of a batch hook."""
    value: Any = getattr(model, "steps_per_execution", None) or getattr(model, "_steps_per_execution", None)
    try:
        return max(1, int(value if isinstance(value, int) else value.numpy()))
    except Exception:
        return 1
