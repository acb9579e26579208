"""From `kubectl apply` to Succeeded: a job of two workers, of the same two pods with a TF_CONFIG written by hand.

`python -m benchmarks.pods_start [--pairs 5] [--quick]`, on real nodes that have the image. The program is a user's loop
under MultiWorkerMirroredStrategy that knows nothing of this project; ours has an agent and a controller, the other side
a headless service and two bare pods. Goal: the median of the pairs' differences is at most 1.5 s.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import command, pairs
from benchmarks.figures import Figure, Sample
from benchmarks.real_pods import apply, bare_objects, phases, real_world, remove_bare, until
from orchestrator.api.types import JsonObject
from tests.fixtures.jobs_in_pods import Job, World
from tests.fixtures.restricted_pods import template

GOAL = 1.5
PROGRAM = "custom-loop"
SOURCE = Path(__file__).parents[1] / "tests/integration/programs_train/custom_loop.py"
ROLES = (("worker", 0), ("worker", 1))
TITLE = "apply to Succeeded in pods, more than bare pods"
_NUMBERS = itertools.count(1)


def job_document(name: str) -> JsonObject:
    return {
        "apiVersion": "tf-orchestrator.io/v1alpha1",
        "kind": "TensorFlowJob",
        "metadata": {"name": name},
        "spec": {
            "template": template(PROGRAM),
            "replicaSpecs": {"worker": {"replicas": len(ROLES)}},
            "successPolicy": "AllWorkers",
        },
    }


def ours(world: World) -> float:
    job = Job(world, f"ours-{next(_NUMBERS)}")
    took = timed(world, [job_document(job.name)], lambda: ended(job))
    job.delete()
    return took


def ended(job: Job) -> bool:
    """Raises RuntimeError when it failed."""
    path = "jsonpath={.status.phase}"
    phase = job.world.kubectl("get", "tfo", job.name, "-o", path)
    if phase in ("Failed", "Stopped"):
        raise RuntimeError(job.story())
    return phase == "Succeeded"


def bare(world: World) -> float:
    name = f"bare-{next(_NUMBERS)}"
    objects = bare_objects(name, ROLES, template(PROGRAM)["spec"])
    took = timed(world, objects, lambda: phases(world, f"bare={name}") == ["Succeeded"] * len(ROLES))
    remove_bare(world, name)
    return took


def timed(world: World, objects: list[JsonObject], is_over: Callable[[], bool]) -> float:
    begun = time.perf_counter()
    apply(world, objects)
    until(is_over, f"{json.dumps(objects[0]['metadata'])} has succeeded")
    return time.perf_counter() - begun


def measured(size: command.Size) -> list[Figure]:
    with real_world() as world:
        world.keep_program(PROGRAM, SOURCE.read_text(encoding="utf-8"))
        found = pairs.measure_warm(lambda: ours(world), lambda: bare(world), size.pairs)
    more = tuple(one - other for one, other in zip(found.ours, found.theirs, strict=True))
    beside = (Sample("ours", found.ours), Sample("bare pods", found.theirs))
    return [Figure(TITLE, Sample("difference of each pair", more), GOAL, beside)]


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, 5))
