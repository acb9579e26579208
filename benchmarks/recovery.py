"""From a worker's SIGKILL to the first training step of the next attempt, of a start of the same programs by hand.

`python -m benchmarks.recovery [--pairs 5] [--quick]`. Ours: from the SIGKILL of worker-1's program, of a chief and two
workers under `tfo run`, to the first step of attempt 2 as its event tells: the death is noticed, the others are
stopped, three programs start, restore the last checkpoint and train. By hand: from the start of the same three
programs, restore of such a checkpoint included, to the first step that any of them reports. The page cache is warm:
a first pair is not counted. Goal: at most 1.2 times. Beside it what happens without us: TensorFlow ends the survivors
too, and the training is over.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from benchmarks import cluster, command, pairs
from benchmarks.figures import Figure, Sample

GOAL = 1.2
ARGS = {"epochs": 400, "seed": 1}
PROGRAM = (
    sys.executable,
    "-m",
    "orchestrator.workloads",
    "cnn",
    *(f"--{name}={value}" for name, value in ARGS.items()),
)
TITLE = "SIGKILL to next first step, of a start by hand"
NAMES = ("tfo run", "start by hand")
WITHOUT_US = 3
"""Jobs without us to look at."""
LIMIT_SECONDS = 120.0
LOOK_SECONDS = 0.05


def job_file(folder: Path) -> Path:
    document = {
        "apiVersion": "tf-orchestrator.io/v1alpha1",
        "kind": "TensorFlowJob",
        "metadata": {"name": "bench"},
        "spec": {
            "workload": {"name": "cnn", "args": ARGS},
            "replicaSpecs": {"chief": {}, "worker": {"replicas": 2}},
            "checkpoint": {"everySteps": 20},
        },
    }
    path = folder / "job.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    return path


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob("runs/bench/1/checkpoints/ckpt-*"))


def wait_for(folder: Path, attempt: int, steps: int) -> float:
    """The moment of the attempt's first step, once that many checkpoints exist."""
    end = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < end:
        moments = first_steps(folder)
        if attempt in moments and len(checkpoints(folder)) >= steps:
            return moments[attempt]
        time.sleep(LOOK_SECONDS)
    raise TimeoutError(f"attempt {attempt} did not get to its first step")


def first_steps(folder: Path) -> dict[int, float]:
    path = folder / "runs/bench/1/events.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    events = [json.loads(line) for line in lines if line.endswith("}")]
    return {
        event["attempt"]: datetime.fromisoformat(event["time"]).timestamp()
        for event in events
        if event["event"] == "firstStep"
    }


@contextmanager
def running(folder: Path) -> Iterator[None]:
    words = [sys.executable, "-m", "orchestrator.cli.main", "run", str(job_file(folder))]
    with (folder / "tfo.log").open("wb") as log:
        process = subprocess.Popen([*words, "--runs-dir", str(folder / "runs")], stdout=log, stderr=log)
    try:
        yield
    finally:
        for _ in range(2):
            process.send_signal(signal.SIGINT)
        process.wait()


def victim(folder: Path) -> int:
    """The program of worker-1 of the job that runs in this folder."""
    wanted = {b"TFO_JOB=bench", b"TFO_ROLE=worker", b"TFO_INDEX=1"}
    for entry in Path("/proc").iterdir():
        try:
            environ = (entry / "environ").read_bytes()
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if wanted <= set(environ.split(b"\0")) and str(folder).encode() in environ and b"agent" not in words:
            return int(entry.name)
    raise LookupError("worker-1 runs no program")


def ours(folder: Path) -> float:
    """Seconds from the kill to the first step of attempt 2; its checkpoints stay in the folder."""
    with running(folder):
        wait_for(folder, 1, 2)
        killed = time.time()
        os.kill(victim(folder), signal.SIGKILL)
        return wait_for(folder, 2, 2) - killed


def by_hand(folder: Path, saved: Path) -> float:
    """Seconds from the start of three programs to their first step, restored from a copy of that checkpoint."""
    shutil.copytree(saved, folder / saved.name)
    with cluster.report_socket() as (path, reports):
        environ = {
            "TFO_REPORT_SOCKET": path,
            "TFO_ATTEMPT": "1",
            "TFO_CHECKPOINT_DIR": str(folder),
            "TFO_LOG_DIR": str(folder / "tensorboard"),
            "TFO_RESTORE_STEP": str(int(saved.name.removeprefix("ckpt-"))),
        }
        start = time.perf_counter()
        with cluster.started(PROGRAM, [environ] * len(cluster.ROLES)):
            return cluster.first_step(reports) - start


def without_us(folder: Path) -> float:
    """Seconds from the kill until the survivors have given up; nothing starts again. At most LIMIT_SECONDS."""
    with cluster.report_socket() as (path, reports):
        environ = {
            "TFO_REPORT_SOCKET": path,
            "TFO_ATTEMPT": "1",
            "TFO_CHECKPOINT_DIR": str(folder),
            "TFO_LOG_DIR": str(folder / "tensorboard"),
        }
        with cluster.started(PROGRAM, [environ] * len(cluster.ROLES)) as programs:
            cluster.first_step(reports)
            killed = time.perf_counter()
            programs[-1].kill()
            with suppress(subprocess.TimeoutExpired):
                for one in programs[:-1]:
                    one.wait(killed + LIMIT_SECONDS - time.perf_counter())
            return time.perf_counter() - killed


def in_folder(side: Callable[[Path], float]) -> pairs.Side:
    """The side in an empty folder of its own each time."""

    def run() -> float:
        with tempfile.TemporaryDirectory(prefix="tfo-bench-") as name:
            return side(Path(name))

    return run


def measured(size: command.Size) -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="tfo-bench-") as name:
        # The warm-up pair; its checkpoint is the one from which the other side restores ever after.
        first = ours(Path(name))
        saved = checkpoints(Path(name))[0]

        def start(folder: Path) -> float:
            return by_hand(folder, saved)

        print(f"  warm-up, not counted: {first:.3f} {in_folder(start)():.3f}", flush=True)
        found = pairs.measure(in_folder(ours), in_folder(start), size.pairs)
    figure = pairs.figure_of(TITLE, NAMES, found, GOAL)
    lost = tuple(in_folder(without_us)() for _ in range(min(size.pairs, WITHOUT_US)))
    return [replace(figure, beside=(*figure.beside, Sample("without us: until all have died", lost)))]


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, 5))
