"""One long job in real pods, and what happens to it: programs, pods, controllers and nodes end under it.

The tests share the job and leave it training, each with one attempt more or none; the last one removes it.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.api.types import JsonObject
from tests.cluster.fixtures import HOME, Cluster, wait_for
from tests.cluster.nodes import Node
from tests.cluster.real_cluster import RealCluster
from tests.fixtures.jobs_in_pods import CLAIM, Job, World, kill_container
from tests.fixtures.prometheus import Prometheus, scraping

pytestmark = pytest.mark.e2e
LEASE = "tf-orchestrator-controller"
NODE_SECONDS = 150.0
"""Until a lost node's pods are given up (10 s of grace, 30 s of toleration) and the job trains elsewhere."""


@pytest.fixture(scope="module")
def training(world: World) -> Iterator[Job]:
    job = world.create(
        "long",
        {
            "workload": {"name": "cnn", "args": {"epochs": 100_000}},
            "replicaSpecs": {"chief": {}, "worker": {"replicas": 2}},
            "checkpoint": {"volumeClaim": CLAIM, "everySteps": 20},
            "runPolicy": {"backoffLimit": 3},
        },
    )
    yield job.until_trains()
    job.delete()


@pytest.fixture
def job(training: Job) -> Job:
    return training.until_trains(training.attempt)


def last_ended(job: Job) -> JsonObject:
    found: JsonObject = job.status()["attempts"][-1]
    return found


def leader(cluster: Cluster) -> str:
    """Who holds the lease, POD_ID; none while it is free."""
    path = "jsonpath={.spec.holderIdentity}"
    return cluster.kubectl("-n", HOME, "get", "lease", LEASE, "-o", path)


def pod_of(holder: str) -> str:
    return holder.rpartition("_")[0]


def until_led_by_another(cluster: Cluster, before: str) -> None:
    wait_for(lambda: leader(cluster) not in ("", before), "another controller leads", 40)


def until_two_are_ready(cluster: Cluster) -> None:
    cluster.kubectl("-n", HOME, "rollout", "status", "deployment/tfo-controller", "--timeout=90s")


def test_killed_program_is_started_again_in_the_same_pods(job: Job) -> None:
    before, attempt, restarts = job.uids(), job.attempt, job.status().get("restarts", 0)
    job.kill_program("long-worker-1")
    job.until_trains(attempt + 1)
    ended = last_ended(job)
    assert (ended["cause"], ended["member"], ended["signal"]) == ("ProgramSignal", "worker-1", 9)
    assert ended.get("stepsLost", 0) <= 20 + 1, "what was done since the last save"
    assert job.status().get("restarts", 0) == restarts + 1
    assert job.status()["attempt"]["restoreStep"] > 0
    assert job.uids() == before, "no pod was made anew"
    counts = [
        one["restartCount"] for pod in job.pods().values() for one in pod["status"]["containerStatuses"]
    ]
    assert counts == [0, 0, 0], "nor a container"


def test_deleted_pod_is_replaced_alone_and_is_a_disruption(job: Job) -> None:
    before, attempt, status = job.uids(), job.attempt, job.status()
    job.world.kubectl("delete", "pod", "long-worker-0", "--wait=false")
    job.until_trains(attempt + 1)
    after = job.uids()
    assert {name for name in before if before[name] != after[name]} == {"long-worker-0"}
    assert job.status().get("restarts", 0) == status.get("restarts", 0)
    assert job.status().get("disruptions", 0) == status.get("disruptions", 0) + 1


