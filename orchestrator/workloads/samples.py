"""What data is to a program: samples, a training set with its validation set, and the error of what is neither.

Made by `data`, `npz` and `mnist`; read by everything that trains or evaluates. NumPy only.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int32]


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


def combine(train: Samples, validation: Samples) -> Data:
    """A training set with the validation set that was given for it."""
    classes = 1 + int(max(train.y.max(), validation.y.max()))
    if len(np.unique(train.y)) < 2:
        raise DataError(f"the training labels must hold at least 2 classes, all are {int(train.y[0])}")
    return Data(train, validation, classes)
