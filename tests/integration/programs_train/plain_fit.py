"""A user's script that knows nothing of us: `model.fit` under MultiWorkerMirroredStrategy, then evaluate and predict.

With BatchNormalization and Dropout; SCRIPT_VALIDATE=1 adds validation_data. Prints one line of JSON for the test.
"""

import hashlib
import json
import os

import keras
import numpy as np
import tensorflow as tf

strategy = tf.distribute.MultiWorkerMirroredStrategy()
keras.utils.set_random_seed(7)

rng = np.random.default_rng(7)
x = rng.normal(size=(240, 8)).astype("float32")
y = (x.sum(axis=1) > 0).astype("int64")

with strategy.scope():
    model = keras.Sequential(
        [
            keras.layers.Input((8,)),
            keras.layers.Dense(16),
            keras.layers.BatchNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(2),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

data = tf.data.Dataset.from_tensor_slices((x, y)).batch(24)
validation = data.take(2) if os.environ.get("SCRIPT_VALIDATE") == "1" else None
history = model.fit(data, epochs=3, validation_data=validation, verbose=0)

with strategy.scope():
    linear = keras.Sequential([keras.layers.Input((8,)), keras.layers.Dense(1)])

evaluated = model.evaluate(data, verbose=0, return_dict=True)
predicted = linear.predict(x[:31], batch_size=12, verbose=0)  # the last batch is smaller than the others
wanted = x[:31] @ np.asarray(linear.weights[0]) + np.asarray(linear.weights[1])
trainable = hashlib.sha256(b"".join(np.asarray(v).tobytes() for v in model.trainable_variables)).hexdigest()
moving = hashlib.sha256(b"".join(np.asarray(v).tobytes() for v in model.non_trainable_variables)).hexdigest()
print(
    json.dumps(
        {
            "keras": keras.__version__,
            "history": history.history,
            "evaluated": evaluated,
            "predicted_in_order": predicted.shape == wanted.shape
            and bool(np.allclose(predicted, wanted, atol=1e-4)),
            "trainable": trainable,
            "moving": moving,
        }
    ),
    flush=True,
)
