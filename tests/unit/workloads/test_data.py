"""The data sets: digits as it is, what is held out, and how many classes there are."""

from pathlib import Path

import numpy as np
import pytest

from orchestrator.workloads.data import load, split
from orchestrator.workloads.samples import DataError, Samples, combine


def samples(count: int, classes: int = 3) -> Samples:
    values = np.arange(count, dtype=np.float32)
    return Samples(values.reshape(count, 1), (np.arange(count) % classes).astype(np.int32))


def test_digits_are_1797_images_between_0_and_1_with_a_quarter_held_out() -> None:
    data = load("digits", seed=1)
    assert (len(data.train), len(data.validation)) == (1348, 449)
    assert data.shape == (8, 8, 1)
    assert data.classes == 10
    assert data.train.x.dtype == np.float32
    assert data.train.y.dtype == np.int32
    assert (data.train.x.min(), data.train.x.max()) == (0.0, 1.0)


@pytest.mark.parametrize("count", [4, 7, 8, 1797])
def test_the_validation_set_is_a_third_of_the_training_set(count: int) -> None:
    data = split(samples(count), seed=1)
    assert len(data.validation) == count // 4
    assert len(data.train) + len(data.validation) == count


def test_a_split_loses_nothing_and_keeps_each_label_with_its_input() -> None:
    data = split(samples(40), seed=1)
    both = np.concatenate([data.train.x, data.validation.x])[:, 0]
    assert sorted(both) == list(range(40))
    for part in (data.train, data.validation):
        assert (part.x[:, 0] % 3 == part.y).all()


def test_the_same_seed_splits_alike_and_another_differently() -> None:
    first, again, other = (split(samples(40), seed=seed).validation.x for seed in (1, 1, 2))
    assert (first == again).all()
    assert not (first == other).all()


def test_too_few_samples_to_hold_any_out_are_refused() -> None:
    with pytest.raises(DataError, match="at least 4 samples"):
        split(samples(3), seed=1)


def test_a_single_class_cannot_be_learned() -> None:
    with pytest.raises(DataError, match="at least 2 classes, all are 0"):
        split(samples(8, classes=1), seed=1)


def test_classes_count_those_of_the_validation_set_too() -> None:
    assert combine(samples(8, classes=2), samples(8, classes=5)).classes == 5


def test_a_file_with_its_own_validation_set_is_not_split(tmp_path: Path) -> None:
    x, y = np.zeros((9, 4, 4)), np.arange(9) % 2
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    data = load(str(tmp_path / "own.npz"), seed=1)
    assert (len(data.train), len(data.validation)) == (9, 2)


def test_a_file_is_also_found_in_the_data_folder(tmp_path: Path) -> None:
    np.savez(tmp_path / "own.npz", x_train=np.zeros((8, 2)), y_train=np.arange(8) % 2)
    assert len(load("own.npz", seed=1, directory=str(tmp_path)).train) == 6
    with pytest.raises(DataError, match=r"other\.npz: there is no such file"):
        load("other.npz", seed=1, directory=str(tmp_path))