@pytest.mark.parametrize("end", ["killed", "told"])
def test_controller_that_ends_disturbs_nothing_and_its_successor_makes_nothing_twice(
    job: Job, installed: Cluster, end: str
) -> None:
    """`killed`: its lease has to run out. `told`: it hands over."""
    before, attempt = job.uids(), job.attempt
    first = leader(installed)
    if end == "killed":
        kill_container(str(installed.pod(HOME, pod_of(first))["metadata"]["uid"]))
    else:
        installed.kubectl("-n", HOME, "delete", "pod", pod_of(first), "--wait=false")
    until_led_by_another(installed, first)
    reached = job.step
    job.until(lambda: job.step > reached, "the successor reports progress")
    assert (job.uids(), job.attempt) == (before, attempt)
    until_two_are_ready(installed)


def scrapes(cluster: Cluster) -> JsonObject:
    """What Prometheus' own discovery would find of the controllers; Debian builds it without that of Kubernetes."""
    pods = json.loads(cluster.kubectl("-n", HOME, "get", "pods", "-o", "json"))["items"]
    targets = [
        {"targets": [f"{pod['status']['podIP']}:8080"], "labels": {"pod": pod["metadata"]["name"]}}
        for pod in pods
    ]
    job = {"job_name": "controllers", "static_configs": targets}
    return {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}


def test_a_real_prometheus_scrapes_the_controllers_and_sees_the_job(
    job: Job, installed: Cluster, prometheus: Prometheus, tmp_path: Path
) -> None:
    config = tmp_path / "prometheus.yml"
    config.write_text(json.dumps(scrapes(installed)))
    of_job = f'{{namespace="{job.world.namespace}",job_name="long"}}'
    with scraping(prometheus, config, tmp_path) as server:
        (loss,) = server.wait_for(f"tfo_job_loss{of_job} > 0")
        assert loss["pod"] == pod_of(leader(installed)), "only the leader knows it"
        (step,) = server.query(f"tfo_job_step{of_job}")
        server.wait_for(f"tfo_job_step{of_job} > {step['value']}")
        server.wait_for(f"tfo_job_examples_per_second{of_job} > 0")
        assert len(server.wait_for(f"tfo_replica_step{of_job} > 0")) == 3
        (restarts,) = server.query(f"sum(tfo_job_restarts_total{of_job})")
        assert int(restarts["value"]) == job.status().get("restarts", 0)
        assert len(server.wait_for("sum(leader_election_master_status) == 1")) == 1


@pytest.fixture
def victim(job: Job, machine: RealCluster | None) -> Node:
    """A node with pods of the job on it."""
    if machine is None:
        pytest.skip("the nodes of this cluster are not ours to lose")
    places = set(job.places().values())
    return next(node for node in machine.nodes if node.name in places)


def test_drained_node_is_a_disruption_and_the_job_goes_on_elsewhere(
    job: Job, installed: Cluster, victim: Node
) -> None:
    attempt, status = job.attempt, job.status()
    moved = {name for name, place in job.places().items() if place == victim.name}
    options = ("--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=90s")
    installed.kubectl("drain", victim.name, *options)
    try:
        job.until_trains(attempt + 1)
        assert moved <= set(job.places())
        assert victim.name not in job.places().values()
        assert job.status().get("restarts", 0) == status.get("restarts", 0)
        assert job.status().get("disruptions", 0) > status.get("disruptions", 0)
    finally:
        installed.kubectl("uncordon", victim.name)
    until_two_are_ready(installed)


def test_lost_node_is_one_disruption_and_the_job_goes_on_elsewhere(
    job: Job, installed: Cluster, machine: RealCluster | None, victim: Node
) -> None:
    assert machine is not None
    attempt, status = job.attempt, job.status()
    victim.lose()
    try:
        job.until_trains(attempt + 1, NODE_SECONDS)
        assert victim.name not in job.places().values()
        now = job.status()
        assert now.get("restarts", 0) == status.get("restarts", 0)
        assert now.get("disruptions", 0) == status.get("disruptions", 0) + 1
        assert last_ended(job)["cause"] in ("NodeLost", "AgentLost")
        assert job.attempt == attempt + 1
    finally:
        machine.restart(victim)
    until_two_are_ready(installed)
