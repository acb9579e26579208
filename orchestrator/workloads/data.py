"""The data sets of the built-in programs: digits, mnist or a user's own file, split into training and validation.

Called by `training` and `evaluator` before TensorFlow is asked for anything, so that bad data is refused at once;
every member loads the same arrays and splits them alike. NumPy only (mnist imports Keras for its download).
Every problem with the data is a DataError whose text is meant for the user.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from orchestrator.workloads.mnist import load_mnist
from orchestrator.workloads.npz import load_npz
from orchestrator.workloads.samples import Data, DataError, Samples, combine

DIGITS = "digits"
MNIST = "mnist"
_SPLIT = 0x5EED
"""Keeps the random numbers of the split apart from those of the epochs' order, which use the same seed."""


def load(name: str, *, seed: int, directory: str = "") -> Data:
    """`name`: digits, mnist or the path of an .npz file, a relative one also below `directory`."""
    if name == DIGITS:
        return split(_digits(), seed)
    if name == MNIST:
        return load_mnist()
    train, validation = load_npz(_find(name, directory))
    return split(train, seed) if validation is None else combine(train, validation)


def split(samples: Samples, seed: int) -> Data:
    """Holds out a quarter of the samples, so that the validation set is a third as large as the training set."""
    held_out = len(samples) // 4
    if held_out < 1:
        raise DataError(
            f"at least 4 samples are needed to hold out a quarter of them, there are {len(samples)}"
        )
    # RandomState's numbers are the same for ever, those of newer generators may change with NumPy's version:
    # a job that resumes in a newer image must not train on what it is judged by.
    rows = np.random.RandomState([_SPLIT, seed]).permutation(len(samples))
    return combine(samples.select(rows[held_out:]), samples.select(rows[:held_out]))


def _digits() -> Samples:
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise DataError(
            "data digits comes with scikit-learn, which is not installed: pip install scikit-learn, "
            "or use data: PATH.npz"
        ) from None
    images, labels = load_digits(return_X_y=True)
    return Samples((images.reshape(-1, 8, 8, 1) / 16.0).astype(np.float32), labels.astype(np.int32))


def _find(name: str, directory: str) -> Path:
    path = Path(os.path.expanduser(name))  # pathlib's raises where there is no such user
    if not path.is_absolute() and not path.exists() and directory:
        below = Path(directory) / path
        return below if below.exists() else path
    return path
