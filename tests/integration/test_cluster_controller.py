"""The controller program on a real API server: the lives of jobs without agents, whose pods a stand-in kubelet runs.

One control plane and one controller serve all tests; each has a namespace of its own.
"""

import asyncio
import json
import os
import signal
from collections.abc import Iterator

import msgspec
import pytest

from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import Request
from orchestrator.backends.kubernetes.transport import Transport
from tests.cluster.fixtures import Cluster
from tests.fixtures.bare_jobs import ALL, World, env_of
from tests.fixtures.controllers import QUICK_ELECTION, ControllerProcess
from tests.fixtures.stand_in_kubelet import StandInKubelet

pytestmark = pytest.mark.cluster


@pytest.fixture
def world(bare_world: World) -> World:
    return bare_world


async def test_a_job_lives_and_succeeds(world: World, cluster: Cluster) -> None:
    await world.create()
    await world.until_running(*ALL)
    status = await world.until_phase("Running")
    assert (status["ready"], status["attempt"]["number"], status["restarts"]) == ("3/3", 1, 0)
    config = json.loads((await env_of(world, "job-worker-1"))["TF_CONFIG"])
    host = f"job-tfo.{world.namespace}.svc:2223"
    assert config["cluster"]["worker"] == [f"job-worker-0.{host}", f"job-worker-1.{host}"]
    assert config["task"] == {"type": "worker", "index": 1}
    for name in ALL[1:]:
        await world.end(name, 0)
    await world.end(ALL[0], 0)
    status = await world.until_phase("Succeeded")
    assert [one["type"] for one in status["conditions"] if one["status"] == "True"] == [
        "Created",
        "Succeeded",
    ]
    cluster.kubectl("-n", world.namespace, "wait", "--for=condition=Succeeded", "tfo/job", "--timeout=10s")
    await world.until(lambda: not world.pods()[ALL[0]].metadata.finalizers, "nothing of ours holds the chief")


async def test_a_failure_is_one_restart_of_everybody_on_other_ports(world: World) -> None:
    await world.create()
    await world.until_running(*ALL)
    before = {name: pod.metadata.uid for name, pod in world.pods().items()}
    await world.end("job-worker-1", 137, message="last words")
    await world.until_running(*ALL, attempt=2)
    after = {name: pod.metadata.uid for name, pod in world.pods().items()}
    assert not set(before.values()) & set(after.values())
    assert ":2224" in (await env_of(world, ALL[0]))["TF_CONFIG"]
    status = await world.until_phase("Running")
    assert (status["restarts"], status.get("disruptions", 0)) == (1, 0)
    (ended,) = status["attempts"]
    assert (ended["cause"], ended["member"], ended["signal"]) == ("ProgramSignal", "worker-1", 9)
    assert ended["lastLines"] == ["last words"]


async def test_too_many_failures_are_the_end(world: World) -> None:
    await world.create(runPolicy={"backoffLimit": 0})
    await world.until_running(*ALL)
    await world.end("job-worker-0", 3)
    status = await world.until_phase("Failed")
    assert (status["reason"], status["failure"]["exitCode"]) == ("BackoffLimitExceeded", 3)
    await world.until(lambda: set(world.pods()) == {"job-worker-0"}, "running pods are cleaned up")


async def test_out_of_memory_is_told_apart(world: World) -> None:
    await world.create(runPolicy={"backoffLimit": 0})
    await world.until_running(*ALL)
    await world.end("job-worker-0", 137, reason="OOMKilled")
    assert (await world.until_phase("Failed"))["failure"]["cause"] == "OutOfMemory"


async def test_a_suspended_job_has_no_pods_and_goes_on_when_resumed(world: World) -> None:
    await world.create()
    await world.until_running(*ALL)
    await world.patch({"runPolicy": {"suspend": True}})
    await world.until_phase("Suspended")
    await world.until(lambda: not world.pods(), "there are no pods")
    await world.patch({"runPolicy": {"suspend": False}})
    await world.until_running(*ALL, attempt=2)
    assert (await world.until_phase("Running"))["restarts"] == 0


async def test_more_workers_are_a_new_attempt_and_no_restart(world: World, cluster: Cluster) -> None:
    await world.create()
    await world.until_running(*ALL)
    cluster.kubectl("-n", world.namespace, "scale", "tfo", "job", "--replicas=3")
    await world.until_running(*ALL, "job-worker-2", attempt=2)
    status = await world.until_phase("Running")
    assert (status["restarts"], status["resizes"]) == (0, 1)


