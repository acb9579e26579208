"""The Keras callback that reports: steps, their durations, loss and metrics, what `fit` is busy with.

Given to `model.fit` by users, by the built-in workloads, and by the start-up hook. Works with Keras 3 and tf_keras.
It never waits for a device and never looks at values unless a report is due; all sending happens in the thread that
trains, since Keras 3 may call the batch-end hook from a pool. Python 3.9 syntax.
"""

from __future__ import annotations

import functools
import sys
import time
from contextlib import suppress
from typing import Any, Callable, Dict, Mapping, Optional, TypeVar, cast

from orchestrator.protocol.datagrams import COMPILING, UNOBSERVED
from orchestrator.train.keras_base import with_keras_base
from orchestrator.train.reporter import Reporter, current
from orchestrator.train.sigterm import end_on_sigterm
from orchestrator.train.steps import StepCount

Logs = Optional[Mapping[str, Any]]
Hook = TypeVar("Hook", bound=Callable[..., None])


def _harmless(hook: Hook) -> Hook:
    """Reporting never fails a `fit`: at the first error it says so, once, and is over.

    Nobody can tell from then on whether the training goes on, so it must not be taken for one that hangs.
    """

    @functools.wraps(hook)
    def guarded(self: Any, *arguments: Any, **named: Any) -> None:
        if self.is_broken:
            return
        try:
            hook(self, *arguments, **named)
        except Exception as error:
            self.is_broken = True
            print(f"tfo: no more reports: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
            with suppress(Exception):
                self._reporter.set_busy(UNOBSERVED)

    return cast("Hook", guarded)


class ReportCallback:
    """Reports what `model.fit` does to the agent; without an agent it does nothing.

    total_steps: steps of the whole job, over all epochs and resumes; by default what `fit` says of itself.
    examples_per_step: examples that this process handles in a step (its share of the global batch).
    initial_step: steps done before this `fit`; by default what the optimizer and earlier fits say.
    """

    async_safe = True
    """Tells Keras 3 that finished batches may be handed over from its thread pool."""

    is_broken = False
    """An error of ours has ended the reports of this `fit`."""

    tfo_reports = True
    """Tells the start-up hook, which may be another copy of this package, that this `fit` reports already."""

    model: Any
    params: Dict[str, Any]

    def __new__(cls, *arguments: object, **named: object) -> ReportCallback:
        return object.__new__(with_keras_base(cls))

    def __init__(
        self,
        total_steps: Optional[int] = None,
        examples_per_step: Optional[float] = None,
        initial_step: Optional[int] = None,
    ) -> None:
        super().__init__()
        # Tells tf_keras, whose own __init__ says the opposite, not to convert the logs of every batch.
        self._supports_tf_logs = True
        self._total_steps = total_steps
        self._examples_per_step = examples_per_step or 0.0
        self._count = StepCount(initial_step)
        self._reporter: Reporter = current()
        self._logs: Logs = None
        self._since: Optional[float] = None
        self._saving_seconds = 0.0
        self._is_compiling = True
        self._epoch_steps: Optional[int] = None
        self._log_scale = 1.0

    @_harmless
    def on_train_begin(self, logs: Logs = None) -> None:
        self._count.begin_training(self.model)
        self._is_compiling = True
        self._log_scale = batch_log_scale(self.model)
        self._epoch_steps = self.params.get("steps") if self.params else None
        self._reporter.set_busy(COMPILING)

    @_harmless
    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        if self._reporter.is_active:
            end_on_sigterm()  # not in on_train_begin, where others may be about to listen
        self._count.begin_epoch(self.model)
        epochs = (self.params or {}).get("epochs")
        total = self._total_steps
        if total is None and epochs and self._epoch_steps:
            total = self._count.completed + (epochs - epoch) * self._epoch_steps
        self._reporter.set_plan(total_steps=total, epoch=epoch + 1, total_epochs=epochs)
        self._since = None

    @_harmless
    def on_train_batch_begin(self, batch: int, logs: Logs = None) -> None:
        begun = time.monotonic()
        self._add_steps(self._count.begin_batch(batch), begun)
        ended = time.monotonic()
        self._since, self._saving_seconds = ended, self._reporter.saving_seconds
        self._reporter.add_callback_seconds(ended - begun)

    @_harmless
    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        self._logs = logs
        self._count.end_batch(batch)

    @_harmless
    def on_test_begin(self, logs: Logs = None) -> None:
        self._reporter.set_busy("evaluating")

    @_harmless
    def on_test_end(self, logs: Logs = None) -> None:
        self._reporter.set_busy("")

    @_harmless
    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self._add_steps(self._count.end_epoch(self.model, (self.params or {}).get("steps")), None)
        self._epoch_steps = self._epoch_steps or self._count.of_epoch or None
        self._reporter.set_metrics(logs or {})
        self._reporter.send()

    @_harmless
    def on_train_end(self, logs: Logs = None) -> None:
        self._count.end_training(self.model)
        # Why busy? What a program does after its training (evaluate, export) is no step, and no hang either.
        self._reporter.set_busy("evaluating")

    def _add_steps(self, steps: int, now: Optional[float]) -> None:
        if steps == 0:
            return
        seconds = None if now is None or self._is_compiling else self._seconds_until(now)
        self._is_compiling = False
        self._reporter.count_steps(
            self._count.completed,
            steps,
            seconds / steps if seconds else None,
            steps * self._examples_per_step,
        )
        if self._reporter.busy == COMPILING:
            self._reporter.set_busy("")
        if self._reporter.is_due_after(self._count.completed):
            self._reporter.set_metrics(self._batch_metrics())
            self._reporter.send()

    def _batch_metrics(self) -> Mapping[str, object]:
        logs = self._logs or {}
        if self._log_scale == 1.0:
            return logs
        return {name: _scaled(value, self._log_scale) for name, value in logs.items()}

    def _seconds_until(self, now: float) -> Optional[float]:
        if self._since is None:
            return None
        return max(0.0, now - self._since - (self._reporter.saving_seconds - self._saving_seconds))


def _scaled(value: Any, scale: float) -> object:
    """What is no number is left for the reporter to leave out."""
    try:
        return float(value) / scale
    except Exception:
        return value


def batch_log_scale(model: Any) -> float:
    """By how much a batch's logs are too large: on several workers tf_keras adds up the metrics of all replicas."""
    is_legacy = any(base.__module__.split(".")[0] == "tf_keras" for base in type(model).__mro__)
    if not is_legacy or getattr(model, "distribute_reduction_method", "") not in ("auto", "sum"):
        return 1.0
    strategy = model.distribute_strategy
    is_multi_worker = getattr(strategy.extended, "_in_multi_worker_mode", lambda: False)
    return float(strategy.num_replicas_in_sync) if is_multi_worker() else 1.0
