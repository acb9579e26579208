"""`--namespaces`: jobs in some namespaces only, with Roles in those in place of the ClusterRole, as the guide says."""

import asyncio
import json
import uuid
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cluster.fixtures import Cluster, wait_for
from tests.fixtures.controllers import QUICK_ELECTION, ControllerProcess

pytestmark = pytest.mark.cluster
MANIFEST = Path(__file__).parents[2] / "manifests" / "controller.yaml"
ACCOUNT = "tfo-controller"
OF_THE_WHOLE_CLUSTER = {"nodes", "tokenreviews"}
JOB = {
    "apiVersion": "tf-orchestrator.io/v1alpha1",
    "kind": "TensorFlowJob",
    "metadata": {"name": "job"},
    "spec": {"workload": {"name": "mlp"}, "replicaSpecs": {"chief": {}}},
}


def rules(*, of_cluster: bool) -> list[dict[str, Any]]:
    """Of the manifest's ClusterRole: those about objects in namespaces, or the others."""
    documents = yaml.safe_load_all(MANIFEST.read_text())
    (role,) = [one for one in documents if one["kind"] == "ClusterRole"]
    return [one for one in role["rules"] if (set(one["resources"]) <= OF_THE_WHOLE_CLUSTER) is of_cluster]


def grant(cluster: Cluster, home: str, place: str | None) -> str:
    """`place`: the namespace, or the whole cluster. Returns what it made, to be deleted."""
    prefix = "" if place else "Cluster"
    where = {"namespace": place} if place else {}
    name = f"tfo-controller-{home}"
    group = "rbac.authorization.k8s.io"
    meta = {"apiVersion": f"{group}/v1", "metadata": {"name": name, **where}}
    role = {**meta, "kind": f"{prefix}Role", "rules": rules(of_cluster=place is None)}
    binding = {
        **meta,
        "kind": f"{prefix}RoleBinding",
        "roleRef": {"apiGroup": group, "kind": f"{prefix}Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": home}],
    }
    text = f"{json.dumps(role)}\n---\n{json.dumps(binding)}"
    cluster.kubectl("apply", "-f", "-", stdin=text)
    return text


@pytest.fixture
def places(cluster: Cluster) -> Iterator[list[str]]:
    """Home of the controller, two namespaces that it looks after, one that it does not."""
    names = [f"test-{kind}-{uuid.uuid4().hex[:6]}" for kind in ("home", "one", "two", "other")]
    for name in names:
        cluster.kubectl("create", "namespace", name)
    for name in names:
        wait_for(partial(cluster.has, name, "serviceaccount/default"), "it has a ServiceAccount")
    yield names
    for name in names:
        cluster.kubectl("delete", "namespace", name, "--wait=false")


def install(cluster: Cluster, home: str, places: list[str]) -> str:
    """Returns what is of the whole cluster."""
    cluster.kubectl("-n", home, "create", "serviceaccount", ACCOUNT)
    documents = [
        one for one in yaml.safe_load_all(MANIFEST.read_text()) if one["kind"] in ("Role", "RoleBinding")
    ]
    text = "\n---\n".join(json.dumps(one) for one in documents).replace('"tf-orchestrator"', json.dumps(home))
    cluster.kubectl("apply", "-f", "-", stdin=text)
    for place in places:
        grant(cluster, home, place)
    return grant(cluster, home, None)


async def test_it_looks_after_two_namespaces_with_rights_in_those_alone(
    cluster: Cluster, places: list[str], tmp_path: Path
) -> None:
    assert cluster.plane is not None
    home, one, two, other = places
    granted = install(cluster, home, [one, two])
    kubeconfig = cluster.plane.token_kubeconfig(home, ACCOUNT)
    flags = (f"--namespaces={one},{two}", *QUICK_ELECTION)
    controller = ControllerProcess(kubeconfig, tmp_path, *flags, namespace=home)
    try:
        controller.wait_ready().wait_leading()
        for place in (other, one, two):
            cluster.kubectl("-n", place, "create", "-f", "-", stdin=json.dumps(JOB))
        for place in (one, two):
            await asyncio.to_thread(
                wait_for, partial(cluster.has, place, "pod/job-chief-0"), f"{place} has a pod"
            )
        assert not cluster.has(other, "pod/job-chief-0")
        assert await asyncio.to_thread(controller.stop) == 0
        assert [line for line in controller.lines() if "forbidden" in str(line.get("message")).lower()] == []
    finally:
        controller.end()
        cluster.kubectl("delete", "-f", "-", stdin=granted)
