"""A program that uses orchestrator.train: restores, reports, saves every 20 steps, stops when the members agree.

TOTAL_STEPS: how far to train; without it for ever, in epochs of 4 batches, whose number nobody can know beforehand.
Prints what it restored, what it held when it stopped and what it ended with, as JSON.
"""

import hashlib
import json
import os
import signal
import sys

import keras
import numpy as np
import tensorflow as tf

from orchestrator import train

me = train.context()
is_alone = me.world_size == 1
strategy = tf.distribute.get_strategy() if is_alone else tf.distribute.MultiWorkerMirroredStrategy()
total_steps = int(os.environ.get("TOTAL_STEPS", "0"))
keras.utils.set_random_seed(1)

rng = np.random.default_rng(1)
x = rng.normal(size=(96, 8)).astype("float32")
y = (x.sum(axis=1) > 0).astype("int64")

with strategy.scope():
    model = keras.Sequential(
        [
            keras.layers.Input((8,)),
            keras.layers.Dense(16, activation="relu"),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(2),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def digest(variables: "list[keras.Variable]") -> str:
    return hashlib.sha256(b"".join(np.asarray(each).tobytes() for each in variables)).hexdigest()


def state() -> "dict[str, object]":
    return {
        "trainable": digest(model.trainable_variables),
        "statistics": digest(model.non_trainable_variables),
        "optimizer": digest(model.optimizer.variables),
        "iterations": int(np.asarray(model.optimizer.iterations)),
    }


def say(what: str, **more: object) -> None:
    print(json.dumps({"what": what, **state(), **more}), flush=True)


checkpointer = train.Checkpointer()
done = 0
if me.restore_step is not None:
    extra = checkpointer.restore(model, me.restore_step)
    done = me.restore_step
    say("restored", extra=extra)
data = tf.data.Dataset.from_tensor_slices((x, y))
model.fit(
    data.repeat().batch(24) if total_steps else data.filter(lambda *_: True).batch(24),
    steps_per_epoch=total_steps - done if total_steps else None,
    epochs=1 if total_steps else 100_000,
    verbose=0,
    callbacks=[
        train.ReportCallback(total_steps=total_steps or None, examples_per_step=24 / me.world_size),
        train.CheckpointCallback(
            checkpointer, 20, extra=lambda step: {"examples": step * 24}, on_stop=lambda: say("stopped")
        ),
    ],
)
say("ended", sigterm_is_default=signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)
sys.exit(0)
