"""The training of mlp, cnn and rnn by a ParameterServerStrategy: the chief deals the steps out, workers do them.

Run by `__main__` in the chief; parameter servers and workers run `train.server`. Steps are dealt out in rounds of about
a second: between two rounds nobody works, so that what is saved and judged is the state after so many steps. Who does a
step, and upon whose results, is chance: the examples of a step are the same in every run, the weights are not.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from orchestrator.protocol.datagrams import COMPILING, STARTING
from orchestrator.protocol.environment import TF_CONFIG
from orchestrator.train import STOPPED_EXIT_CODE, Checkpointer, Context, StopAgreement
from orchestrator.train.model_state import build_optimizer
from orchestrator.train.reporter import current
from orchestrator.train.server import PS, WORKER
from orchestrator.train.stop import interval
from orchestrator.workloads.batches import batches_from
from orchestrator.workloads.cluster import build_served_strategy, count_tasks, limit_threads
from orchestrator.workloads.data import load
from orchestrator.workloads.models import Trainable, build_model, require_shape
from orchestrator.workloads.plan import TrainingPlan, plan_training
from orchestrator.workloads.samples import Data
from orchestrator.workloads.training import Folders, Training, finish, restore_start, score
from orchestrator.workloads.validation import Scores, build_validation

SERVERS_LOST = 1


class Sums(NamedTuple):
    """Of the steps since they were taken last: how many, and the sums of their losses and accuracies."""

    steps: float = 0.0
    loss: float = 0.0
    accuracy: float = 0.0

    def plus(self, other: Sums) -> Sums:
        return Sums(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))

    def means(self) -> dict[str, float]:
        return {"loss": self.loss / self.steps, "accuracy": self.accuracy / self.steps} if self.steps else {}


@dataclass(frozen=True)
class Served:
    """What the parameter servers hold, and how to train it. Keras and TensorFlow have no types."""

    model: Any
    strategy: Any
    coordinator: Any
    sums: Any
    step: Any

    def run(self, rows: list[Any], data: Data) -> None:
        """One step for each of `rows`, by whichever worker is free; returns when all are done."""
        for each in rows:
            self.coordinator.schedule(self.step, args=(data.train.x[each], data.train.y[each]))
        self.coordinator.join()

    def take_sums(self) -> Sums:
        found = Sums(*map(float, self.sums.numpy()))
        self.sums.assign([0.0] * len(found))
        return found


def run(options: Trainable, me: Context, folders: Folders) -> int:
    """As `training.run`. A lost parameter server ends it: what it held is gone."""
    import tensorflow as tf

    try:
        return _run(options, me, folders)
    except tf.errors.UnavailableError as error:
        print(f"error: a parameter server is lost: {_first_line(error)}", file=sys.stderr, flush=True)
        return SERVERS_LOST


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [""])[0][:500]


def _run(options: Trainable, me: Context, folders: Folders) -> int:
    current().set_busy(STARTING)
    data = load(options.data, seed=options.seed, directory=me.data_dir or "")
    require_shape(options, data)
    limit_threads()
    served = _build(options, data)
    checkpointer = Checkpointer(folders.checkpoints) if folders.checkpoints else None
    plan = plan_training(options, data, start=restore_start(served.model, checkpointer, me))
    training = _with_copy(options, data, plan, served)
    _print_plan(training)
    rounds = _Rounds(training, served, me, checkpointer, folders)
    scores = score(training, me) if plan.is_done else rounds.train()
    if scores is None:
        return STOPPED_EXIT_CODE
    finish(training, me, folders, scores)
    return 0


def _build(options: Trainable, data: Data) -> Served:
    """All variables are made here: on a worker none can be."""
    import tensorflow as tf

    strategy = build_served_strategy()
    with strategy.scope():
        model = build_model(options, data)
        build_optimizer(model)
        sums = tf.Variable([0.0] * len(Sums._fields), aggregation=tf.VariableAggregation.SUM)
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    return Served(model, strategy, coordinator, sums, _build_step(strategy, model, sums))


def _build_step(strategy: Any, model: Any, sums: Any) -> Any:
    import keras
    import tensorflow as tf

    def in_replica(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            predicted = model(x, training=True)
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, predicted))
        variables = model.trainable_variables
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        is_right = tf.argmax(predicted, axis=-1, output_type=tf.int32) == y
        # Kept where the parameters are: what a worker returns is lost with the worker.
        sums.assign_add(tf.stack([1.0, loss, tf.reduce_mean(tf.cast(is_right, tf.float32))]))

    return tf.function(lambda x, y: strategy.run(in_replica, args=(x, y)), autograph=False)


def _with_copy(options: Trainable, data: Data, plan: TrainingPlan, served: Served) -> Training:
    """With a model of this process alone, which is judged and exported with the weights of the servers."""
    import tensorflow as tf

    copy = build_model(options, data)
    judge = build_validation(tf.distribute.get_strategy(), copy, data.validation, options.batch_size)

    def validate() -> Scores:
        copy.set_weights(served.model.get_weights())
        return judge()

    return Training(options, data, plan, copy, served.strategy, validate)


class _Rounds:
    """The loop over rounds, epochs and saves, from the first step to the last or to a stop."""

    def __init__(
        self,
        training: Training,
        served: Served,
        me: Context,
        checkpointer: Checkpointer | None,
        folders: Folders,
    ) -> None:
        self._training, self._served, self._me = training, served, me
        self._checkpointer = checkpointer
        self._plan = training.plan
        self._batch = training.options.batch_size
        self._done = self._saved = self._plan.start
        self._epoch = Sums()
        self._summaries = _summaries(training, folders) if training.options.summaries else None
        self._rows = batches_from(
            self._done, examples=len(training.data.train), batch=self._batch, seed=training.options.seed
        )

    def train(self) -> Scores | None:
        """What the validation after the last epoch said; None: it was told to stop, and has saved."""
        reporter, agreement = current(), StopAgreement(self._served.strategy)
        reporter.set_plan(total_steps=self._plan.total_steps, total_epochs=self._plan.epochs)
        scores, size, is_first = Scores(0.0, 0.0), count_tasks(os.environ[TF_CONFIG], WORKER), True
        reporter.set_busy(COMPILING)
        while self._done < self._plan.total_steps:
            steps, seconds = self._round(size)
            self._report(steps, None if is_first else seconds)
            size, is_first = max(size, interval(steps, seconds * 1000)), False
            if self._done % self._plan.epoch_steps == 0:
                scores = self._end_epoch()
            is_stopping = agreement.should_stop(self._done)
            self._save_if(is_stopping or self._is_to_save(steps))
            if is_stopping:
                return None
        agreement.close()
        reporter.set_busy("evaluating")  # what follows is no step, and no hang either
        return scores

    def _round(self, size: int) -> tuple[int, float]:
        """How many steps it did, and in how many seconds."""
        steps = min(size, next_mark(self._done, self._plan.epoch_steps, self._me.checkpoint_every_steps))
        current().set_plan(epoch=self._done // self._plan.epoch_steps + 1)
        begun = time.monotonic()
        self._served.run([next(self._rows) for _ in range(steps)], self._training.data)
        self._done += steps
        return steps, time.monotonic() - begun

    def _report(self, steps: int, seconds: float | None) -> None:
        reporter, sums = current(), self._served.take_sums()
        self._epoch = self._epoch.plus(sums)
        each = None if seconds is None else seconds / steps
        reporter.count_steps(self._done, steps, each, steps * self._batch)
        reporter.set_metrics(sums.means())
        reporter.set_busy("")
        if reporter.is_due_after(self._done):
            reporter.send()

    def _end_epoch(self) -> Scores:
        reporter, epoch = current(), self._done // self._plan.epoch_steps
        reporter.set_busy("evaluating")
        scores = self._training.validate()
        logs = self._epoch.means() | scores._asdict()
        self._epoch = Sums()
        reporter.set_metrics(logs)
        reporter.set_busy("")
        print(
            f"epoch {epoch}/{self._plan.epochs}: {' '.join(f'{k} {v:.4f}' for k, v in logs.items())}",
            flush=True,
        )
        if self._summaries is not None:
            self._summaries(epoch - 1, logs)
        return scores

    def _is_to_save(self, steps: int) -> bool:
        every = self._me.checkpoint_every_steps
        is_due = every > 0 and self._done // every > (self._done - steps) // every
        return is_due or self._done == self._plan.total_steps

    def _save_if(self, is_wanted: bool) -> None:
        if self._checkpointer is None or not is_wanted or self._done == self._saved:
            return
        # Workers that count at once count less than they did; what goes on from here is to know the step.
        self._served.model.optimizer.iterations.assign(self._done)
        self._checkpointer.save(self._served.model, self._done)
        self._saved = self._done


def next_mark(done: int, *rhythms: int) -> int:
    """Steps from `done` to the next multiple of any of these; 0 has none."""
    return min(rhythm - done % rhythm for rhythm in rhythms if rhythm > 0)


def _summaries(training: Training, folders: Folders) -> Callable[[int, dict[str, float]], None]:
    from orchestrator.workloads.callbacks import Summaries

    callback = Summaries(folders.logs, training.plan)
    callback.set_model(training.model)
    callback.on_train_begin()
    return callback.on_epoch_end


def _print_plan(training: Training) -> None:
    plan, data = training.plan, training.data
    tf_config = os.environ[TF_CONFIG]
    print(
        f"{training.model.name}: {len(data.train)} training and {len(data.validation)} validation examples of shape "
        f"{data.shape}, {data.classes} classes; {plan.epochs} epochs of {plan.epoch_steps} steps, "
        f"{training.options.batch_size} examples a step, each by one of "
        f"{count_tasks(tf_config, WORKER)} × worker; the parameters are on {count_tasks(tf_config, PS)} × ps",
        flush=True,
    )
