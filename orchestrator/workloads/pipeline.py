"""Feeds the examples of each step to the replicas of this member, as a distributed tf.data dataset.

Called by `training`. What belongs to which step and replica is decided in `batches`; here it only becomes a dataset:
in memory, without Python at each step. Imports TensorFlow, but only inside functions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from orchestrator.workloads.batches import (
    Position,
    Shares,
    epoch_order,
    position_at,
    shares,
)
from orchestrator.workloads.samples import Samples

_DEVICE_DATASET = "_create_device_dataset"


def end_promptly() -> None:
    """Keeps TensorFlow from tuning the buffer in front of each device, which has one element and nothing to tune.

    Why? The thread that tunes looks up at ever longer intervals, at last of a minute, and whoever drops the iterator
    waits for that thread: `fit` then returns up to a minute after its last step.
    """
    import tensorflow as tf
    from tensorflow.python.data.ops import multi_device_iterator_ops

    original = getattr(multi_device_iterator_ops, _DEVICE_DATASET, None)
    if original is None:
        return
    options = tf.data.Options()
    options.autotune.enabled = False
    setattr(
        multi_device_iterator_ops,
        _DEVICE_DATASET,
        lambda *arguments: original(*arguments).with_options(options),
    )


def training_dataset(strategy: Any, samples: Samples, *, batch: int, seed: int, step: int) -> Any:
    """Endless (x, y, weight) from step `step` on; one element per replica and step."""
    position = position_at(step, examples=len(samples), batch=batch)

    def make(context: Any) -> Any:
        own = _own(context, strategy.num_replicas_in_sync, shares(batch, strategy.num_replicas_in_sync))
        indices = _stream(len(samples), seed, position).batch(batch, drop_remainder=True)
        return _gather(_deal(indices, own), samples)

    return strategy.distribute_datasets_from_function(make)


def _own(context: Any, replicas: int, parts: Shares) -> Shares:
    """The parts of this member's replicas. Members have the same number of replicas: TensorFlow demands it."""
    each = replicas // context.num_input_pipelines
    first = context.input_pipeline_id * each
    return Shares(parts.positions[first : first + each], parts.weights[first : first + each])


def _stream(examples: int, seed: int, position: Position) -> Any:
    """The examples' numbers in the order of training, from `position` on, without end."""
    import tensorflow as tf

    def order(epoch: Any) -> Any:
        rows = tf.numpy_function(
            lambda number: epoch_order(int(number), examples=examples, seed=seed),
            [epoch],
            tf.int64,
            stateful=False,
        )
        return tf.data.Dataset.from_tensor_slices(tf.ensure_shape(rows, [examples]))

    epochs = tf.data.Dataset.range(position.epoch, np.iinfo(np.int64).max)
    return epochs.flat_map(order).skip(position.offset)


def _deal(indices: Any, own: Shares) -> Any:
    """One element per replica out of each global batch of `indices`."""
    import tensorflow as tf

    def deal(batch: Any) -> Any:
        return tf.data.Dataset.from_tensor_slices((tf.gather(batch, own.positions), own.weights))

    return indices.flat_map(deal)


def _gather(rows: Any, samples: Samples) -> Any:
    import tensorflow as tf

    with tf.device("CPU:0"):  # where tf.data works
        x, y = tf.constant(samples.x), tf.constant(samples.y)
    options = tf.data.Options()
    # The members share the machine's cores with each other; a pool per member would only take them from training.
    options.threading.private_threadpool_size = 1
    options.autotune.enabled = False
    return (
        rows.map(lambda indices, weights: (tf.gather(x, indices), tf.gather(y, indices), weights))
        .prefetch(4)
        .with_options(options)
    )
