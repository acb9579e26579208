"""One process that tries on real Keras what needs no peers: counting, a full disk, tf_keras, a loop of one's own.

The first argument is a folder for checkpoints. Prints one line of JSON with what happened.
"""

import json
import resource
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import tf_keras

from orchestrator import train
from orchestrator.protocol.checkpoints import committed_steps
from orchestrator.train import steps

FOLDER = Path(sys.argv[1])
x = np.random.default_rng(0).normal(size=(64, 64)).astype("float32")
y = (x.sum(axis=1) > 0).astype("int64")


def build(library: Any, width: int = 16, **more: object) -> Any:
    model = library.Sequential([library.layers.Dense(width, activation="relu"), library.layers.Dense(2)])
    model.build((None, 64))
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=library.optimizers.Adam(0.01), loss=loss, **more)
    return model


def batches() -> "Iterator[tuple[Any, Any]]":
    """A user's generator, whose length Keras cannot know."""
    for start in range(0, 64, 8):
        yield x[start : start + 8], y[start : start + 8]


def count_steps() -> "list[list[int]]":
    """Steps at which a save happened: several steps per execution, unknown length, and a second fit."""
    found: list[list[int]] = []
    for options in ({"steps_per_execution": 4}, {"steps_per_execution": 5}, {}):
        checkpointer = train.Checkpointer(FOLDER / f"steps-{len(found)}", keep=100)
        model = build(keras, **options)
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(8) if options else batches()
        model.fit(data, verbose=0, callbacks=[train.CheckpointCallback(checkpointer, 6, initial_step=0)])
        found.append(sorted(int(path.name[5:]) for path in Path(checkpointer.directory).iterdir()))
    return found


def count_on(library: Any) -> "list[int]":
    """Steps at the ends of a fit, of a second one, and of one that goes on from that in a process of its own.

    The optimizer also counts each time that the data run out.
    """
    steps._of_process[0] = 0
    checkpointer = train.Checkpointer(FOLDER / f"count-{library.__name__}", keep=100)
    data = tf.data.Dataset.from_tensor_slices((x, y)).filter(lambda *_: True).batch(8)
    model, fresh = build(library), build(library)
    model.fit(data, epochs=2, verbose=0, callbacks=[train.CheckpointCallback(checkpointer, 0)])
    model.fit(data, verbose=0, callbacks=[train.CheckpointCallback(checkpointer, 0)])
    steps._of_process[0] = 0
    checkpointer.restore(fresh, 24)
    fresh.fit(data, verbose=0, callbacks=[train.CheckpointCallback(checkpointer, 0)])
    return committed_steps(checkpointer.directory)


def survive_a_full_disk() -> "dict[str, object]":
    """No file may grow beyond 64 KiB, as if the disk were full; the model needs more."""
    checkpointer = train.Checkpointer(FOLDER / "full")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, limits[1]))
    model = build(keras, width=2000)
    history = model.fit(x, y, batch_size=8, verbose=0, callbacks=[train.CheckpointCallback(checkpointer, 2)])
    legacy_ok = checkpointer.save(build(tf_keras, width=2000), 1)
    left = [path.name for path in (FOLDER / "full").iterdir()]
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    return {
        "epochs": len(history.epoch),
        "left": left,
        "legacy_ok": legacy_ok,
        "then": checkpointer.save(model, 9),
    }


def restore_equals_saved(library: Any) -> bool:
    checkpointer = train.Checkpointer(FOLDER / library.__name__)
    saved, fresh = build(library), build(library)
    saved.fit(x, y, batch_size=8, verbose=0)
    assert checkpointer.save(saved, 8, {"examples": np.int64(64)})
    assert checkpointer.restore(fresh, 8) == {"examples": 64}
    before = [saved.evaluate(x, y, verbose=0), *map(np.asarray, saved.get_weights())]
    after = [fresh.evaluate(x, y, verbose=0), *map(np.asarray, fresh.get_weights())]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    for model in (saved, fresh):  # the optimizer's state too: one more epoch ends at the same weights
        model.fit(x, y, batch_size=8, verbose=0, shuffle=False)
    return all(map(np.array_equal, saved.get_weights(), fresh.get_weights()))


def own_loop() -> "dict[str, object]":
    """A tf.train.Checkpoint of one's own, and the agreement in a program of one process."""
    counter = tf.Variable(0)
    checkpointer, agreement = train.Checkpointer(FOLDER / "loop"), train.StopAgreement()
    state = tf.train.Checkpoint(counter=counter)
    step = 0
    while not agreement.should_stop(step):
        counter.assign_add(1)
        step += 1
        if step == 5:
            signal.raise_signal(signal.SIGTERM)
    agreement.close()
    checkpointer.save(state, step)
    counter.assign(0)
    checkpointer.restore(state, step)
    return {"step": step, "counter": int(counter.numpy())}


print(
    json.dumps(
        {
            "saved_steps": count_steps(),
            "counted_on": [count_on(library) for library in (keras, tf_keras)],
            "keras": restore_equals_saved(keras),
            "tf_keras": restore_equals_saved(tf_keras),
            "full_disk": survive_a_full_disk(),
            "own_loop": own_loop(),
        }
    )
)
