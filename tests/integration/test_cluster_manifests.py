"""manifests/controller.yaml on a real API server: its rights are enough, and every one of them is needed."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.transport import Transport
from tests.cluster.fixtures import Cluster
from tests.fixtures.controllers import QUICK_ELECTION, ControllerProcess
from tests.fixtures.stand_in_kubelet import StandInKubelet

pytestmark = pytest.mark.cluster
MANIFEST = Path(__file__).parents[2] / "manifests" / "controller.yaml"
HOME = "tf-orchestrator"
ACCOUNT = "tfo-controller"
LIMIT_SECONDS = 40.0


def documents() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(MANIFEST.read_text()))


@pytest.fixture(scope="module")
def installed(cluster: Cluster) -> Iterator[Cluster]:
    """As a user installs it; nobody runs its pods here."""
    cluster.kubectl("apply", "-f", str(MANIFEST))
    cluster.kubectl("-n", HOME, "scale", "deployment", "tfo-controller", "--replicas=0")
    yield cluster
    cluster.kubectl("delete", "-f", str(MANIFEST), "--wait=false")


def test_server_and_users_can_apply_it_again(installed: Cluster) -> None:
    assert "configured" in installed.kubectl("apply", "-f", str(MANIFEST), "--dry-run=server")
    installed.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", str(MANIFEST))


async def test_its_rights_are_enough_for_the_life_of_a_job(
    installed: Cluster, api: Transport, namespace: str, tmp_path: Path
) -> None:
    assert installed.plane is not None
    kubeconfig = installed.plane.token_kubeconfig(HOME, ACCOUNT)
    controller = ControllerProcess(kubeconfig, tmp_path, *QUICK_ELECTION, namespace=HOME)
    try:
        controller.wait_ready().wait_leading()
        async with StandInKubelet(api, namespace) as kubelet:
            await live(installed, namespace, kubelet)
        assert await asyncio.to_thread(controller.stop) == 0
        ours = [one for one in controller.lines() if str(one.get("job", namespace)).startswith(namespace)]
        assert [one for one in ours if "forbidden" in str(one.get("message")).lower()] == []
    finally:
        controller.end()


async def live(cluster: Cluster, namespace: str, kubelet: StandInKubelet) -> None:
    """Created, run, failed once, run again, succeeded, and deleted by its time to live."""
    program = {"containers": [{"name": "tensorflow", "image": "any", "command": ["train"]}]}
    document = {
        "apiVersion": "tf-orchestrator.io/v1alpha1",
        "kind": "TensorFlowJob",
        "metadata": {"name": "job"},
        "spec": {
            "template": {"spec": program},
            "recovery": {"agent": "Disabled"},
            "replicaSpecs": {"chief": {}},
            "runPolicy": {"ttlSecondsAfterFinished": 0},
        },
    }
    cluster.kubectl("-n", namespace, "create", "-f", "-", stdin=json.dumps(document))
    for attempt, code in ((1, 3), (2, 0)):
        async with asyncio.timeout(LIMIT_SECONDS):
            while not (
                pods := [one for one in kubelet.pods.all() if is_running(one.metadata.labels, one, attempt)]
            ):
                await asyncio.sleep(0.03)
        await kubelet.end(pods[0], code)
    async with asyncio.timeout(LIMIT_SECONDS):
        while "job" in cluster.kubectl("-n", namespace, "get", "tfo", "-o", "name"):
            await asyncio.sleep(0.1)


def is_running(labels: dict[str, str], pod: Any, attempt: int) -> bool:
    return labels["tf-orchestrator.io/attempt"] == str(attempt) and pod.status.phase == "Running"


def test_it_may_nothing_that_it_does_not_ask_for(installed: Cluster) -> None:
    who = f"--as=system:serviceaccount:{HOME}:{ACCOUNT}"
    for words in (
        ("create", "pods", "--subresource=exec"),
        ("list", "secrets"),
        ("update", "tensorflowjobs"),
        ("create", "tensorflowjobs"),
        ("delete", "nodes"),
        ("list", "configmaps"),
        ("*", "*"),
    ):
        with pytest.raises(RuntimeError, match="no"):
            installed.kubectl("auth", "can-i", *words, who, "-A")
    with pytest.raises(RuntimeError, match="no"):
        installed.kubectl("auth", "can-i", "get", "secret/other", who, "-n", HOME)


def test_pods_of_the_controller_pass_pod_security_restricted(installed: Cluster) -> None:
    (deployment,) = [one for one in documents() if one["kind"] == "Deployment"]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "as-deployed"},
        **deployment["spec"]["template"],
    }
    pod["metadata"] = {"name": "as-deployed"}
    said = installed.kubectl("-n", HOME, "create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
    assert "created (server dry run)" in said


def test_every_resource_that_we_know_is_in_the_roles() -> None:
    roles = [one for one in documents() if one["kind"] in ("Role", "ClusterRole")]
    named = {name for role in roles for rule in role["rules"] for name in rule["resources"]}
    ours = (
        resources.JOBS,
        resources.PODS,
        resources.SERVICES,
        resources.EVENTS,
        resources.NODES,
        resources.LEASES,
        resources.SECRETS,
        resources.TOKEN_REVIEWS,
    )
    assert {one.plural for one in ours} <= named
