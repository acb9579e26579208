"""The training of mlp, cnn and rnn: `model.fit` alone or as a member of a MultiWorkerMirroredStrategy.

Run by `__main__`, and partly used by `asynchronous`. Every member runs all of it alike: what the strategy turns into
collectives (saves, evaluation) must happen at the same step on all. Checkpoints, the agreed stop and reports are those
of `orchestrator.train`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestrator.protocol.datagrams import STARTING
from orchestrator.train import CheckpointCallback, Checkpointer, Context, ReportCallback, keras_fix, report
from orchestrator.train.reporter import current
from orchestrator.workloads.cluster import build_strategy, limit_threads
from orchestrator.workloads.data import load
from orchestrator.workloads.export import digest_weights, export_model
from orchestrator.workloads.models import Trainable, build_model, require_shape
from orchestrator.workloads.pipeline import end_promptly, training_dataset
from orchestrator.workloads.plan import TrainingPlan, plan_training
from orchestrator.workloads.restoring import RestoreError, restore
from orchestrator.workloads.samples import Data
from orchestrator.workloads.validation import Scores, build_validation


@dataclass(frozen=True)
class Folders:
    """Where the files of a training belong. No checkpoints where there is no folder for them."""

    checkpoints: str
    logs: str
    models: str


@dataclass(frozen=True)
class Training:
    """All that belongs together from the first step to the last."""

    options: Trainable
    data: Data
    plan: TrainingPlan
    model: Any  # Keras has no types
    strategy: Any
    validate: Callable[[], Scores]


def run(options: Trainable, me: Context, folders: Folders) -> int:
    """Trains from the step that this attempt restores to the end; prints the validation accuracy last."""
    current().set_busy(STARTING)
    data = load(options.data, seed=options.seed, directory=me.data_dir or "")
    require_shape(options, data)
    limit_threads()
    keras_fix.apply()
    end_promptly()
    strategy = build_strategy()
    with strategy.scope():
        model = build_model(options, data)
    checkpointer = Checkpointer(folders.checkpoints) if folders.checkpoints else None
    plan = plan_training(options, data, start=restore_start(model, checkpointer, me))
    validate = build_validation(strategy, model, data.validation, options.batch_size)
    training = Training(options, data, plan, model, strategy, validate)
    _print_plan(training, me)
    scores = score(training, me) if plan.is_done else _fit(training, me, checkpointer, folders)
    finish(training, me, folders, scores)
    return 0


def restore_start(model: Any, checkpointer: Checkpointer | None, me: Context) -> int:
    """The step that training goes on from."""
    step = me.restore_step
    if step is None:
        return 0
    if checkpointer is None:
        raise RestoreError(f"step {step} is to be restored, but TFO_CHECKPOINT_DIR is not set")
    restore(checkpointer, model, step)
    print(f"restored step {step} from {checkpointer.directory}", flush=True)
    return step


def _fit(training: Training, me: Context, checkpointer: Checkpointer | None, folders: Folders) -> Scores:
    """What the validation after the last epoch said."""
    from orchestrator.workloads.callbacks import reset_metrics_locally

    options, plan = training.options, training.plan
    dataset = training_dataset(
        training.strategy, training.data.train, batch=options.batch_size, seed=options.seed, step=plan.start
    )
    if me.world_size > 1:
        reset_metrics_locally(training.model, training.strategy)
    history = training.model.fit(
        dataset,
        epochs=plan.epochs,
        initial_epoch=plan.first_epoch,
        steps_per_epoch=plan.epoch_steps,
        callbacks=_callbacks(training, me, checkpointer, folders),
        shuffle=False,
        verbose=2 if me.is_leader else 0,
    )
    return Scores(*(float(history.history[name][-1]) for name in Scores._fields))


def _callbacks(
    training: Training, me: Context, checkpointer: Checkpointer | None, folders: Folders
) -> list[Any]:
    """Validation comes first, for the others to see its result; the checkpoints last, since a stop ends there."""
    from orchestrator.workloads.callbacks import ShortFirstEpoch, Summaries, Validation

    plan = training.plan
    share = training.options.batch_size / me.world_size
    callbacks: list[Any] = [
        Validation(training.validate),
        ReportCallback(total_steps=plan.total_steps, examples_per_step=share),
        ShortFirstEpoch(plan),
    ]
    if training.options.summaries and me.is_leader:
        callbacks.append(Summaries(folders.logs, plan))
    if checkpointer is not None:
        callbacks.append(CheckpointCallback(checkpointer))
    return callbacks


def score(training: Training, me: Context) -> Scores:
    """What the last epoch would have said, where all steps were done by an earlier attempt."""
    scores = training.validate()
    done = f"all {training.plan.total_steps} steps had been done before: nothing was trained; more epochs would go on"
    print(done, flush=True)
    if me.is_leader:
        current().add_note(done)
    # No step: that this attempt starts where it ends is known from its record.
    report(
        total_steps=training.plan.total_steps,
        busy="evaluating",
        val_loss=scores.val_loss,
        val_accuracy=scores.val_accuracy,
    )
    return scores


def finish(training: Training, me: Context, folders: Folders, scores: Scores) -> None:
    steps = max(training.plan.start, training.plan.total_steps)
    print(f"weights {digest_weights(training.model)} after step {steps}", flush=True)
    export_model(
        training.model, folders.models, is_leader=me.is_leader, with_saved_model=training.options.export
    )
    print(f"val_accuracy {scores.val_accuracy:.4f}", flush=True)


def _print_plan(training: Training, me: Context) -> None:
    plan, data = training.plan, training.data
    print(
        f"{training.model.name}: {len(data.train)} training and {len(data.validation)} validation examples of shape "
        f"{data.shape}, {data.classes} classes; {plan.epochs} epochs of {plan.epoch_steps} steps, "
        f"{training.options.batch_size} examples a step over {training.strategy.num_replicas_in_sync} replicas; "
        f"this is member {me.rank + 1} of {me.world_size}",
        flush=True,
    )
