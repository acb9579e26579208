"""The plain script once more, with all that we do inside it timed; it saves checkpoints and agrees on stops besides.

Started by `cost` under `tfo run`, on three members: the start-up hook has been there already, and adds its callback to
`fit`. Writes one JSON file a process into the folder that it is given: seconds in `fit`, and ours of these.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import tensorflow as tf

from benchmarks.plain_training import build, make_data
from benchmarks.timing import Timer
from orchestrator.train import CheckpointCallback, Checkpointer, ReportCallback

LEAVE_SECONDS = 60.0


def timers() -> dict[str, Timer]:
    """What `fit` calls of us: reports (the hook's choice of callbacks too), stop and checkpoint logic, its saves."""
    found = {"reports": Timer(), "stops": Timer(), "saves": Timer()}
    found["reports"].wrap_hooks(ReportCallback)
    found["reports"].wrap(sys.modules["orchestrator.train.instrument"], "_with_report")
    found["stops"].wrap_hooks(CheckpointCallback)
    found["saves"].wrap(Checkpointer, "save_state")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    for name in ("epochs", "steps", "units", "batch"):
        parser.add_argument(f"--{name}", type=int, required=True)
    words = parser.parse_args()
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    data = make_data(words.batch)
    with strategy.scope():
        model = build(words.units)
    model.fit(data, epochs=1, steps_per_epoch=3, verbose=0)  # the first steps compile
    found = timers()
    start = time.perf_counter()
    model.fit(
        data,
        epochs=words.epochs,
        steps_per_epoch=words.steps,
        verbose=0,
        callbacks=[CheckpointCallback()],
    )
    seconds = {"fit": time.perf_counter() - start, **{name: one.seconds for name, one in found.items()}}
    leave(words.folder, json.dumps(seconds), strategy.cluster_resolver)


def leave(folder: Path, timed: str, resolver: tf.distribute.cluster_resolver.ClusterResolver) -> None:
    """The chief goes last: with it goes TensorFlow's coordination service, which ends whoever is still at work."""
    unfinished = folder / f"{os.getpid()}.part"
    unfinished.write_text(timed, encoding="utf-8")
    unfinished.rename(unfinished.with_suffix(".json"))
    members = sum(len(tasks) for tasks in resolver.cluster_spec().as_dict().values())
    limit = time.monotonic() + LEAVE_SECONDS
    while (
        resolver.task_type == "chief"
        and len(list(folder.glob("*.json"))) < members
        and time.monotonic() < limit
    ):
        time.sleep(0.05)


if __name__ == "__main__":
    main()
