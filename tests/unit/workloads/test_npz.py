"""A user's own .npz file: what is accepted, and what is said about the rest."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.workloads.npz import load_npz
from orchestrator.workloads.samples import DataError

X = np.arange(48, dtype=np.float64).reshape(6, 4, 2)
Y = np.array([0, 1, 2, 0, 1, 2])


def write(folder: Path, **arrays: Any) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def refusal(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        load_npz(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path}: ")


def test_images_without_channels_get_one(tmp_path: Path) -> None:
    train, validation = load_npz(write(tmp_path, x_train=X, y_train=Y))
    assert validation is None
    assert train.x.shape == (6, 4, 2, 1)
    assert train.x.dtype == np.float32
    assert (train.x[..., 0] == X).all()
    assert list(train.y) == list(Y)


def test_images_with_channels_and_plain_features_stay_as_they_are(tmp_path: Path) -> None:
    for x in (np.zeros((6, 4, 2, 3)), np.zeros((6, 5))):
        assert load_npz(write(tmp_path, x_train=x, y_train=Y))[0].x.shape == x.shape


def test_bytes_become_numbers_between_0_and_1(tmp_path: Path) -> None:
    train, _ = load_npz(write(tmp_path, x_train=np.full((6, 2), 255, np.uint8), y_train=Y))
    assert (train.x == 1.0).all()


@pytest.mark.parametrize(
    "labels",
    [Y.astype(np.uint8), Y.astype(np.float64), Y.reshape(6, 1), np.eye(3)[Y], np.eye(3, dtype=bool)[Y]],
    ids=["bytes", "whole floats", "column", "one-hot", "one-hot booleans"],
)
def test_labels_may_be_written_in_several_ways(tmp_path: Path, labels: Any) -> None:
    train, _ = load_npz(write(tmp_path, x_train=X, y_train=labels))
    assert list(train.y) == list(Y)
    assert train.y.dtype == np.int32


def with_value(array: Any, value: float) -> Any:
    changed = array.astype(np.float64)
    changed[3] = value
    return changed


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x_train": X}, "y_train missing; the file holds x_train"),
        ({"X_train": X, "labels": Y}, "x_train and y_train missing; the file holds X_train, labels"),
        ({"x_train": X, "y_train": Y, "x_test": X}, "y_test missing; the file holds x_test, x_train, y_train"),
        ({"x_train": X[:5], "y_train": Y}, "x_train has 5 rows, y_train 6"),
        ({"x_train": X[0, 0], "y_train": Y}, "x_train has shape (2,)"),
        ({"x_train": X.reshape(6, 2, 2, 2, 1), "y_train": Y}, "x_train has shape (6, 2, 2, 2, 1)"),
        ({"x_train": X[:0], "y_train": Y[:0]}, "x_train is empty: its shape is (0, 4, 2)"),
        ({"x_train": X, "y_train": Y[:0]}, "y_train is empty"),
        ({"x_train": X.astype(str), "y_train": Y}, "x_train has type <U32; numbers are needed"),
        ({"x_train": X.astype(complex), "y_train": Y}, "x_train has type complex128"),
        ({"x_train": with_value(X, np.nan), "y_train": Y}, "holds NaN, infinite or too large values (first in row 3)"),
        ({"x_train": with_value(X, np.inf), "y_train": Y}, "first in row 3"),
        ({"x_train": with_value(X, 1e300), "y_train": Y}, "too large values (first in row 3)"),
        ({"x_train": X, "y_train": with_value(Y, -1)}, "y_train holds -1; class numbers start at 0"),
        ({"x_train": X, "y_train": with_value(Y, 0.5)}, "y_train holds values that are no whole numbers"),
        ({"x_train": X, "y_train": with_value(Y, np.nan)}, "y_train holds values that are no whole numbers"),
        ({"x_train": X, "y_train": with_value(Y, 70_000)}, "y_train holds 70000; at most 65536 classes"),
        ({"x_train": X, "y_train": np.array(list("abcabc"))}, "y_train has type <U1; class numbers"),
        ({"x_train": X, "y_train": np.ones((6, 3))}, "y_train has shape (6, 3) but is not one-hot"),
        ({"x_train": X, "y_train": np.zeros((6, 3, 2))}, "y_train has shape (6, 3, 2); (rows,) or one-hot"),
        ({"x_train": X, "y_train": np.array(1)}, "y_train has shape (); (rows,) or one-hot"),
        (
            {"x_train": X, "y_train": Y, "x_test": X[:, :3], "y_test": Y},
            "one row of x_train has shape (4, 2, 1), one of x_test (3, 2, 1)",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_on_is_refused_with_its_reason(
    tmp_path: Path, arrays: dict[str, Any], message: str
) -> None:
    assert message in refusal(write(tmp_path, **arrays))


def test_pickled_objects_are_never_loaded(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("it was unpickled",))

    path = write(tmp_path, x_train=np.array([Trap()] * 6, dtype=object), y_train=Y)
    assert "x_train holds Python objects; only arrays of numbers are read" in refusal(path)


def test_files_that_are_no_archives_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    assert refusal(path) == "there is no such file"
    path.write_text("x_train,y_train\n")
    assert "is not a readable .npz file" in refusal(path)
    path.write_bytes(b"")
    assert "is not a readable .npz file" in refusal(path)
    with path.open("wb") as file:
        np.save(file, X)
    assert "is a single array, not an .npz archive" in refusal(path)
    path.unlink()
    path.mkdir()
    assert refusal(path) == "is not a file"


def test_a_truncated_archive_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, x_train=X, y_train=Y)
    path.write_bytes(path.read_bytes()[:-40])
    assert "is not a readable .npz file" in refusal(path)


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    np.save(buffer, X)
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", buffer.getvalue()[:-100])
        archive.writestr("y_train.npy", b"not an array")
    assert "is not a readable .npz file" in refusal(path)


@pytest.mark.parametrize("name", ["x_train", "y_train"])
def test_spans_of_time_are_no_numbers(tmp_path: Path, name: str) -> None:
    arrays = {"x_train": X, "y_train": Y}
    said = refusal(write(tmp_path, **{**arrays, name: arrays[name].astype("timedelta64[s]")}))
    assert said.startswith(f"{name} has type timedelta64[s]")


def test_bytes_are_judged_by_bytes(tmp_path: Path) -> None:
    """Else the one would be scaled and the other not."""
    x = np.full((6, 2), 255, np.uint8)
    said = refusal(write(tmp_path, x_train=x, y_train=Y, x_test=x.astype(np.float64), y_test=Y))
    assert said.startswith("x_train has type uint8, x_test float64; uint8 is scaled to 0…1")


def rewritten(path: Path, change: Callable[[zipfile.ZipFile, zipfile.ZipInfo, bytes], None]) -> Path:
    """The same archive, each member put into it by `change`."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(path.with_name("new.npz"), "w") as new:
        for one in old.infolist():
            change(new, one, old.read(one))
    return path.with_name("new.npz")


def test_an_archive_of_other_files_is_none_of_numpys(tmp_path: Path) -> None:
    path = rewritten(
        write(tmp_path, x_train=X, y_train=Y),
        lambda new, one, data: new.writestr(one.filename.removesuffix(".npy"), b"not an array"),
    )
    assert refusal(path) == "x_train is no array; write the file with numpy.savez"


def test_an_array_larger_than_any_memory_is_refused(tmp_path: Path) -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f8", "fortran_order": False, "shape": (2**47, 4)}
    )
    path = rewritten(
        write(tmp_path, x_train=X, y_train=Y), lambda new, one, data: new.writestr(one, header.getvalue())
    )
    assert "is not a readable .npz file (Unable to allocate" in refusal(path)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, x_train=X, y_train=Y)
    data = bytearray(path.read_bytes())
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        found = data.find(mark)
        while found >= 0:
            data[found + place] |= 1
            found = data.find(mark, found + 4)
    path.write_bytes(data)
    assert "encrypted" in refusal(path)