async def test_an_eviction_is_a_disruption_and_no_restart(world: World) -> None:
    await world.create(runPolicy={"backoffLimit": 0})
    await world.until_running(*ALL)
    name = "job-worker-1"
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    path = resources.PODS.path(world.namespace, name, "eviction")
    await world.api.send(Request(method="POST", path=path, body=msgspec.json.encode(body)))
    await world.until_running(*ALL, attempt=2)
    status = await world.until_phase("Running")
    assert (status["restarts"], status["disruptions"]) == (0, 1)
    assert status["attempts"][0]["cause"] == "Evicted"


async def test_a_pod_that_the_server_refuses_fails_the_job_in_its_words(world: World) -> None:
    wrong = {
        "containers": [{"name": "tensorflow", "image": "any", "command": ["x"], "imagePullPolcy": "Never"}]
    }
    await world.create(template={"spec": wrong})
    status = await world.until_phase("Failed")
    assert status["reason"] == "ReplicaInvalid"
    assert "imagePullPolcy" in status["message"]


async def test_a_quota_is_told_and_waited_for(world: World) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": {"pods": "1"}},
    }
    quotas = resources.Resource("", "v1", "resourcequotas")
    await world.send(resources.create(quotas, world.namespace, quota))

    async def is_counted() -> bool:
        found = await world.send(resources.get(quotas, world.namespace, "q"))
        return "pods" in found.get("status", {}).get("hard", {})

    await world.until(is_counted, "the quota holds")
    await world.create()

    async def is_told() -> bool:
        conditions = (await world.status()).get("conditions") or ()
        return any(
            one["reason"] == "CreateRefused" and "exceeded quota" in one["message"] for one in conditions
        )

    await world.until(is_told, "the refusal is told")
    await world.api.send(resources.delete(quotas, world.namespace, "q"))
    await world.until_running(*ALL)
    await world.until_phase("Running")


async def test_what_belongs_to_somebody_else_is_left_alone(world: World) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "job-worker-1"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    await world.send(resources.create(resources.PODS, world.namespace, theirs))
    await world.create()

    async def is_told() -> bool:
        conditions = (await world.status()).get("conditions") or ()
        return any(one["reason"] == "NameConflict" for one in conditions)

    await world.until(is_told, "the conflict is told")
    found = await world.send(resources.get(resources.PODS, world.namespace, "job-worker-1"))
    assert "ownerReferences" not in found["metadata"]
    await world.api.send(resources.delete(resources.PODS, world.namespace, "job-worker-1", grace_seconds=0))
    await world.until_running(*ALL)


async def test_a_job_that_only_we_can_judge_fails_with_every_error(world: World, cluster: Cluster) -> None:
    await world.create(workload={"name": "cnn", "args": {"epochs": "many"}}, template=None, recovery={})
    status = await world.until_phase("Failed")
    assert status["reason"] == "InvalidSpec"
    assert "epochs" in status["message"]
    assert world.pods() == {}

    def is_told() -> bool:
        """By an event, and not by the condition alone."""
        return "InvalidSpec" in cluster.kubectl("-n", world.namespace, "get", "events")

    await world.until(is_told, "the event is there")


async def test_deadlines_and_times_to_live_fire_by_themselves(world: World) -> None:
    await world.create(runPolicy={"activeDeadlineSeconds": 1, "ttlSecondsAfterFinished": 1})

    async def is_gone() -> bool:
        return await world.job() is None

    await world.until(is_gone, "the job is gone")
    await world.until(lambda: not world.pods(), "its pods are gone")


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_a_deleted_job_leaves_nothing_and_its_name_is_free(world: World, propagation: str) -> None:
    world.limit = 120.0  # the garbage collector of a new cluster learns of our resource within half a minute
    await world.create()
    await world.until_running(*ALL)
    first = {pod.metadata.uid for pod in world.pods().values()}
    request = resources.delete(resources.JOBS, world.namespace, "job")
    options = msgspec.json.decode(request.body) | {"propagationPolicy": propagation}
    await world.api.send(msgspec.structs.replace(request, body=msgspec.json.encode(options)))

    async def is_gone() -> bool:
        return await world.job() is None

    await world.until(is_gone, "the job is gone")
    await world.create()
    await world.until(
        lambda: len(world.pods()) == 3 and not first & {pod.metadata.uid for pod in world.pods().values()},
        "the second job has pods of its own",
    )
    await world.until_running(*ALL)


