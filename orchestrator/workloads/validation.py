"""Judges a model on the validation set: the members share the examples, and add their sums up once.

Used by `training` after each epoch and by `evaluator`. Why not `model.evaluate`? Under MultiWorkerMirroredStrategy it
makes a new iterator and a dozen separate collectives each time, half a second where the sums take milliseconds.
Imports TensorFlow and Keras, but only inside functions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from orchestrator.workloads.batches import validation_shares
from orchestrator.workloads.samples import Samples

_HOST = "CPU:0"
"""Where the examples stay: a GPU gets one batch of them at a time."""


class Scores(NamedTuple):
    """How well the model does on the validation set, by the names that Keras uses."""

    val_loss: float
    val_accuracy: float


def build_validation(strategy: Any, model: Any, samples: Samples, batch: int) -> Callable[[], Scores]:
    """A function that returns val_loss and val_accuracy. Every member must call it at the same step."""
    import tensorflow as tf

    parts = validation_shares(len(samples), batch, strategy.num_replicas_in_sync)
    with tf.device(_HOST):
        x, y = tf.constant(samples.x), tf.constant(samples.y)
        positions, weights = tf.constant(parts.positions), tf.constant(parts.weights)

    def in_replica() -> Any:
        context = tf.distribute.get_replica_context()
        own = context.replica_id_in_sync_group

        def add(step: Any, sums: Any) -> Any:
            with tf.device(_HOST):
                rows, shares = positions[step, own], weights[step, own]
                inputs, labels = tf.gather(x, rows), tf.gather(y, rows)
            return step + 1, sums + _sums(model, inputs, labels, shares)

        _, sums = tf.while_loop(lambda step, _: step < len(parts.positions), add, (0, tf.zeros([2])))
        return context.all_reduce(tf.distribute.ReduceOp.SUM, sums)

    compiled = tf.function(lambda: strategy.run(in_replica), autograph=False)

    def validate() -> Scores:
        loss, correct = strategy.experimental_local_results(compiled())[0].numpy() / len(samples)
        return Scores(float(loss), float(correct))

    return validate


def _sums(model: Any, x: Any, y: Any, weights: Any) -> Any:
    """Weighted sums of loss and of correct answers over one batch."""
    import keras
    import tensorflow as tf

    predicted = model(x, training=False)
    loss = keras.losses.sparse_categorical_crossentropy(y, predicted)
    correct = tf.cast(tf.argmax(predicted, axis=-1, output_type=tf.int32) == y, tf.float32)
    return tf.stack([tf.reduce_sum(loss * weights), tf.reduce_sum(correct * weights)])
