"""Fixtures of a real control plane: one start serves all tests that ask for it.

Imported by tests/conftest.py. With TFO_TEST_KUBECONFIG a cluster that is there already is used instead.
"""

import json
import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.api.types import GROUP
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.transport import Transport, open_api
from tests.cluster import tools
from tests.cluster.control_plane import ControlPlane
from tests.cluster.processes import run

MANIFESTS = Path(__file__).parents[2] / "manifests"
HOME = "tf-orchestrator"
"""The controllers' namespace, as their manifest has it."""
ROLLOUT_SECONDS = 90
EXISTING = "TFO_TEST_KUBECONFIG"


class Cluster:
    """A cluster with our CRD in it."""

    def __init__(self, kubeconfig: Path, kubectl: Path | str, plane: ControlPlane | None = None) -> None:
        self.kubeconfig, self._kubectl, self.plane = kubeconfig, kubectl, plane

    def kubectl(self, *words: str, stdin: str = "") -> str:
        """Standard output. Raises RuntimeError with the server's words."""
        return run(self._kubectl, "--kubeconfig", self.kubeconfig, *words, stdin=stdin)

    def has(self, namespace: str, what: str) -> bool:
        """`what`: KIND/NAME."""
        return bool(self.kubectl("-n", namespace, "get", what, "--ignore-not-found", "-o", "name"))

    def pod(self, namespace: str, name: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.kubectl("-n", namespace, "get", "pod", name, "-o", "json"))
        return found

    def install(self) -> None:
        self.kubectl("apply", "-f", str(MANIFESTS / "crd.yaml"))
        name = f"crd/tensorflowjobs.{GROUP}"
        self.kubectl("wait", "--for=condition=Established", name, "--timeout=30s")

    def install_controller(self) -> None:
        """As a user does, and waits until both replicas are ready. Needs real nodes."""
        self.kubectl("apply", "-f", str(MANIFESTS / "controller.yaml"))
        what = ("rollout", "status", "deployment/tfo-controller")
        self.kubectl("-n", HOME, *what, f"--timeout={ROLLOUT_SECONDS}s")


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 30.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > limit:
            pytest.fail(f"waited {seconds:g} s in vain until {what}")
        time.sleep(0.05)


def open_cluster(
    folder: Path, module: str = tools.NEWEST, *, audit: bool = False
) -> tuple[Cluster, ControlPlane]:
    plane = ControlPlane(folder, module, audit=audit)
    plane.start()
    cluster = Cluster(plane.kubeconfig, tools.kubernetes(module) / "kubectl", plane)
    try:
        cluster.install()
    except BaseException:
        plane.stop()
        raise
    return cluster, plane


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The newest Kubernetes."""
    existing = os.environ.get(EXISTING)
    if existing:
        found = Cluster(Path(existing), "kubectl")
        found.install()
        yield found
        return
    found, plane = open_cluster(tmp_path_factory.mktemp("cluster"))
    yield found
    plane.stop()


@pytest.fixture(scope="session")
def older_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three minor versions older."""
    found, plane = open_cluster(tmp_path_factory.mktemp("older"), tools.OLDER)
    yield found
    plane.stop()


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    """One for each test, ready for pods; how it goes is not waited for."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    cluster.kubectl("create", "namespace", name)
    wait_for(lambda: cluster.has(name, "serviceaccount/default"), "it has a ServiceAccount")
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
async def api(cluster: Cluster) -> AsyncIterator[Transport]:
    """As an administrator."""
    async with await open_api(kubeconfig=str(cluster.kubeconfig)) as opened:
        await opened.send(resources.get(resources.NAMESPACES, None, "default"))
        yield opened