async def test_the_story_of_a_job_is_in_its_events(world: World, cluster: Cluster) -> None:
    await world.create()
    await world.until_running(*ALL)
    await world.until_phase("Running")

    def are_told() -> bool:
        text = cluster.kubectl("-n", world.namespace, "describe", "tfo", "job")
        return all(word in text for word in ("JobCreated", "AttemptStarting", "JobRunning"))

    await world.until(are_told, "the events are there")


# --- more than one controller


@pytest.fixture
def pair(
    cluster: Cluster, namespace: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[ControllerProcess, ControllerProcess]]:
    """A leader and a standby that look after this namespace alone."""
    folder = tmp_path_factory.mktemp("pair")
    flags = (f"--namespaces={namespace}", *QUICK_ELECTION)
    made = []
    try:
        made.append(ControllerProcess(cluster.kubeconfig, folder, *flags, namespace=namespace).wait_leading())
        made.append(ControllerProcess(cluster.kubeconfig, folder, *flags, namespace=namespace).wait_ready())
        yield made[0], made[1]
    finally:
        for one in made:
            one.end()


Pair = tuple[ControllerProcess, ControllerProcess]


async def test_a_killed_leader_is_followed_and_nothing_is_made_twice(
    api: Transport, namespace: str, pair: Pair
) -> None:
    first, second = pair
    async with StandInKubelet(api, namespace) as kubelet:
        world = World(api, namespace, kubelet)
        await world.create()
        await world.until_running(*ALL)
        uids = {pod.metadata.uid for pod in world.pods().values()}
        first.kill()
        await asyncio.to_thread(second.wait_leading)
        await world.end(ALL[0], 0)
        status = await world.until_phase("Succeeded")
        assert status["attempt"]["number"] == 1
        assert {pod.metadata.uid for pod in world.pods().values()} <= uids


async def test_a_leader_that_ends_well_lets_the_next_one_lead_at_once(pair: Pair) -> None:
    first, second = pair
    assert await asyncio.to_thread(first.stop) == 0
    await asyncio.to_thread(second.wait_leading)


async def test_a_leader_that_slept_too_long_changes_nothing_and_ends(
    api: Transport, namespace: str, pair: Pair
) -> None:
    first, second = pair
    async with StandInKubelet(api, namespace) as kubelet:
        world = World(api, namespace, kubelet)
        await world.create()
        await world.until_running(*ALL)
        os.kill(first.process.pid, signal.SIGSTOP)
        await asyncio.to_thread(second.wait_leading)
        await world.patch({"runPolicy": {"suspend": True}})
        await world.until_phase("Suspended")
        os.kill(first.process.pid, signal.SIGCONT)
        assert await asyncio.to_thread(first.process.wait, 30) == 1
        assert (await world.status())["phase"] == "Suspended"
        assert first.said("not leading any more")


async def test_what_is_orphaned_by_a_deletion_is_let_go_and_never_taken_over(world: World) -> None:
    await world.create()
    await world.until_running(*ALL)
    first = {pod.metadata.uid for pod in world.pods().values()}
    request = resources.delete(resources.JOBS, world.namespace, "job")
    options = msgspec.json.decode(request.body) | {"propagationPolicy": "Orphan"}
    await world.api.send(msgspec.structs.replace(request, body=msgspec.json.encode(options)))

    def are_free() -> bool:
        return all(
            not pod.metadata.finalizers and not pod.metadata.owner_references for pod in world.pods().values()
        )

    async def is_gone() -> bool:
        return await world.job() is None

    await world.until(is_gone, "the job is gone")
    await world.until(are_free, "its pods belong to nobody, and nothing holds them")
    assert {pod.metadata.uid for pod in world.pods().values()} == first, "they run on, as was asked for"
    await world.create()

    async def is_told() -> bool:
        conditions = (await world.status()).get("conditions") or ()
        return any(one["reason"] == "NameConflict" for one in conditions)

    await world.until(is_told, "their names are taken")
    for name in ALL:
        await world.api.send(resources.delete(resources.PODS, world.namespace, name, grace_seconds=0))
    await world.api.send(resources.delete(resources.SERVICES, world.namespace, "job-tfo"))
    await world.until_running(*ALL)
    assert not first & {pod.metadata.uid for pod in world.pods().values()}
