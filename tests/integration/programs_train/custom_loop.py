"""A user's script with a training loop of its own (no fit) on Keras 3: it runs, and nobody reports for it."""

import json

import keras
import numpy as np
import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()
keras.utils.set_random_seed(5)
x = np.random.default_rng(5).normal(size=(48, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)

with strategy.scope():
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1)
    optimizer.build(model.trainable_variables)

data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((x, y)).batch(12))


@tf.function
def step(features, labels):  # type: ignore[no-untyped-def]  # a user's script
    def in_replica(features, labels):  # type: ignore[no-untyped-def]  # a user's script
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((model(features, training=True) - labels) ** 2) / 12.0
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
        return loss

    return strategy.reduce("SUM", strategy.run(in_replica, args=(features, labels)), axis=None)


losses = [float(step(*batch)) for _ in range(3) for batch in data]
weights = [np.asarray(each).tolist() for each in model.trainable_variables]
print(json.dumps({"first": losses[0], "last": losses[-1], "weights": weights}), flush=True)
