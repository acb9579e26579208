"""The data sets of the built-in programs: digits, mnist or a user's own file, split into training and validation.

Called by `training` and `evaluator` before TensorFlow is asked for anything, so that bad data is refused at once;
every member loads the same arrays and splits them alike. NumPy only (mnist imports Keras for its download).
Every problem with the data is a DataError whose text is meant for the user.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]

DIGITS = "digits"
MNIST = "mnist"
_SPLIT = 0x5EED
"""Keeps the random numbers of the split apart from those of the epochs' order, which use the same seed."""


class DataError(Exception):
    """The data cannot be used; the text says why and what would be right."""


@dataclass(frozen=True)
class Samples:
    """Inputs and their class numbers, one row each. Images are (rows, height, width, channels)."""

    x: Features
    y: Labels

    def __len__(self) -> int:
        return len(self.y)

    def select(self, rows: npt.NDArray[np.int64]) -> Samples:
        return Samples(self.x[rows], self.y[rows])


@dataclass(frozen=True)
class Data:
    """What a program trains on and is judged by."""

    train: Samples
    validation: Samples
    classes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.train.x.shape[1:]


def load(name: str, *, seed: int, directory: str = "") -> Data:
    """`name`: digits, mnist or the path of an .npz file, a relative one also below `directory`."""
    if name == DIGITS:
        return split(_digits(), seed)
    if name == MNIST:
        from orchestrator.workloads.mnist import load_mnist

        return load_mnist()
    from orchestrator.workloads.npz import load_npz

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


def combine(train: Samples, validation: Samples) -> Data:
    """A training set with the validation set that was given for it."""
    classes = 1 + int(max(train.y.max(), validation.y.max()))
    if len(np.unique(train.y)) < 2:
        raise DataError(f"the training labels must hold at least 2 classes, all are {int(train.y[0])}")
    return Data(train, validation, classes)


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
    path = Path(name).expanduser()
    if not path.is_absolute() and not path.exists() and directory:
        below = Path(directory) / path
        return below if below.exists() else path
    return path
