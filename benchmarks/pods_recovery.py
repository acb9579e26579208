"""From a program's SIGKILL in a pod to the next training step, of a start of the same programs in pods that are there.

`python -m benchmarks.pods_recovery [--pairs 5] [--quick]`, on real nodes. Ours: worker-1's program of a chief and two
workers is killed; the agents of the same pods start the three programs again, which restore the last checkpoint and
train, until the controller notes the first step of the next attempt. By hand: three bare pods wait for a file; from
its moment the same programs start, with a TF_CONFIG written by hand and such a checkpoint, to the first step that any
of them reports. Goal: at most 1.2 times. Beside it the same job without agents, whose pods are all made anew.
"""

import itertools
import json
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from benchmarks import command, pairs
from benchmarks.figures import Figure, Sample
from benchmarks.real_pods import apply, bare_objects, phases, real_world, remove_bare, until
from orchestrator.api.types import JsonObject
from tests.cluster.fixtures import HOME
from tests.fixtures.jobs_in_pods import CLAIM, Job, World, kill_container
from tests.fixtures.restricted_pods import template

GOAL = 1.2
TITLE = "SIGKILL in a pod to next first step, of a start by hand"
NAMES = ("same pods, by their agents", "start by hand in pods")
ROLES = (("chief", 0), ("worker", 0), ("worker", 1))
ARGS = {"epochs": 100_000, "seed": 1}
VOLUME = "/checkpoints"
SOCKET = "reports"
WITHOUT_AGENTS = 3
"""Jobs without agents to look at."""
LOOK_SECONDS = 1.0
"""Between two looks with kubectl, which costs what is measured some of its time."""
_NUMBERS = itertools.count(1)


