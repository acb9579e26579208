"""A user's script that knows nothing of this project: plain `model.fit`, alone or under MultiWorkerMirroredStrategy.

Started by the benchmarks beside it, with and without us. Its steps are matrix products of a given size; the seconds
that `fit` took, and those that the process ran for, go to the file BENCH_RESULT as JSON.
"""

import argparse
import json
import os
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf


def build(units: int) -> "keras.Model":
    model = keras.Sequential(
        [
            keras.layers.Input((64,)),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(10),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="sgd", loss=loss, metrics=["accuracy"])
    return model


def make_data(batch: int) -> "tf.data.Dataset":
    rng = np.random.default_rng(1)
    x = rng.normal(size=(batch * 8, 64)).astype("float32")
    y = rng.integers(0, 10, size=len(x))
    return tf.data.Dataset.from_tensor_slices((x, y)).repeat().batch(batch)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (("epochs", 4), ("steps", 100), ("units", 1472), ("batch", 320)):
        parser.add_argument(f"--{name}", type=int, default=default)
    words = parser.parse_args()
    in_cluster = "TF_CONFIG" in os.environ
    strategy = tf.distribute.MultiWorkerMirroredStrategy() if in_cluster else tf.distribute.get_strategy()
    keras.utils.set_random_seed(1)
    data = make_data(words.batch)
    with strategy.scope():
        model = build(words.units)
    model.fit(data, epochs=1, steps_per_epoch=3, verbose=0)  # the first steps compile
    start = time.perf_counter()
    model.fit(data, epochs=words.epochs, steps_per_epoch=words.steps, verbose=0)
    seconds = time.perf_counter() - start
    if result := os.environ.get("BENCH_RESULT"):
        found = {"fit": seconds, "step": seconds / (words.epochs * words.steps)}
        Path(result).write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    main()
