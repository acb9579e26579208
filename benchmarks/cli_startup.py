"""Start-up of the command line: `tfo --help` and `tfo validate`, beside `python -c pass` and `python -c 'import grpc'`.

All sides take turns in one run, so that a shared machine is equally slow for each; CPU seconds are printed too, which
a busy machine changes less. Goals: `tfo --help` at most 0.2 s, `tfo validate` at most 0.3 s.
`python -m benchmarks.cli_startup [ROUNDS]`; exit code 1 if a goal is missed.
"""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.pairs import spread

ROUNDS = 15
TFO = str(Path(sys.executable).parent / "tfo")
JOB = """\
apiVersion: tf-orchestrator.io/v1alpha1
kind: TensorFlowJob
metadata: {name: digits-cnn}
spec:
  workload: {name: cnn, args: {epochs: 30, seed: 1}}
  replicaSpecs: {chief: {}, worker: {replicas: 2}}
"""
GOALS = {"tfo --help": 0.2, "tfo validate": 0.3}


def commands(file: Path) -> dict[str, Sequence[str]]:
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import grpc'": [sys.executable, "-c", "import grpc"],
        "tfo --help": [TFO, "--help"],
        "tfo validate": [TFO, "validate", str(file)],
        "tfo plan": [TFO, "plan", str(file)],
    }


def seconds(command: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU. Raises CalledProcessError."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(sides: dict[str, Sequence[str]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Each side once to warm the page cache, then in turn, forwards and backwards."""
    for command in sides.values():
        seconds(command)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(reversed(sides))
        for name in order:
            found[name].append(seconds(sides[name]))
    return found


def main() -> int:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "job.yaml"
        file.write_text(JOB)
        found = measure(commands(file), rounds)
    reached = [show(name, values) for name, values in found.items()]
    return 0 if all(reached) else 1


def show(name: str, values: Sequence[tuple[float, float]]) -> bool:
    """True unless a goal is missed."""
    wall, used = zip(*values, strict=True)
    goal = GOALS.get(name)
    reached = goal is None or statistics.median(wall) <= goal
    verdict = "" if goal is None else f", goal at most {goal:.1f} s: {'reached' if reached else 'MISSED'}"
    print(f"{name:<24} {spread(wall)}{verdict}; CPU {statistics.median(used):.3f} s")
    return reached


if __name__ == "__main__":
    sys.exit(main())
