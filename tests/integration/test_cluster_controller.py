"""The controller program on a real API server: the lives of jobs without agents, whose pods a stand-in kubelet runs.

One control plane and one controller serve all tests; each has a namespace of its own.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest

from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import ApiError, Request
from orchestrator.backends.kubernetes.objects import Pod
from orchestrator.backends.kubernetes.transport import Transport
from tests.cluster.fixtures import Cluster
from tests.fixtures.controllers import QUICK_ELECTION, ControllerProcess
from tests.fixtures.stand_in_kubelet import StandInKubelet

pytestmark = pytest.mark.cluster
LIMIT_SECONDS = 40.0


@pytest.fixture(scope="module")
def controller(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControllerProcess]:
    made = ControllerProcess(
        cluster.kubeconfig, tmp_path_factory.mktemp("controller"), "--leader-elect=false"
    )
    yield made.wait_ready().wait_leading()
    assert made.stop() == 0


class World:
    """One namespace, its pods' kubelet, and one job."""

    def __init__(self, api: Transport, namespace: str, kubelet: StandInKubelet) -> None:
        self.api, self.namespace, self.kubelet = api, namespace, kubelet

    async def send(self, request: Request) -> JsonObject:
        found: JsonObject = msgspec.json.decode((await self.api.send(request)).body)
        return found

    async def create(self, name: str = "job", **spec: Any) -> None:
        program = {"containers": [{"name": "tensorflow", "image": "any", "command": ["train"]}]}
        document = {
            "apiVersion": "tf-orchestrator.io/v1alpha1",
            "kind": "TensorFlowJob",
            "metadata": {"name": name},
            "spec": {
                "template": {"spec": program},
                "recovery": {"agent": "Disabled"},
                "replicaSpecs": {"chief": {}, "worker": {"replicas": 2}},
                **spec,
            },
        }
        await self.send(resources.create(resources.JOBS, self.namespace, document))

    async def patch(self, spec: JsonObject, name: str = "job") -> None:
        await self.send(resources.patch(resources.JOBS, self.namespace, name, {"spec": spec}))

    async def job(self, name: str = "job") -> JsonObject | None:
        try:
            return await self.send(resources.get(resources.JOBS, self.namespace, name))
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    async def status(self, name: str = "job") -> JsonObject:
        found = await self.job(name)
        return (found or {}).get("status") or {}

    def pods(self) -> dict[str, Pod]:
        return {one.metadata.name: one for one in self.kubelet.pods.all()}

    async def until(self, condition: Callable[[], Any], what: str) -> None:
        """`condition`: of now, may be awaitable."""
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while True:
                    found = condition()
                    if await found if asyncio.iscoroutine(found) else found:
                        return
                    await asyncio.sleep(0.03)
        except TimeoutError:
            pytest.fail(
                f"waited in vain until {what}; {json.dumps(await self.status())}; {list(self.pods())}"
            )

    async def until_phase(self, phase: str, name: str = "job") -> JsonObject:
        async def is_so() -> bool:
            return bool((await self.status(name)).get("phase") == phase)

        await self.until(is_so, f"{name} is {phase}")
        return await self.status(name)

    async def until_running(self, *names: str, attempt: int = 1) -> None:
        def are_all() -> bool:
            found = self.pods()
            return all(
                name in found
                and found[name].status.phase == "Running"
                and found[name].metadata.deletion_timestamp is None
                and found[name].metadata.labels["tf-orchestrator.io/attempt"] == str(attempt)
                for name in names
            )

        await self.until(are_all, f"{names} run attempt {attempt}")

    async def end(self, name: str, code: int, *, reason: str = "", message: str = "") -> None:
        await self.kubelet.end(self.pods()[name], code, reason=reason, message=message)


@pytest.fixture
async def world(api: Transport, namespace: str, controller: ControllerProcess) -> AsyncIterator[World]:
    async with StandInKubelet(api, namespace) as kubelet:
        yield World(api, namespace, kubelet)


ALL = ("job-chief-0", "job-worker-0", "job-worker-1")


async def env_of(world: World, name: str) -> dict[str, str]:
    pod = await world.send(resources.get(resources.PODS, world.namespace, name))
    return {one["name"]: one.get("value", "") for one in pod["spec"]["containers"][0]["env"]}


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


async def test_a_job_that_only_we_can_judge_fails_with_every_error(world: World) -> None:
    await world.create(workload={"name": "cnn", "args": {"epochs": "many"}}, template=None, recovery={})
    status = await world.until_phase("Failed")
    assert status["reason"] == "InvalidSpec"
    assert "epochs" in status["message"]
    assert world.pods() == {}


async def test_deadlines_and_times_to_live_fire_by_themselves(world: World) -> None:
    await world.create(runPolicy={"activeDeadlineSeconds": 1, "ttlSecondsAfterFinished": 1})

    async def is_gone() -> bool:
        return await world.job() is None

    await world.until(is_gone, "the job is gone")
    await world.until(lambda: not world.pods(), "its pods are gone")


@pytest.mark.parametrize("propagation", ["Background", "Foreground"])
async def test_a_deleted_job_leaves_nothing_and_its_name_is_free(world: World, propagation: str) -> None:
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