class Reports:
    """What programs without an agent say, on a socket in the volume that their pods have, and when it came."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        path.chmod(0o777)
        self._steps: list[tuple[float, int]] = []
        threading.Thread(target=self._read, daemon=True).start()

    def step_after(self, moment: float, attempt: int) -> float:
        """Waits for the first step of that attempt; when it came."""
        until(lambda: self._first(moment, attempt) is not None, f"attempt {attempt} has done a step")
        return self._first(moment, attempt) or moment

    def _first(self, moment: float, attempt: int) -> float | None:
        return next((when for when, number in self._steps if when > moment and number == attempt), None)

    def _read(self) -> None:
        while True:
            said = json.loads(self._socket.recv(65536))
            if said.get("step"):
                self._steps.append((time.time(), said.get("attempt") or 1))


def job_spec(agent: str) -> JsonObject:
    return {
        "workload": {"name": "cnn", "args": ARGS},
        "replicaSpecs": {"chief": {}, "worker": {"replicas": 2}},
        "checkpoint": {"volumeClaim": CLAIM, "directory": VOLUME, "everySteps": 20},
        "recovery": {"agent": agent},
    }


@contextmanager
def running(world: World, spec: JsonObject) -> Iterator[Job]:
    """It has saved twice; gone with what it saved at the end."""
    job = world.create(f"job-{next(_NUMBERS)}", spec)
    until(lambda: len(checkpoints(world)) >= 2, f"{job.name} has saved twice")
    try:
        yield job
    finally:
        job.delete()
        clear(world)


def checkpoints(world: World) -> list[Path]:
    return sorted(world.folder.glob("**/ckpt-*"))


def clear(world: World) -> None:
    for path in world.folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)


def ours(world: World, kept: Path | None = None) -> float:
    """Seconds from the kill to the first step of the next attempt. `kept`: where a checkpoint is left."""
    with running(world, job_spec("Enabled")) as job:
        if kept is not None:
            shutil.copytree(checkpoints(world)[0], kept / checkpoints(world)[0].name)
        victim, following = job.program(f"{job.name}-worker-1"), job.attempt + 1
        killed = time.time()
        os.kill(victim, signal.SIGKILL)
        while (moment := logged_first_step(job, following)) is None:
            time.sleep(LOOK_SECONDS)
    return moment - killed


def logged_first_step(job: Job, attempt: int) -> float | None:
    """When a controller noted it."""
    words = ("logs", "-l", "app.kubernetes.io/name=tf-orchestrator", "--since=3m", "--tail=-1")
    wanted = (f"{job.world.namespace}/{job.name}", "FirstStep", attempt)
    for line in job.world.cluster.kubectl("-n", HOME, *words).splitlines():
        said = json.loads(line) if line.startswith("{") else {}
        if (said.get("job"), said.get("reason"), said.get("attempt")) == wanted:
            return datetime.fromisoformat(said["time"]).timestamp()
    return None


def without_agents(world: World, reports: Reports) -> float:
    """The same, all pods being new; its programs report to us."""
    spec = job_spec("Disabled")
    told = {"name": "TFO_REPORT_SOCKET", "value": f"{VOLUME}/{SOCKET}"}
    spec["template"] = {"spec": {"containers": [{"name": "tensorflow", "env": [told]}]}}
    with running(world, spec) as job:
        uid, following = job.uids()[f"{job.name}-worker-1"], job.attempt + 1
        killed = time.time()
        kill_container(uid)
        return reports.step_after(killed, following) - killed


def by_hand(world: World, reports: Reports, kept: Path) -> float:
    """Seconds from the moment at which three programs in pods may start to the first step that one reports."""
    name = f"bare-{next(_NUMBERS)}"
    place = world.folder / name
    shutil.copytree(kept, place)
    open_to_all(place)
    apply(world, bare_objects(name, ROLES, waiting_pod(name, place)))
    until(lambda: phases(world, f"bare={name}") == ["Running"] * len(ROLES), f"{name} waits")
    begun = time.time()
    (place / "go").touch()
    took = reports.step_after(begun, 1) - begun
    remove_bare(world, name)
    clear(world)
    return took


def open_to_all(place: Path) -> None:
    """Programs in pods are not root."""
    for path in (place, *place.rglob("*")):
        path.chmod(0o777)


def waiting_pod(name: str, place: Path) -> JsonObject:
    (saved,) = place.glob("ckpt-*")
    here = f"{VOLUME}/{name}"
    arguments = (f"--{key}={value}" for key, value in ARGS.items())
    program = f"exec python -m orchestrator.workloads cnn {' '.join(arguments)}"
    environ = {
        "TFO_REPORT_SOCKET": f"{VOLUME}/{SOCKET}",
        "TFO_ATTEMPT": "1",
        "TFO_CHECKPOINT_DIR": here,
        "TFO_LOG_DIR": f"{here}/tensorboard",
        "TFO_RESTORE_STEP": str(int(saved.name.removeprefix("ckpt-"))),
        "HOME": "/tmp",
    }
    spec: JsonObject = template("unused")["spec"]
    (container,) = spec["containers"]
    container["command"] = ["sh", "-c", f"until [ -e {here}/go ]; do sleep 0.02; done; {program}"]
    container["env"] = [{"name": key, "value": value} for key, value in environ.items()]
    container["volumeMounts"] = [{"name": CLAIM, "mountPath": VOLUME}]
    volumes = [{"name": CLAIM, "persistentVolumeClaim": {"claimName": CLAIM}}]
    return {**spec, "volumes": volumes}


def measured(size: command.Size) -> list[Figure]:
    with real_world() as world:
        reports = Reports(world.folder / SOCKET)
        kept = world.folder.with_name(f"{world.folder.name}-kept")
        kept.mkdir()
        try:
            found, anew = measure(world, reports, kept, size.pairs)
        finally:
            shutil.rmtree(kept)
    figure = pairs.figure_of(TITLE, NAMES, found, GOAL)
    return [replace(figure, beside=(*figure.beside, Sample("without agents, new pods", tuple(anew))))]


def measure(world: World, reports: Reports, kept: Path, count: int) -> tuple[pairs.Pairs, Sequence[float]]:
    """The warm-up pair leaves the checkpoint from which the other side restores ever after."""
    first = ours(world, kept)
    print(f"  warm-up, not counted: {first:.3f} {by_hand(world, reports, kept):.3f}", flush=True)
    found = pairs.measure(lambda: ours(world), lambda: by_hand(world, reports, kept), count)
    return found, [without_agents(world, reports) for _ in range(min(count, WITHOUT_AGENTS))]


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, 5))
