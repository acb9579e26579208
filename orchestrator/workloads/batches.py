"""Which examples make up which step, and which of them belong to which member: plain arithmetic.

Used by `pipeline` and `asynchronous`. The training examples form one endless stream, a new order per epoch; step s
takes the examples s*batch to (s+1)*batch - 1 of it, whoever trains. So a resume at any step, also with another number
of members, neither repeats nor skips an example. NumPy only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32]

_ORDER = 0x0DE2


@dataclass(frozen=True)
class Position:
    """A place in the stream: so many examples of this epoch have been used."""

    epoch: int
    offset: int


@dataclass(frozen=True)
class Shares:
    """The parts of one global batch, one row per replica, all of the same width.

    `positions[r, i]`: place in the global batch. `weights[r, i]`: 0 where a part is filled up with an example that
    is not its own. The others are such that the mean over replicas of their weighted means is the mean over the
    global batch, which is what Keras computes under a distribution strategy.
    """

    positions: Indices
    weights: Weights


def steps_per_epoch(examples: int, batch: int) -> int:
    return -(-examples // batch)


def position_at(step: int, *, examples: int, batch: int) -> Position:
    """Where step `step` (the first is 0) begins."""
    return Position(*divmod(step * batch, examples))


def epoch_order(epoch: int, *, examples: int, seed: int) -> Indices:
    """The order of the examples in one pass of the stream."""
    return np.random.RandomState([_ORDER, seed, epoch]).permutation(examples).astype(np.int64)


def batches_from(step: int, *, examples: int, batch: int, seed: int) -> Iterator[Indices]:
    """The examples' numbers of step `step` and of all that follow, without end."""
    position = position_at(step, examples=examples, batch=batch)
    epoch = position.epoch
    rest = epoch_order(epoch, examples=examples, seed=seed)[position.offset :]
    while True:
        while len(rest) < batch:
            epoch += 1
            rest = np.concatenate([rest, epoch_order(epoch, examples=examples, seed=seed)])
        yield rest[:batch]
        rest = rest[batch:]


def shares(batch: int, replicas: int) -> Shares:
    """Parts of sizes that differ by at most one, in order; filled up to the same width with weight 0."""
    width = -(-batch // replicas)
    bounds = [batch * replica // replicas for replica in range(replicas + 1)]
    positions = np.zeros((replicas, width), np.int64)
    weights = np.zeros((replicas, width), np.float32)
    for replica, (first, end) in enumerate(pairwise(bounds)):
        positions[replica, : end - first] = np.arange(first, end)
        weights[replica, : end - first] = replicas * width / batch
    return Shares(positions, weights)


def validation_shares(examples: int, batch: int, replicas: int) -> Shares:
    """Every example once: arrays of shape (steps, replicas, width), weight 1 for the examples, 0 for fillers."""
    steps = steps_per_epoch(examples, batch)
    parts = [shares(min(batch, examples - step * batch), replicas) for step in range(steps)]
    positions = np.zeros((steps, *parts[0].positions.shape), np.int64)
    weights = np.zeros(positions.shape, np.float32)
    for step, part in enumerate(parts):
        width = part.positions.shape[1]
        positions[step, :, :width] = part.positions + step * batch
        weights[step, :, :width] = part.weights > 0
    return Shares(positions, weights)
