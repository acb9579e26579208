"""Writes and reads the state of a model with its optimizer: Keras 3, tf_keras, or a tf.train.Checkpoint.

Called by `checkpointer` with a folder. Every member of a MultiWorkerMirroredStrategy calls it at the same step, since
reading a variable may be a collective. Knows nothing of steps and commits. Python 3.9 syntax.
"""

from __future__ import annotations

import contextlib
import errno
import json
from pathlib import Path
from typing import Any, Iterator, List

KERAS_FILE = "model.weights.h5"
SEEDS_FILE = "seeds.json"
TENSORFLOW_PREFIX = "state"
DISK_ERRORS = (
    "DataLossError",
    "FailedPreconditionError",
    "NotFoundError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "ResourceExhaustedError",
    "UnknownError",
)
"""What TensorFlow makes of a file's errno; a peer that is gone gives others."""


def write_model(model: Any, folder: Path) -> None:
    """Weights and optimizer state into the folder. Raises OSError if the disk refuses."""
    with _disk_errors():
        if is_keras_3(model):
            model.save_weights(str(folder / KERAS_FILE))
            states = [each.numpy().tolist() for each in _seed_states(model)]
            (folder / SEEDS_FILE).write_text(json.dumps(states), encoding="utf-8")
        else:
            _trackable(model).write(str(folder / TENSORFLOW_PREFIX))


def read_model(model: Any, folder: Path) -> None:
    """Weights and optimizer state from the folder; the optimizer is built first, so that its state has a place."""
    build_optimizer(model)
    if is_keras_3(model):
        model.load_weights(str(folder / KERAS_FILE))
        states = json.loads((folder / SEEDS_FILE).read_text(encoding="utf-8"))
        for variable, state in zip(_seed_states(model), states):
            variable.assign(state)
    else:
        _trackable(model).read(str(folder / TENSORFLOW_PREFIX)).assert_existing_objects_matched()


def build_optimizer(model: Any) -> None:
    optimizer = getattr(model, "optimizer", None)
    if optimizer is None or getattr(optimizer, "built", False):
        return
    with model.distribute_strategy.scope():
        optimizer.build(model.trainable_variables)


def is_keras_3(model: Any) -> bool:
    return any(base.__module__.split(".")[0] == "keras" for base in type(model).__mro__)


def _seed_states(model: Any) -> List[Any]:
    """Where random layers are in their sequences: Keras leaves these out of a model's weights."""
    return [each for each in model.non_trainable_variables if each.name == "seed_generator_state"]


def _trackable(model: Any) -> Any:
    import tensorflow as tf

    if isinstance(model, tf.train.Checkpoint):
        return model
    return tf.train.Checkpoint(model=model, optimizer=model.optimizer)


@contextlib.contextmanager
def _disk_errors() -> Iterator[None]:
    """HDF5 says "errno = 28" in a RuntimeError when it closes a file on a full disk; TensorFlow has its own words."""
    try:
        yield
    except RuntimeError as error:
        if "errno = " not in str(error):
            raise
        raise OSError(errno.EIO, str(error)) from error
    except Exception as error:
        if type(error).__name__ not in DISK_ERRORS or "tensorflow" not in type(error).__module__:
            raise
        raise OSError(errno.EIO, str(error)) from error
