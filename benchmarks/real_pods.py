"""A real cluster for benchmarks of pods, with our controller in it, and bare pods as one writes them by hand.

Nodes, images and volumes are those of the tests in real pods: root and Debian's packages (`make e2e-packages`).
"""

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from orchestrator.api.types import JsonObject
from tests.cluster.fixtures import Cluster
from tests.cluster.real_cluster import RealCluster
from tests.fixtures.jobs_in_pods import World, open_world

LIMIT_SECONDS = 180.0
LOOK_SECONDS = 0.05
PORT = 2222


@contextmanager
def real_world() -> Iterator[World]:
    """A namespace of a cluster that is made for it. Raises RuntimeError where a machine cannot have one."""
    with tempfile.TemporaryDirectory(prefix="tfo-") as name:
        machine = RealCluster(Path(name))
        machine.start()
        try:
            cluster = Cluster(machine.plane.kubeconfig, machine.plane.programs / "kubectl", machine.plane)
            cluster.install()
            cluster.install_controller()
            with open_world(cluster) as world:
                yield world
        finally:
            machine.stop()


def until(condition: Callable[[], bool], what: str) -> None:
    """Raises TimeoutError."""
    limit = time.monotonic() + LIMIT_SECONDS
    while not condition():
        if time.monotonic() > limit:
            raise TimeoutError(f"waited in vain until {what}")
        time.sleep(LOOK_SECONDS)


def bare_objects(name: str, roles: Sequence[tuple[str, int]], pod_spec: JsonObject) -> list[JsonObject]:
    """A headless service, and a pod for each member with its TF_CONFIG; the first container runs the program."""
    hosts = {seat: f"{name}-{seat[0]}-{seat[1]}.{name}:{PORT}" for seat in roles}
    shape: dict[str, list[str]] = {}
    for role, index in roles:
        shape.setdefault(role, []).append(hosts[role, index])
    return [_service(name), *(_pod(name, seat, shape, pod_spec) for seat in roles)]


def _service(name: str) -> JsonObject:
    spec = {"clusterIP": "None", "publishNotReadyAddresses": True, "selector": {"bare": name}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


def _pod(
    name: str, seat: tuple[str, int], shape: Mapping[str, Sequence[str]], pod_spec: JsonObject
) -> JsonObject:
    role, index = seat
    own = f"{name}-{role}-{index}"
    config = json.dumps({"cluster": shape, "task": {"type": role, "index": index}})
    first, *others = pod_spec["containers"]
    first = {**first, "env": [*first.get("env", ()), {"name": "TF_CONFIG", "value": config}]}
    spec = {
        **pod_spec,
        "hostname": own,
        "subdomain": name,
        "restartPolicy": "Never",
        "containers": [first, *others],
    }
    metadata = {"name": own, "labels": {"bare": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def apply(world: World, objects: Sequence[JsonObject]) -> None:
    document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    world.kubectl("apply", "-f", "-", stdin=json.dumps(document))


def remove_bare(world: World, name: str) -> None:
    """Gone when this returns."""
    world.kubectl("delete", "service", name)
    world.kubectl("delete", "pods", "-l", f"bare={name}", "--grace-period=0", "--force")
    until(lambda: not phases(world, f"bare={name}"), "the bare pods are gone")


def phases(world: World, selector: str) -> list[str]:
    """Of the pods with these labels."""
    path = "jsonpath={.items[*].status.phase}"
    return world.kubectl("get", "pods", "-l", selector, "-o", path).split()
