"""Counting Keras's steps: over epochs, fits, resumes, several steps per execution, and data that runs out."""

from threading import Thread
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.train import steps
from orchestrator.train.steps import StepCount, optimizer_steps, remember_step, steps_of, steps_per_execution


class Number:
    def __init__(self, value: int) -> None:
        self._value = value

    def numpy(self) -> int:
        return self._value

    def add(self, more: int) -> None:
        self._value += more


def model(iterations: int = 0, **more: Any) -> Any:
    size = more.pop("steps_per_execution", 1)
    optimizer = SimpleNamespace(iterations=Number(iterations), **more)
    return SimpleNamespace(optimizer=optimizer, steps_per_execution=size)


@pytest.fixture(autouse=True)
def fresh_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_of_process", [0])


def run_epoch(count: StepCount, batches: int, size: int = 1, names_end: bool = True) -> list[int]:
    """As Keras does it: begin and end of each execution of `size` steps; returns what was newly counted when."""
    count.begin_epoch()
    counted = []
    for begin in range(0, batches, size):
        counted.append(count.begin_batch(begin))
        count.end_batch(begin + size - 1 if names_end else begin)
    return [*counted, count.end_epoch(SimpleNamespace(steps_per_execution=size))]


def test_a_step_is_counted_when_the_next_one_begins_or_the_epoch_ends() -> None:
    count = StepCount()
    count.begin_training(model())
    assert run_epoch(count, 3) == [0, 1, 1, 1]
    assert run_epoch(count, 2) == [0, 1, 1]
    assert count.completed == 5


@pytest.mark.parametrize("names_end", [True, False])
def test_several_steps_per_execution_are_all_counted(names_end: bool) -> None:
    """Newer Keras names an execution's last step at its end, Keras 3.3 its first."""
    count = StepCount()
    count.begin_training(model())
    assert run_epoch(count, 8, size=4, names_end=names_end) == [0, 4, 4]
    assert count.completed == 8


@pytest.mark.parametrize("names_end", [True, False])
@pytest.mark.parametrize("trained", [5, 8], ids=["as many as there are data", "more than steps_per_epoch"])
def test_an_execution_may_end_early_with_the_data_but_not_with_steps_per_epoch(
    trained: int, names_end: bool
) -> None:
    """The optimizer tells which of the two it was."""
    trainer = model(iterations=100, steps_per_execution=4)
    count = StepCount(0)
    count.begin_epoch(trainer)
    for begin in (0, 4):
        count.begin_batch(begin)
        count.end_batch(begin + 3 if names_end else begin)
    trainer.optimizer.iterations.add(trained)
    count.end_epoch(trainer, stated=5)
    assert count.completed == trained


def test_data_that_runs_out_begins_a_batch_that_never_happens() -> None:
    count = StepCount()
    count.begin_training(model())
    count.begin_epoch()
    for batch in range(3):
        count.begin_batch(batch)
        count.end_batch(batch)
    count.begin_batch(3)
    assert count.end_epoch() == 0
    assert count.completed == 3


def test_ends_that_come_out_of_order_change_nothing() -> None:
    count = StepCount()
    count.begin_training(model())
    count.begin_epoch()
    for batch in range(3):
        count.begin_batch(batch)
    for batch in (2, 0, 1):
        count.end_batch(batch)
    count.end_epoch()
    assert count.completed == 3


def test_counting_goes_on_from_what_the_optimizer_has_seen() -> None:
    count = StepCount()
    count.begin_training(model(iterations=100))
    assert (count.start, count.completed) == (100, 100)
    run_epoch(count, 2)
    assert count.completed == 102


def test_an_initial_step_that_is_given_holds() -> None:
    count = StepCount(initial_step=40)
    count.begin_training(model(iterations=100))
    assert count.completed == 40


def test_a_second_fit_goes_on_even_with_a_new_optimizer() -> None:
    first = StepCount()
    first.begin_training(model())
    run_epoch(first, 7)
    first.end_training(model(iterations=7))
    second = StepCount()
    second.begin_training(model(iterations=0))
    assert second.completed == 7


def test_an_optimizer_that_counts_the_ends_of_the_data_makes_no_steps_of_them() -> None:
    """Keras asks for one batch more than there are: it fails, but the optimizer has counted it."""
    trained = model()
    for done in (50, 100):
        count = StepCount()
        count.begin_training(trained)
        for _ in range(5):
            assert sum(run_epoch(count, 10)) == 10
            trained.optimizer.iterations.add(11)
        count.end_training(trained)
        assert count.completed == done
    trained.optimizer.iterations.add(3)  # by train_on_batch, say, which nobody else counts
    assert steps_of(trained) == 103


@pytest.mark.parametrize(
    "iterations", [53, 48, 0], ids=["ends of data", "accumulated", "no optimizer's loop"]
)
def test_a_restored_model_counts_on_from_the_step_of_its_checkpoint(iterations: int) -> None:
    restored = model(iterations)
    remember_step(restored, 50)
    count = StepCount()
    count.begin_training(restored)
    assert count.completed == 50


def test_a_model_without_optimizer_has_done_no_steps() -> None:
    bare = SimpleNamespace(optimizer=None)
    remember_step(bare, 50)
    assert steps_of(bare) == 0


def test_accumulated_gradients_count_as_the_batches_they_are() -> None:
    assert optimizer_steps(model(iterations=5, gradient_accumulation_steps=4)) == 20
    assert optimizer_steps(model(iterations=5, gradient_accumulation_steps=None)) == 5
    assert optimizer_steps(SimpleNamespace(optimizer=None)) == 0


def test_steps_per_execution_is_found_in_either_keras() -> None:
    assert steps_per_execution(SimpleNamespace(steps_per_execution=4)) == 4
    assert steps_per_execution(SimpleNamespace(_steps_per_execution=Number(8))) == 8
    assert steps_per_execution(SimpleNamespace()) == 1


def test_batches_that_end_at_the_same_moment_are_both_seen() -> None:
    """One thread is in the middle of comparing when the other comes: a step lost here would part the members."""
    count = StepCount(0)
    count.begin_epoch()
    count.begin_batch(13)
    other = Thread(target=count.end_batch, args=(13,))

    class Slow(int):
        def __gt__(self, known: int) -> bool:
            other.start()
            other.join(0.1)
            return int(self) > int(known)

    count.end_batch(Slow(12))
    other.join()
    count.end_epoch()
    assert count.completed == 14
