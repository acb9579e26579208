"""Keras callbacks of the built-in programs: a short first epoch after a resume, validation, TensorBoard files.

Made by `training`. Only what `orchestrator.train` has not: reports, checkpoints and the agreed stop are there.
Imports Keras: itself imported only once training begins.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

import keras
import tensorflow as tf

from orchestrator.train import report
from orchestrator.workloads.plan import TrainingPlan
from orchestrator.workloads.validation import Scores


class ShortFirstEpoch(keras.callbacks.Callback):
    """Ends the first epoch where it would have ended without the interruption."""

    # Why not initial_epoch alone? Keras begins an epoch anew, so that its steps and the examples would no longer
    # be those of the undisturbed training.
    async_safe = True
    """Keras need not wait for each batch's results because of this callback."""

    def __init__(self, plan: TrainingPlan) -> None:
        super().__init__()
        self._epoch, self._last_batch = plan.first_epoch, plan.first_epoch_steps - 1
        self._is_first = False

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._is_first = epoch == self._epoch

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._is_first and batch == self._last_batch:
            self.model.stop_training = True  # looked at after this batch

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.model.stop_training = False


class Validation(keras.callbacks.Callback):
    """Judges the model after each epoch; must stand before the callbacks that are to see val_loss and val_accuracy."""

    async_safe = True

    def __init__(self, validate: Callable[[], Scores]) -> None:
        super().__init__()
        self._validate = validate

    def on_epoch_end(self, epoch: int, logs: MutableMapping[str, Any] | None = None) -> None:
        report(busy="evaluating")
        scores = self._validate()
        report(busy="")
        if logs is not None:
            logs.update(scores._asdict())  # as Keras's own callbacks add to them


class Summaries(keras.callbacks.Callback):
    """Writes the model's graph, and loss and accuracy of each epoch over the step, for TensorBoard."""

    async_safe = True

    def __init__(self, directory: str, plan: TrainingPlan) -> None:
        super().__init__()
        self._plan = plan
        self._writers = {
            name: tf.summary.create_file_writer(f"{directory}/{name}") for name in ("train", "validation")
        }

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        example = tf.TensorSpec([None, *self.model.input_shape[1:]], tf.float32)
        graph = tf.function(lambda x: self.model(x, training=False)).get_concrete_function(example).graph
        with self._writers["train"].as_default():
            tf.summary.graph(graph)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        step = (epoch + 1) * self._plan.epoch_steps
        for name, value in (logs or {}).items():
            writer = self._writers["validation" if name.startswith("val_") else "train"]
            with writer.as_default():
                tf.summary.scalar(f"epoch_{name.removeprefix('val_')}", value, step)
        self.flush()

    def flush(self) -> None:
        for writer in self._writers.values():
            writer.flush()


def reset_metrics_locally(model: Any, strategy: Any) -> None:
    """Sets the metrics to 0 at once on all members; Keras assigns them one by one, with a collective each time."""

    def in_replica() -> None:
        for variable in model.metrics_variables:
            variable.assign(tf.zeros_like(variable))

    model.reset_metrics = tf.function(lambda: strategy.run(in_replica), autograph=False)
