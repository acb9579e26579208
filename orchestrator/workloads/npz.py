"""A user's own data: an .npz file with x_train, y_train and optionally x_test, y_test.

Called by `data.load`. Checks all that training would otherwise choke on much later (or learn nonsense from), and
never unpickles anything. NumPy only; every problem is a DataError that names the file and the array.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from orchestrator.workloads.samples import DataError, Features, Labels, Samples

Array = npt.NDArray[Any]

MAX_CLASSES = 65_536
_REQUIRED = ("x_train", "y_train")
_OPTIONAL = ("x_test", "y_test")
_UNREADABLE = (
    ValueError,
    OSError,
    EOFError,
    KeyError,
    MemoryError,
    RuntimeError,  # encrypted
    NotImplementedError,
    zipfile.BadZipFile,
    zlib.error,
)


def load_npz(path: Path) -> tuple[Samples, Samples | None]:
    """Training samples, and validation samples if the file has them."""
    try:
        arrays = _read(path)
        train = _samples(arrays, *_REQUIRED)
        if not any(name in arrays for name in _OPTIONAL):
            return train, None
        validation = _samples(arrays, *_OPTIONAL)
        _require_alike(arrays, train, validation)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    return train, validation


def _read(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise DataError("there is no such file" if not path.exists() else "is not a file")
    try:
        # Opened here, since NumPy leaves a file that it cannot read open.
        with path.open("rb") as file:
            return _members(np.load(file, allow_pickle=False))
    except _UNREADABLE as error:
        raise DataError(f"is not a readable .npz file ({error}); write it with numpy.savez") from None


def _members(archive: object) -> dict[str, Array]:
    if not isinstance(archive, np.lib.npyio.NpzFile):
        raise DataError("is a single array, not an .npz archive; write it with numpy.savez")
    present = [name for name in (*_REQUIRED, *_OPTIONAL) if name in archive.files]
    _require_keys(present, archive.files)
    return {name: _member(archive, name) for name in present}


def _require_keys(present: list[str], all_names: list[str]) -> None:
    needed = _REQUIRED if not set(_OPTIONAL) & set(present) else _REQUIRED + _OPTIONAL
    missing = [name for name in needed if name not in present]
    if missing:
        raise DataError(
            f"{' and '.join(missing)} missing; the file holds {', '.join(sorted(all_names)) or 'nothing'}"
        )


def _member(archive: np.lib.npyio.NpzFile, name: str) -> Array:
    try:
        array: Array = archive[name]
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise DataError(f"{name} holds Python objects; only arrays of numbers are read") from None
        raise
    if not isinstance(array, np.ndarray):
        raise DataError(f"{name} is no array; write the file with numpy.savez")
    return array


def _samples(arrays: dict[str, Array], x_name: str, y_name: str) -> Samples:
    x, y = _features(x_name, arrays[x_name]), _labels(y_name, arrays[y_name])
    if len(x) != len(y):
        raise DataError(f"{x_name} has {len(x)} rows, {y_name} {len(y)}; they must have the same number")
    return Samples(x, y)


def _features(name: str, x: Array) -> Features:
    if not _is_real(x):
        raise DataError(f"{name} has type {x.dtype}; numbers are needed")
    if x.ndim not in (2, 3, 4):
        raise DataError(
            f"{name} has shape {x.shape}; (rows, features), (rows, height, width) or "
            "(rows, height, width, channels) is needed"
        )
    if 0 in x.shape:
        raise DataError(f"{name} is empty: its shape is {x.shape}")
    with np.errstate(over="ignore"):
        values = x.astype(np.float32)
    finite = np.isfinite(values)
    if not finite.all():
        row = int(np.argwhere(~finite)[0][0])
        raise DataError(f"{name} holds NaN, infinite or too large values (first in row {row})")
    if x.dtype == np.uint8:
        values /= 255.0
    return values[..., np.newaxis] if x.ndim == 3 else values


def _labels(name: str, y: Array) -> Labels:
    if not _is_real(y):
        raise DataError(f"{name} has type {y.dtype}; class numbers 0, 1, 2 … are needed")
    if y.size == 0:
        raise DataError(f"{name} is empty: its shape is {y.shape}")
    if not np.isfinite(y).all() or (y != np.floor(y)).any():
        raise DataError(f"{name} holds values that are no whole numbers; class numbers 0, 1, 2 … are needed")
    if y.ndim == 2 and y.shape[1] > 1:
        y = _from_one_hot(name, y)
    elif y.ndim == 2:
        y = y[:, 0]
    if y.ndim != 1:
        raise DataError(f"{name} has shape {y.shape}; (rows,) or one-hot (rows, classes) is needed")
    if y.min() < 0:
        raise DataError(f"{name} holds {int(y.min())}; class numbers start at 0")
    if y.max() >= MAX_CLASSES:
        raise DataError(f"{name} holds {int(y.max())}; at most {MAX_CLASSES} classes are possible")
    return y.astype(np.int32)


def _from_one_hot(name: str, y: Array) -> Array:
    if ((y != 0) & (y != 1)).any() or (y.sum(axis=1) != 1).any():
        raise DataError(f"{name} has shape {y.shape} but is not one-hot: each row needs exactly one 1")
    classes: Array = y.argmax(axis=1)
    return classes


def _is_real(array: Array) -> bool:
    """Whole numbers, fractions, truth values. A span of time is a whole number to NumPy."""
    return array.dtype.kind in "biuf"


def _require_alike(arrays: dict[str, Array], train: Samples, validation: Samples) -> None:
    """Bytes are scaled to 0…1, everything else is taken as it is: a mixture would be judged by other numbers."""
    kinds = [arrays[name].dtype for name in ("x_train", "x_test")]
    if (kinds[0] == np.uint8) != (kinds[1] == np.uint8):
        raise DataError(
            f"x_train has type {kinds[0]}, x_test {kinds[1]}; uint8 is scaled to 0…1 and other types are not, so both "
            "must be uint8 or neither"
        )
    if train.x.shape[1:] != validation.x.shape[1:]:
        raise DataError(
            f"one row of x_train has shape {train.x.shape[1:]}, one of x_test {validation.x.shape[1:]}; "
            "they must be the same"
        )
