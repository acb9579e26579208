"""A plain Keras 3 program for MultiWorkerMirroredStrategy; it knows nothing of an orchestrator.

tfo run --workers 2 -- python examples/train.py --lr 0.1
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

GLOBAL_BATCH = 96


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=10)
    arguments = parser.parse_args()

    strategy = tf.distribute.MultiWorkerMirroredStrategy()  # reads TF_CONFIG; without it: this process alone
    keras.utils.set_random_seed(1)
    x, y = load_digits(return_X_y=True)
    order = np.random.RandomState(1).permutation(len(x))
    x, y = (x[order].reshape(-1, 8, 8, 1) / 16.0).astype("float32"), y[order]
    train = tf.data.Dataset.from_tensor_slices((x[:1344], y[:1344])).shuffle(1344, seed=1)
    test = tf.data.Dataset.from_tensor_slices((x[1344:1776], y[1344:1776]))

    with strategy.scope():
        model = keras.Sequential(
            [
                keras.layers.Input((8, 8, 1)),
                keras.layers.Conv2D(16, 3, activation="relu"),
                keras.layers.MaxPooling2D(),
                keras.layers.Flatten(),
                keras.layers.Dense(64, activation="relu"),
                keras.layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile(
            optimizer=keras.optimizers.SGD(arguments.lr, momentum=0.9),
            loss="sparse_categorical_crossentropy",
            metrics=["accuracy"],
        )

    model.fit(
        train.repeat().batch(GLOBAL_BATCH),  # Keras gives each member its part of the batch
        epochs=arguments.epochs,
        steps_per_epoch=1344 // GLOBAL_BATCH,
        validation_data=test.batch(GLOBAL_BATCH, drop_remainder=True),
        verbose=2,
    )


if __name__ == "__main__":
    main()
