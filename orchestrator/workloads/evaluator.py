"""The evaluator beside a training: judges each new committed checkpoint on the validation set.

Run by `__main__` in the role evaluator. It reads the checkpoint folder and nothing else of the training, and ends by
itself once it has judged the last step, or at once when told to stop.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, NoReturn

from orchestrator.protocol.checkpoints import committed_steps
from orchestrator.train import STOPPED_EXIT_CODE, Checkpointer, Context, report
from orchestrator.workloads.cluster import limit_threads
from orchestrator.workloads.data import load
from orchestrator.workloads.models import Trainable, build_model, require_shape
from orchestrator.workloads.plan import plan_training
from orchestrator.workloads.restoring import RestoreError, restore
from orchestrator.workloads.validation import Scores, build_validation

POLL_SECONDS = 0.5
NICENESS = 10
"""Training comes first where both share a processor."""


def run(options: Trainable, me: Context) -> int:
    """Returns 0 when the checkpoint of the last step has been judged."""
    signal.signal(signal.SIGTERM, _stop)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    data = load(options.data, seed=options.seed, directory=me.data_dir or "")
    require_shape(options, data)
    limit_threads()
    import tensorflow as tf

    model = build_model(options, data)
    validate = build_validation(tf.distribute.get_strategy(), model, data.validation, options.batch_size)
    checkpointer = Checkpointer(me.checkpoint_dir, leader=False)
    judge_all(checkpointer, model, validate, plan_training(options, data).total_steps)
    return 0


def judge_all(checkpointer: Checkpointer, model: Any, validate: Callable[[], Scores], last: int) -> None:
    """Waits for checkpoints and judges them, up to the one of step `last`."""
    print(f"evaluator: judges the checkpoints in {checkpointer.directory} up to step {last}", flush=True)
    judged = -1
    while judged < last:
        step = find_next(committed_steps(checkpointer.directory), judged)
        if step is None:
            time.sleep(POLL_SECONDS)
        elif _is_restored(checkpointer, model, step):
            _judge(validate, step)
            judged = step


def find_next(committed: list[int], judged: int) -> int | None:
    """The oldest checkpoint that is newer than the last one judged."""
    return next((step for step in committed if step > judged), None)


def _is_restored(checkpointer: Checkpointer, model: Any, step: int) -> bool:
    """False if the training has removed it in the meantime."""
    try:
        restore(checkpointer, model, step)
    except RestoreError:
        if step in committed_steps(checkpointer.directory):
            raise
        return False
    return True


def _judge(validate: Callable[[], Scores], step: int) -> None:
    report(busy="evaluating")
    scores = validate()
    report(step=step, val_loss=scores.val_loss, val_accuracy=scores.val_accuracy)
    print(f"step {step}: val_accuracy {scores.val_accuracy:.4f} val_loss {scores.val_loss:.4f}", flush=True)


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    sys.exit(STOPPED_EXIT_CODE)
