"""Wall time of `tfo run`, beside the same three programs started by a shell script with a hand-written TF_CONFIG.

`python -m benchmarks.overhead [--pairs 5] [--quick]`. Goal: at most 1.05 for a job of about a minute. Both sides
train the same CNN with the same checkpoints and logs; `tfo run` serves its metrics, as it does for everybody. The
warm-up pair trains for a few epochs only.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import cluster, command, pairs
from benchmarks.figures import Figure

GOAL = 1.05
EPOCHS = 230
QUICK_EPOCHS = 3
NAMES = ("tfo run", "shell script")


def ours(folder: Path, epochs: int) -> float:
    words = [
        sys.executable,
        "-m",
        "orchestrator.cli.main",
        "run",
        "cnn",
        "--workers",
        "2",
        "--output",
        "json",
    ]
    more = ["--set", f"epochs={epochs}", "--set", "seed=1", "--runs-dir", str(folder / "runs")]
    start = time.perf_counter()
    done = subprocess.run([*words, *more], capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - start
    summary = json.loads(done.stdout.splitlines()[-1])
    if summary["restarts"]:
        raise RuntimeError(f"the run was disturbed: {summary}")
    return seconds


def by_hand(folder: Path, epochs: int) -> float:
    program = [sys.executable, "-m", "orchestrator.workloads", "cnn", f"--epochs={epochs}", "--seed=1"]
    environ = {
        "TFO_CHECKPOINT_DIR": str(folder / "checkpoints"),
        "TFO_MODEL_DIR": str(folder / "model"),
        "TFO_LOG_DIR": str(folder / "tensorboard"),
        "TF_CPP_MIN_LOG_LEVEL": "1",
        "PYTHONUNBUFFERED": "1",
    }
    return cluster.run_script(program, environ, folder)


def in_folder(side: Callable[[Path, int], float], epochs: int) -> pairs.Side:
    """The side in an empty folder of its own each time."""

    def run() -> float:
        with tempfile.TemporaryDirectory(prefix="tfo-bench-") as name:
            return side(Path(name), epochs)

    return run


def measured(size: command.Size) -> list[Figure]:
    print("  warm-up, not counted", flush=True)
    for side in (ours, by_hand):
        in_folder(side, QUICK_EPOCHS)()
    epochs = QUICK_EPOCHS if size.is_quick else EPOCHS
    found = pairs.measure(in_folder(ours, epochs), in_folder(by_hand, epochs), size.pairs)
    return [pairs.figure_of("whole job, of that by a shell script", NAMES, found, GOAL)]


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, 5))
