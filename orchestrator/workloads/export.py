"""What a training leaves behind: the digest of its weights, the model as a .keras file and as a SavedModel.

Called by `training` on every member; only the leader's files are kept, and they appear complete or not at all.
Imports Keras, but only inside functions.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

MODEL_FILE = "model.keras"
SAVED_MODEL = "saved_model"
VERSION = "1"
"""TensorFlow Serving wants numbered folders below the one it is given."""


def digest_weights(model: Any) -> str:  # Keras has no types
    """The same on two members exactly where all their trainable weights are the same, bit by bit."""
    digest = hashlib.sha256()
    for variable in model.trainable_variables:
        digest.update(variable.numpy().tobytes())
    return digest.hexdigest()[:16]


class ExportError(Exception):
    """The model could not be written; training it again would not help."""


def export_model(model: Any, directory: str, *, is_leader: bool, with_saved_model: bool) -> None:
    """Every member saves, since that may need all of them; the leader's files come to `directory`.

    Raises ExportError on the leader; what the others write is thrown away, so that they may fail.
    """
    import tensorflow as tf

    try:
        if is_leader:
            _export(model, Path(directory), with_saved_model)
        else:
            with tempfile.TemporaryDirectory(prefix="tfo-") as scratch:
                model.save(os.path.join(scratch, MODEL_FILE))
    except (OSError, tf.errors.OpError) as error:
        if is_leader:
            raise ExportError(f"the model cannot be written to {directory}: {_reason(error)}") from None


def _reason(error: Exception) -> str:
    """HDF5 and TensorFlow tell their own story in many words; the system's says it."""
    number = error.errno if isinstance(error, OSError) else None
    return os.strerror(number) if number else " ".join(str(error).split())


def _export(model: Any, target: Path, with_saved_model: bool) -> None:
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".tmp-", dir=target) as scratch:
        made = Path(scratch) / MODEL_FILE
        model.save(made)
        made.replace(target / MODEL_FILE)
        print(f"model {target / MODEL_FILE}", flush=True)
        if with_saved_model:
            _export_saved_model(target, Path(scratch))


def _export_saved_model(target: Path, scratch: Path) -> None:
    import keras

    # Loaded anew outside the strategy: a model that is served must know nothing of the members that trained it.
    plain = keras.models.load_model(target / MODEL_FILE, compile=False)
    plain.export(str(scratch / SAVED_MODEL / VERSION), verbose=False)
    place = target / SAVED_MODEL
    if place.exists():
        shutil.rmtree(place)
    (scratch / SAVED_MODEL).rename(place)
    print(f"saved model {place / VERSION}", flush=True)
