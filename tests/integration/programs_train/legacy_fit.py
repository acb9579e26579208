"""A user's script on tf_keras: its fit needs no fix on several workers, but its progress is to be seen."""

import hashlib
import json
import os

os.environ["TF_USE_LEGACY_KERAS"] = os.environ.get("SCRIPT_LEGACY", "1")

import numpy as np
import tensorflow as tf
import tf_keras

strategy = tf.distribute.MultiWorkerMirroredStrategy()
tf_keras.utils.set_random_seed(5)
x = np.random.default_rng(5).normal(size=(96, 4)).astype("float32")
y = (x.sum(axis=1) > 0).astype("int64")

with strategy.scope():
    model = tf_keras.Sequential(
        [tf_keras.layers.Dense(8, activation="relu", input_shape=(4,)), tf_keras.layers.Dense(2)]
    )
    model.compile(
        optimizer="adam",
        loss=tf_keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

data = tf.data.Dataset.from_tensor_slices((x, y)).batch(24)
history = model.fit(data, epochs=3, validation_data=data.take(1), verbose=0)
trainable = hashlib.sha256(b"".join(each.numpy().tobytes() for each in model.trainable_variables)).hexdigest()
print(json.dumps({"history": history.history, "trainable": trainable}), flush=True)
