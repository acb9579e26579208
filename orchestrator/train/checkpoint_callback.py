"""The Keras callback that saves at common steps and performs the agreed stop.

Given to `model.fit` on every member alike. It acts when the next batch begins, when an epoch and when training ends:
in the thread that trains, at steps that every member counts alike, since saves and agreements are collectives.
Python 3.9 syntax.
"""

from __future__ import annotations

from typing import Any, Callable, Dict, Mapping, Optional

from orchestrator.train.checkpointer import Checkpointer
from orchestrator.train.keras_base import with_keras_base
from orchestrator.train.membership import context
from orchestrator.train.reporter import current
from orchestrator.train.steps import StepCount
from orchestrator.train.stop import StopAgreement

Extra = Callable[[int], Mapping[str, object]]
Logs = Optional[Mapping[str, Any]]


class CheckpointCallback:
    """Saves every `every_steps` steps (by default as the job says; 0: never) and at the end; stops when told to.

    SIGTERM to any member: all save once at one common step and exit 143. extra: what to keep beside the state of a
    step. on_stop: called after that last save, before the exit, to flush what the program writes itself.
    stop_every: steps between two agreements, by default about a second's worth.
    """

    async_safe = True

    model: Any
    params: Dict[str, Any]

    def __new__(cls, *arguments: object, **named: object) -> CheckpointCallback:
        return object.__new__(with_keras_base(cls))

    def __init__(
        self,
        checkpointer: Optional[Checkpointer] = None,
        every_steps: Optional[int] = None,
        extra: Optional[Extra] = None,
        on_stop: Optional[Callable[[], None]] = None,
        stop_every: Optional[int] = None,
        initial_step: Optional[int] = None,
    ) -> None:
        super().__init__()
        self._supports_tf_logs = True  # see ReportCallback
        self._checkpointer = checkpointer or Checkpointer()
        self._every = context().checkpoint_every_steps if every_steps is None else every_steps
        self._extra = extra
        self._on_stop = on_stop
        self._stop_every = stop_every
        self._count = StepCount(initial_step)
        self._agreement: Optional[StopAgreement] = None
        self._saved = -1

    def on_train_begin(self, logs: Logs = None) -> None:
        self._count.begin_training(self.model)
        self._saved = self._count.start
        self._agreement = StopAgreement(self.model.distribute_strategy, self._stop_every)

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        self._count.begin_epoch(self.model)

    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        self._after(self._count.begin_batch(batch))

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._count.end_batch(batch)

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._after(self._count.end_epoch(self.model, (self.params or {}).get("steps")))

    def on_train_end(self, logs: Logs = None) -> None:
        self._count.end_training(self.model)
        self._stop_if_agreed(now=True)
        self._save()
        if self._agreement is not None:
            self._agreement.close()

    def _after(self, steps: int) -> None:
        """So many more steps are done: save if a multiple of `every` is among them; stop if that is agreed."""
        done = self._count.completed
        if self._every > 0 and steps > 0 and done // self._every > (done - steps) // self._every:
            self._save()
        self._stop_if_agreed()

    def _save(self) -> None:
        step = self._count.completed
        if step == self._saved:
            return
        self._checkpointer.save(self.model, step, self._extra(step) if self._extra else None)
        self._saved = step

    def _stop_if_agreed(self, now: bool = False) -> None:
        if self._agreement is None or not self._agreement.should_stop(self._count.completed, now):
            return
        current().set_busy("stopping")
        self._save()
        if self._on_stop is not None:
            self._on_stop()
        self._agreement.leave()
