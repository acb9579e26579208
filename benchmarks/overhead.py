"""Wall time of `tfo run`, beside the same three programs started by a shell script with a hand-written TF_CONFIG.

`python -m benchmarks.overhead [--pairs 5] [--epochs 150]`. Goal: at most 1.05 for a job of about a minute. Both sides
train the same CNN with the same checkpoints and logs.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks import cluster, pairs

GOAL = 1.05


def ours(folder: Path, epochs: int) -> float:
    command = [sys.executable, "-m", "orchestrator.cli.main", "run", "cnn", "--workers", "2"]
    more = [
        "--set",
        f"epochs={epochs}",
        "--set",
        "seed=1",
        "--runs-dir",
        str(folder / "runs"),
        "--output",
        "json",
    ]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, *more, "--metrics-port", "0"], capture_output=True, text=True, check=True
    )
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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=150)
    words = parser.parse_args()

    def in_folder(side: pairs.FolderSide) -> pairs.Side:
        def run() -> float:
            with tempfile.TemporaryDirectory() as name:
                return side(Path(name), words.epochs)

        return run

    found = pairs.measure(in_folder(ours), in_folder(by_hand), words.pairs)
    return 0 if pairs.show("whole job", ("tfo run", "shell script"), found, GOAL) else 1


if __name__ == "__main__":
    sys.exit(main())
