"""`kubectl tfo …`: kubectl finds the command by its name and passes everything on."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.cluster import tools
from tests.cluster.fixtures import Cluster
from tests.fixtures.launcher import TFO

pytestmark = pytest.mark.cluster


def test_kubectl_finds_tfo_and_passes_words_and_exit_code_on(cluster: Cluster, namespace: str) -> None:
    kubectl = tools.kubernetes(tools.NEWEST) / "kubectl" if cluster.plane else Path("kubectl")
    path = f"{Path(TFO[0]).parent}{os.pathsep}{os.environ['PATH']}"
    environ = {**os.environ, "PATH": path, "KUBECONFIG": str(cluster.kubeconfig)}

    def call(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [kubectl, "tfo", *words], env=environ, capture_output=True, text=True, timeout=60, check=False
        )

    made = call("submit", "mlp", "--name", "job", "-n", namespace)
    assert (made.returncode, made.stdout.splitlines()[0]) == (0, f"{namespace}/job created"), made.stderr
    assert cluster.has(namespace, "tfo/job")
    assert call("get", "other", "-n", namespace).returncode == 2
