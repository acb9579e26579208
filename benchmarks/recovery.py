"""From a worker's SIGKILL to the first training step of the next attempt, beside a start of the same programs by hand.

`python -m benchmarks.recovery [--pairs 5]`. Goal: at most 1.2 times what the same three programs need from their
start to their first step, the restore of the same checkpoint included on both sides. Beside it what happens without
us: the survivors hang until TensorFlow notices, and then the training is over.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from benchmarks import cluster, pairs

GOAL = 1.2
ARGS = {"epochs": 400, "seed": 1}
PROGRAM = (
    sys.executable,
    "-m",
    "orchestrator.workloads",
    "cnn",
    *(f"--{name}={value}" for name, value in ARGS.items()),
)
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
    command = [sys.executable, "-m", "orchestrator.cli.main", "run", str(job_file(folder)), "--runs-dir"]
    with (folder / "tfo.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, str(folder / "runs"), "--metrics-port", "0"], stdout=log, stderr=log
        )
    try:
        yield
    finally:
        for _ in range(2):
            process.send_signal(signal.SIGINT)
        process.wait()


def victim() -> int:
    for entry in Path("/proc").iterdir():
        try:
            environ = set((entry / "environ").read_bytes().split(b"\0"))
            command = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if {b"TFO_JOB=bench", b"TFO_ROLE=worker", b"TFO_INDEX=1"} <= environ and b"agent" not in command:
            return int(entry.name)
    raise LookupError("worker-1 runs no program")


def ours(folder: Path) -> float:
    """Seconds from the kill to the first step of attempt 2; leaves its checkpoints for the other side."""
    with running(folder):
        wait_for(folder, 1, 2)
        killed = time.time()
        os.kill(victim(), signal.SIGKILL)
        return wait_for(folder, 2, 2) - killed


def by_hand(folder: Path) -> float:
    """Seconds from the start of three programs to their first step, from the same checkpoint."""
    saved = checkpoints(folder)[0]
    with cluster.report_socket() as (path, reports):
        environ = {
            "TFO_REPORT_SOCKET": path,
            "TFO_ATTEMPT": "1",
            "TFO_CHECKPOINT_DIR": str(saved.parent),
            "TFO_RESTORE_STEP": str(int(saved.name.removeprefix("ckpt-"))),
        }
        start = time.perf_counter()
        with cluster.started(PROGRAM, [environ] * len(cluster.ROLES)):
            return cluster.first_step(reports) - start


def without_us() -> float:
    """Seconds from the kill until the survivors have given up; nothing starts again."""
    with cluster.report_socket() as (path, reports):
        environ = {"TFO_REPORT_SOCKET": path, "TFO_ATTEMPT": "1"}
        with cluster.started(PROGRAM, [environ] * len(cluster.ROLES)) as programs:
            cluster.first_step(reports)
            killed = time.perf_counter()
            programs[-1].kill()
            for one in programs[:-1]:
                one.wait(LIMIT_SECONDS)
            return time.perf_counter() - killed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=5)
    count = parser.parse_args().pairs
    recovered, started = [], []
    for number in range(count):
        with tempfile.TemporaryDirectory() as name:
            recovered.append(ours(Path(name)))
            started.append(by_hand(Path(name)))
        print(f"  pair {number + 1} of {count}: {recovered[-1]:.2f} {started[-1]:.2f}", flush=True)
    found = pairs.Pairs(tuple(recovered), tuple(started))
    reached = pairs.show("SIGKILL of a worker -> first step", ("tfo run", "start by hand"), found, GOAL)
    print(f"  without us: the survivors end after {without_us():.1f} s and nothing goes on")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
