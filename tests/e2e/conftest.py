"""A real cluster with the controller in it: one start serves all tests of this folder.

With TFO_TEST_KUBECONFIG a cluster of this rig's that stays up is used (`python -m tests.cluster.real_cluster`); tests
that need a node to be lost skip there.
"""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.fixtures import EXISTING, Cluster
from tests.cluster.real_cluster import RealCluster
from tests.fixtures.jobs_in_pods import World, open_world


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
    found.install_controller()
    return found


@pytest.fixture(scope="module")
def world(installed: Cluster) -> Iterator[World]:
    """A namespace of this module's."""
    with open_world(installed) as found:
        yield found
