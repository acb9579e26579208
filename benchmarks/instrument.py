"""A plain `model.fit` script under `tfo run`, with `instrument: Auto` and with `Off`: what the start-up hook costs.

`python -m benchmarks.instrument [--pairs 10] [--steps 100]`. Goal: at most 1.03 times the seconds in `fit`, at steps
of at least 20 ms; the whole of `tfo run` is printed too. The script is the same, unchanged, on both sides, and trains
in one process, since on several workers it would not run at all without the hook's fix of Keras.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import pairs

GOAL = 1.03
STEP_SECONDS = 0.02
SCRIPT = Path(__file__).with_name("plain_training.py")
SWITCHES = ("metrics", "checkpoint", "kerasFix")


@dataclass(frozen=True)
class Trained:
    """Seconds of `fit`, of one step, and of the whole run."""

    fit: float
    step: float
    whole: float


def job_file(folder: Path, switch: str, steps: int) -> Path:
    command = ["python", str(SCRIPT), "--steps", str(steps)]
    result = {"name": "BENCH_RESULT", "value": str(folder / "result.json")}
    document = {
        "apiVersion": "tf-orchestrator.io/v1alpha1",
        "kind": "TensorFlowJob",
        "metadata": {"name": "bench"},
        "spec": {
            "template": {
                "spec": {"containers": [{"name": "tensorflow", "command": command, "env": [result]}]}
            },
            "replicaSpecs": {"chief": {}},
            "instrument": dict.fromkeys(SWITCHES, switch),
        },
    }
    path = folder / "job.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def train(switch: str, steps: int) -> Trained:
    """Raises CalledProcessError, or RuntimeError where reports came or stayed away against the switch."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, "-m", "orchestrator.cli.main", "run", str(job_file(folder, switch, steps))]
        start = time.perf_counter()
        done = subprocess.run(
            [*command, "--runs-dir", str(folder / "runs"), "--output", "json", "--metrics-port", "0"],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        whole = time.perf_counter() - start
        reported = any('"event":"firstStep"' in line.replace(" ", "") for line in done.stdout.splitlines())
        if reported != (switch == "Auto"):
            raise RuntimeError(f"instrument {switch}, but reports came: {reported}")
        found = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return Trained(found["fit"], found["step"], whole)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--steps", type=int, default=100, help="of each of the 4 epochs")
    words = parser.parse_args()
    runs: dict[str, list[Trained]] = {"Auto": [], "Off": []}

    def side(switch: str) -> pairs.Side:
        def run() -> float:
            runs[switch].append(train(switch, words.steps))
            return runs[switch][-1].fit

        return run

    found = pairs.measure(side("Auto"), side("Off"), words.pairs)
    reached = pairs.show("seconds in model.fit", ("instrument Auto", "instrument Off"), found, GOAL)
    whole = pairs.Pairs(tuple(one.whole for one in runs["Auto"]), tuple(one.whole for one in runs["Off"]))
    print(f"  whole tfo run: ratio {whole.ratio:.3f} (pairs: {whole.paired_ratio:.3f})")
    return 0 if reached and is_long_enough([one.step for one in runs["Off"]]) else 1


def is_long_enough(steps: list[float]) -> bool:
    shortest = min(steps)
    verdict = "" if shortest >= STEP_SECONDS else ": too short for this goal, MISSED"
    print(f"  a step takes {1000 * shortest:.1f} ms at least (goal is for 20 ms and more){verdict}")
    return shortest >= STEP_SECONDS


if __name__ == "__main__":
    sys.exit(main())
