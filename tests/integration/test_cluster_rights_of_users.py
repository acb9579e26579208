"""The role that the operator's guide hands out: enough for every command about jobs, and no more."""

import json
from collections.abc import Iterator

import pytest

from tests.checks.documents import find_blocks
from tests.cluster.fixtures import Cluster, wait_for

pytestmark = pytest.mark.cluster
GUIDE = "docs/how-to/operate-the-controller.md"
ACCOUNT = "default"


@pytest.fixture
def role(cluster: Cluster) -> Iterator[str]:
    """As an administrator copies it from the guide."""
    (text,) = [one.text for one in find_blocks(GUIDE) if "kind: ClusterRole" in one.text]
    cluster.kubectl("apply", "-f", "-", stdin=text)
    yield text
    cluster.kubectl("delete", "-f", "-", stdin=text)


def test_who_may_edit_may_do_everything_with_jobs(cluster: Cluster, namespace: str, role: str) -> None:
    who = f"--as=system:serviceaccount:{namespace}:{ACCOUNT}"
    account = f"--serviceaccount={namespace}:{ACCOUNT}"
    cluster.kubectl("-n", namespace, "create", "rolebinding", "users", "--clusterrole=edit", account)

    def may(*words: str) -> bool:
        try:
            return "yes" in cluster.kubectl("-n", namespace, "auth", "can-i", *words, who)
        except RuntimeError:
            return False

    wait_for(lambda: may("create", "tensorflowjobs"), "the role is part of edit")
    jobs = [(verb, "tensorflowjobs") for verb in ("get", "list", "watch", "patch", "update", "delete")]
    scale = [("patch", "tensorflowjobs", "--subresource=scale")]
    pods = [("list", "pods"), ("get", "pods", "--subresource=log"), ("list", "events")]
    assert [words for words in (*jobs, *scale, *pods) if not may(*words)] == []
    assert not may("update", "tensorflowjobs", "--subresource=status"), "the controller alone says what is so"
    assert not may("list", "tensorflowjobs", "-A")
    job = {
        "apiVersion": "tf-orchestrator.io/v1alpha1",
        "kind": "TensorFlowJob",
        "metadata": {"name": "job"},
        "spec": {"workload": {"name": "mlp"}, "replicaSpecs": {"chief": {}, "worker": {"replicas": 2}}},
    }
    cluster.kubectl("-n", namespace, "create", "-f", "-", who, stdin=json.dumps(job))
    cluster.kubectl("-n", namespace, "scale", "tfo", "job", "--replicas=3", who)
    cluster.kubectl("-n", namespace, "delete", "tfo", "--all", "--cascade=foreground", who)
    assert not cluster.has(namespace, "tfo/job")
