"""A plain `model.fit` script under `tfo run`, with `instrument: Auto` and with `Off`: what the start-up hook costs.

`python -m benchmarks.instrument [--pairs 10] [--quick]`. Goal: at most 1.03 times the seconds in `fit`, at steps
of at least 20 ms; the whole of `tfo run` is printed too. The script is the same, unchanged, on both sides, and trains
in one process, since on several workers it would not run at all without the hook's fix of Keras.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import command, pairs
from benchmarks.figures import Figure, Sample

GOAL = 1.03
STEP_MILLISECONDS = 20.0
STEPS, QUICK_STEPS = 100, 10
"""Of each of the script's 4 epochs."""
SCRIPT = Path(__file__).with_name("plain_training.py")
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1"}
"""Why? Where a host shares out processors in slices, a step that fills them all takes one slice or two, by chance."""
SWITCHES = ("metrics", "checkpoint", "kerasFix")


@dataclass(frozen=True)
class Trained:
    """Seconds of `fit`, of one step, and of the whole run."""

    fit: float
    step: float
    whole: float


def job_file(folder: Path, switch: str, steps: int) -> Path:
    program = ["python", str(SCRIPT), "--steps", str(steps)]
    variables = {"BENCH_RESULT": str(folder / "result.json"), **ONE_THREAD}
    environ = [{"name": name, "value": value} for name, value in variables.items()]
    document = {
        "apiVersion": "tf-orchestrator.io/v1alpha1",
        "kind": "TensorFlowJob",
        "metadata": {"name": "bench"},
        "spec": {
            "template": {
                "spec": {"containers": [{"name": "tensorflow", "command": program, "env": environ}]}
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
        words = [sys.executable, "-m", "orchestrator.cli.main", "run", str(job_file(folder, switch, steps))]
        start = time.perf_counter()
        done = subprocess.run(
            [*words, "--runs-dir", str(folder / "runs"), "--output", "json", "--metrics-port", "0"],
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


def measured(size: command.Size) -> list[Figure]:
    steps = QUICK_STEPS if size.is_quick else STEPS
    runs: dict[str, list[Trained]] = {"Auto": [], "Off": []}

    def side(switch: str) -> pairs.Side:
        def run() -> float:
            runs[switch].append(train(switch, steps))
            return runs[switch][-1].fit

        return run

    found = pairs.measure_warm(side("Auto"), side("Off"), size.pairs)
    return [figure_of(found, runs["Auto"][1:], runs["Off"][1:])]


def figure_of(found: pairs.Pairs, auto: Sequence[Trained], off: Sequence[Trained]) -> Figure:
    whole = pairs.Pairs(tuple(one.whole for one in auto), tuple(one.whole for one in off))
    step = Sample("milliseconds of a step, Off", tuple(1000 * one.step for one in off), "ms")
    figure = pairs.figure_of("model.fit with instrument Auto, of Off", ("Auto", "Off"), found, GOAL)
    beside = (*figure.beside, Sample("ratio of the whole tfo run", whole.ratios, "×"), step)
    return replace(figure, beside=beside, unjudged=too_short(step.values))


def too_short(milliseconds: Sequence[float]) -> str:
    """Why these steps are no measure; empty where they are long enough."""
    shortest = min(milliseconds)
    if shortest >= STEP_MILLISECONDS:
        return ""
    return f"a step took {shortest:.1f} ms, the goal is for {STEP_MILLISECONDS:.0f} ms and more"


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, 10))
