"""Start-up of the command line: `tfo --help` and `tfo validate`, beside `python -c pass` and `python -c 'import grpc'`.

All sides take turns in one run, so that a shared machine is equally slow for each; CPU seconds are printed too, which
a busy machine changes less. Goals: `tfo --help` at most 0.2 s, `tfo validate` at most 0.3 s.
`python -m benchmarks.cli_startup [--pairs 15] [--quick]`.
"""

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks import command
from benchmarks.figures import Figure, Sample

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


def seconds(words: Sequence[str]) -> tuple[float, float]:
    """Wall and CPU. Raises CalledProcessError."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(sides: dict[str, Sequence[str]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Each side once to warm the page cache, then in turn, forwards and backwards."""
    for one in sides.values():
        seconds(one)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides) if number % 2 == 0 else list(reversed(sides))
        for name in order:
            found[name].append(seconds(sides[name]))
    return found


def measured(size: command.Size) -> list[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "job.yaml"
        file.write_text(JOB)
        found = measure(commands(file), size.pairs)
    walls = {name: Sample(name, tuple(wall for wall, _ in values)) for name, values in found.items()}
    cpus = {name: Sample("CPU of it", tuple(cpu for _, cpu in values)) for name, values in found.items()}
    alone = tuple(walls[name] for name in found if name not in GOALS)
    return [Figure(name, walls[name], goal, (*alone, cpus[name])) for name, goal in GOALS.items()]


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, ROUNDS))
