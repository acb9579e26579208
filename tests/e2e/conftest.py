"""A real cluster with the controller in it: one start serves all tests of this folder.

With TFO_TEST_KUBECONFIG a cluster of this rig's that stays up is used (`python -m tests.cluster.real_cluster`); tests
that need a node to be lost skip there.
"""

import os
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.fixtures import EXISTING, Cluster, wait_for
from tests.cluster.real_cluster import RealCluster
from tests.fixtures.jobs_in_pods import HOME, World

CONTROLLER = Path(__file__).parents[2] / "manifests" / "controller.yaml"
ROLLOUT_SECONDS = 90


@pytest.fixture(scope="session")
def machine() -> Iterator[RealCluster | None]:
    """The nodes; none where the cluster is somebody else's."""
    if os.environ.get(EXISTING):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="tfo-") as name:
        found = RealCluster(Path(name))
        found.start()
        try:
            yield found
        finally:
            found.stop()


@pytest.fixture(scope="session")
def installed(machine: RealCluster | None) -> Cluster:
    """CRD and controller, as a user installs them."""
    if machine is None:
        found = Cluster(Path(os.environ[EXISTING]), "kubectl")
    else:
        found = Cluster(machine.plane.kubeconfig, machine.plane.programs / "kubectl", machine.plane)
    found.install()
    found.kubectl("apply", "-f", str(CONTROLLER))
    found.kubectl(
        "-n", HOME, "rollout", "status", "deployment/tfo-controller", f"--timeout={ROLLOUT_SECONDS}s"
    )
    return found


@pytest.fixture(scope="module")
def world(installed: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A namespace of this module's, under Pod Security "restricted", with a volume that all nodes can mount."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    installed.kubectl("create", "namespace", name)
    installed.kubectl("label", "namespace", name, "pod-security.kubernetes.io/enforce=restricted")
    wait_for(lambda: installed.has(name, "serviceaccount/default"), "it has a ServiceAccount")
    wait_for(lambda: installed.has(name, "configmap/kube-root-ca.crt"), "it has the cluster's authority")
    with tempfile.TemporaryDirectory(prefix="tfo-volume-") as folder:
        Path(folder).chmod(0o777)
        found = World(installed, name, Path(folder))
        found.make_claim()
        yield found
        found.end()
