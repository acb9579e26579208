"""Which examples make up which step, and who gets them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.workloads.batches import (
    Position,
    batches_from,
    epoch_order,
    position_at,
    shares,
    steps_per_epoch,
    validation_shares,
)


def test_an_epoch_has_enough_steps_for_every_example() -> None:
    assert steps_per_epoch(1348, 96) == 15
    assert steps_per_epoch(96, 96) == 1
    assert steps_per_epoch(97, 96) == 2
    assert steps_per_epoch(3, 96) == 1


def test_a_position_counts_examples_over_epochs() -> None:
    assert position_at(0, examples=1348, batch=96) == Position(0, 0)
    assert position_at(14, examples=1348, batch=96) == Position(0, 1344)
    assert position_at(15, examples=1348, batch=96) == Position(1, 92)
    assert position_at(2, examples=10, batch=25) == Position(5, 0)


def test_the_order_is_another_in_each_epoch_and_for_each_seed_but_always_the_same() -> None:
    orders = [tuple(epoch_order(epoch, examples=50, seed=seed)) for epoch in range(3) for seed in range(3)]
    assert len(set(orders)) == 9
    assert tuple(epoch_order(2, examples=50, seed=1)) == tuple(epoch_order(2, examples=50, seed=1))
    assert all(sorted(order) == list(range(50)) for order in orders)


def test_the_order_is_the_same_in_every_release() -> None:
    """A job that resumes in a newer image must go on where it was."""
    assert list(epoch_order(3, examples=8, seed=1)) == [5, 0, 4, 2, 1, 6, 7, 3]


@given(st.integers(1, 300), st.integers(1, 17))
def test_shares_cover_the_batch_without_overlap_and_differ_by_at_most_one(batch: int, replicas: int) -> None:
    parts = shares(batch, replicas)
    own = [row[weights > 0] for row, weights in zip(parts.positions, parts.weights, strict=True)]
    assert sorted(np.concatenate(own)) == list(range(batch))
    assert max(map(len, own)) - min(map(len, own)) <= 1
    assert parts.positions.shape == parts.weights.shape == (replicas, -(-batch // replicas))


@given(st.integers(1, 300), st.integers(1, 17))
def test_the_mean_of_weighted_means_over_replicas_is_the_mean_of_the_batch(batch: int, replicas: int) -> None:
    values = np.random.RandomState(batch).normal(size=batch)
    parts = shares(batch, replicas)
    means = (values[parts.positions] * parts.weights).mean(axis=1)
    assert means.mean() == pytest.approx(values.mean(), abs=1e-6)


def test_even_shares_have_no_fillers_and_weight_one() -> None:
    assert (shares(96, 3).weights == 1).all()
    assert (shares(96, 1).positions == np.arange(96)).all()


@given(st.integers(1, 500), st.integers(1, 120), st.integers(1, 9))
def test_validation_judges_every_example_exactly_once(examples: int, batch: int, replicas: int) -> None:
    parts = validation_shares(examples, batch, replicas)
    assert parts.positions.shape[:2] == (steps_per_epoch(examples, batch), replicas)
    assert sorted(parts.positions[parts.weights > 0]) == list(range(examples))
    assert parts.positions.max() < examples
    assert set(np.unique(parts.weights)) <= {0.0, 1.0}


@given(st.integers(1, 40), st.integers(1, 100), st.integers(0, 30), st.integers(0, 3))
def test_steps_that_are_dealt_out_are_those_of_the_stream_from_wherever_it_goes_on(
    examples: int, batch: int, start: int, seed: int
) -> None:
    stream = np.concatenate(
        [
            epoch_order(epoch, examples=examples, seed=seed)
            for epoch in range((start + 3) * batch // examples + 1)
        ]
    )
    dealt = batches_from(start, examples=examples, batch=batch, seed=seed)
    for step in range(start, start + 3):
        assert next(dealt).tolist() == stream[step * batch : (step + 1) * batch].tolist()
