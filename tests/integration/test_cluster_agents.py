"""Agents and a real API server: whose tokens are believed, and jobs whose pods are restarted from inside.

The controller is the real program; every pod's agent is a real one, run by a stand-in for the kubelet.
"""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from docker.agent.build_zip import build
from orchestrator.api.types import JsonObject, Role
from orchestrator.backends.kubernetes import resources, tokens
from orchestrator.backends.kubernetes.objects import Pod
from orchestrator.backends.kubernetes.transport import Transport
from orchestrator.coordinator.authentication import Denial, Denied, PodAuthenticator, Registration, ReplicaId
from orchestrator.protocol.messages import Hello
from tests.cluster.fixtures import Cluster
from tests.fixtures.agent_kubelet import AgentKubelet, token_of
from tests.fixtures.controllers import ControllerProcess

pytestmark = pytest.mark.cluster
LIMIT_SECONDS = 60.0


# --- whose token it is


async def make_pod(api: Transport, namespace: str, name: str) -> Pod:
    body = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    answer = await api.send(resources.create(resources.PODS, namespace, body))
    return msgspec.json.decode(answer.body, type=Pod)


async def denial(api: Transport, known: dict[str, Registration], token: str, uid: str) -> Denial | None:
    hello = Hello(job_uid="job", role="worker", index=0, uid=uid)
    try:
        await PodAuthenticator(known, partial(tokens.review, api)).identify(hello, token)
    except Denied as denied:
        return denied.denial
    return None


async def test_only_the_token_of_the_very_pod_is_believed(
    api: Transport, namespace: str, cluster: Cluster
) -> None:
    """The refusals of unauthorised clients, with tokens that a real API server has issued."""
    mine, other = await make_pod(api, namespace, "mine"), await make_pod(api, namespace, "other")
    uid = mine.metadata.uid
    known = {
        "job": Registration(1, "", {uid: ReplicaId(Role.WORKER, 0, uid)}),
        "sibling": Registration(1, "", {other.metadata.uid: ReplicaId(Role.WORKER, 0, other.metadata.uid)}),
    }
    good = await token_of(api, mine)
    assert await denial(api, known, good, uid) is None
    assert await denial(api, known, "", uid) is Denial.WRONG_TOKEN
    assert await denial(api, known, good[:-3] + "abc", uid) is Denial.WRONG_TOKEN, "forged"
    wrong = await token_of(api, mine, "https://kubernetes.default.svc.cluster.local")
    assert await denial(api, known, wrong, uid) is Denial.WRONG_TOKEN, "for another audience"
    unbound = cluster.kubectl(
        "-n", namespace, "create", "token", "default", "--audience=tf-orchestrator/agent"
    )
    assert await denial(api, known, unbound.strip(), uid) is Denial.WRONG_TOKEN, "bound to no pod"
    sibling = await token_of(api, other)
    assert await denial(api, known, sibling, uid) is Denial.UNKNOWN_REPLICA, "of a sibling job"
    await api.send(resources.delete(resources.PODS, namespace, "mine", grace_seconds=0))
    async with asyncio.timeout(LIMIT_SECONDS):
        while await denial(api, known, good, uid) is None:  # the API server remembers a moment
            await asyncio.sleep(0.2)


# --- jobs with agents

PROGRAM = """\
import json, os, signal, sys, time
place = sys.argv[1]
me = f"{os.environ['TFO_ROLE']}-{os.environ['TFO_INDEX']}"
facts = {"attempt": os.environ["TFO_ATTEMPT"], "pid": os.getpid(), "config": os.environ.get("TF_CONFIG", "")}
with open(f"{place}/{me}.{os.environ['TFO_ATTEMPT']}.new", "w") as file:
    json.dump(facts, file)
os.rename(file.name, file.name[:-4])
def save(number, frame):
    open(f"{place}/{me}.saved", "w").close()
    os._exit(143)
signal.signal(signal.SIGTERM, save)
while not os.path.exists(f"{place}/finish"):
    time.sleep(0.02)
print("finished", flush=True)
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("agent") / "orchestrator.agent.zip"
    build(target)
    return target


class World:
    """A namespace with one job, its agents, and a controller that looks after nothing else."""

    def __init__(self, api: Transport, namespace: str, kubelet: AgentKubelet, folder: Path) -> None:
        self.api, self.namespace, self.kubelet, self.folder = api, namespace, kubelet, folder

    async def create(self) -> None:
        command = ["python3", "-c", PROGRAM, str(self.folder)]
        document = {
            "apiVersion": "tf-orchestrator.io/v1alpha1",
            "kind": "TensorFlowJob",
            "metadata": {"name": "job"},
            "spec": {
                "template": {
                    "spec": {"containers": [{"name": "tensorflow", "image": "any", "command": command}]}
                },
                "replicaSpecs": {"chief": {}, "worker": {"replicas": 2}},
            },
        }
        await self.api.send(resources.create(resources.JOBS, self.namespace, document))

    async def status(self) -> JsonObject:
        answer = await self.api.send(resources.get(resources.JOBS, self.namespace, "job"))
        found: JsonObject = msgspec.json.decode(answer.body).get("status") or {}
        return found

    def facts(self, attempt: int) -> dict[str, dict[str, Any]]:
        """What programs of this attempt have said of themselves."""
        return {
            path.name.rpartition(".")[0]: json.loads(path.read_text())
            for path in self.folder.glob(f"*.{attempt}")
        }

    def uids(self) -> set[str]:
        return {one.metadata.uid for one in self.kubelet.pods.all()}

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while not condition():
                    await asyncio.sleep(0.03)
        except TimeoutError:
            said = [self.kubelet.output(one) for one in self.kubelet.pods.all()]
            pytest.fail(f"waited in vain until {what}: {await self.status()}; {said}")

    async def until_running(self, attempt: int) -> dict[str, dict[str, Any]]:
        await self.until(lambda: len(self.facts(attempt)) == 3, f"all programs of attempt {attempt} run")
        return self.facts(attempt)

    async def until_phase(self, phase: str) -> JsonObject:
        async with asyncio.timeout(LIMIT_SECONDS):
            while (found := await self.status()).get("phase") != phase:
                await asyncio.sleep(0.05)
        return found


Start = Callable[[], ControllerProcess]


@pytest.fixture
def start(cluster: Cluster, namespace: str, tmp_path: Path) -> Iterator[Start]:
    """Controllers of this namespace, one after the other on the same port: agents have one address."""
    made: list[ControllerProcess] = []

    def begin() -> ControllerProcess:
        flags = [f"--namespaces={namespace}", "--leader-elect=false"]
        if made:
            port = made[0].coordinator
            flags += [f"--coordinator-bind=127.0.0.1:{port}", f"--coordinator=127.0.0.1:{port}"]
        made.append(ControllerProcess(cluster.kubeconfig, tmp_path / "log", *flags, namespace=namespace))
        return made[-1].wait_ready().wait_leading()

    yield begin
    for one in made:
        one.end()


@pytest.fixture
async def world(api: Transport, namespace: str, archive: Path, tmp_path: Path) -> AsyncIterator[World]:
    folder = tmp_path / "facts"
    folder.mkdir()
    async with AgentKubelet(api, namespace, tmp_path / "pods", archive) as kubelet:
        yield World(api, namespace, kubelet, folder)


async def test_a_killed_program_is_started_again_in_the_same_pod(world: World, start: Start) -> None:
    start()
    await world.create()
    first = await world.until_running(1)
    assert {one["config"].count(":2223") for one in first.values()} == {3}
    uids = world.uids()
    os.kill(first["worker-1"]["pid"], signal.SIGKILL)
    second = await world.until_running(2)
    assert world.uids() == uids, "no pod was replaced"
    assert all(first[name]["pid"] != second[name]["pid"] for name in first)
    assert {one["config"].count(":2224") for one in second.values()} == {3}
    (world.folder / "finish").touch()
    status = await world.until_phase("Succeeded")
    assert status["restarts"] == 1
    assert (status["attempts"][0]["cause"], status["attempts"][0]["member"]) == ("ProgramSignal", "worker-1")
    await world.until(
        lambda: all(one.status.phase == "Succeeded" for one in world.kubelet.pods.all()),
        "all pods have ended well",
    )


async def test_a_controller_that_comes_back_disturbs_nobody(world: World, start: Start) -> None:
    controller = start()
    await world.create()
    await world.until_running(1)
    await world.until_phase("Running")
    uids = world.uids()
    controller.kill()
    controller = start()
    await world.until(lambda: len(world.facts(1)) == 3, "programs are there")
    (world.folder / "finish").touch()
    status = await world.until_phase("Succeeded")
    assert (status["attempt"]["number"], status["restarts"]) == (1, 0)
    assert world.uids() == uids
    assert world.facts(2) == {}


async def test_what_ended_while_nobody_was_there_is_counted_once(world: World, start: Start) -> None:
    controller = start()
    await world.create()
    first = await world.until_running(1)
    await world.until_phase("Running")
    controller.kill()
    os.kill(first["worker-0"]["pid"], signal.SIGKILL)
    start()
    await world.until_running(2)
    status = await world.until_phase("Running")
    assert status["restarts"] == 1
    assert [(one["cause"], one["member"]) for one in status["attempts"]] == [("ProgramSignal", "worker-0")]


async def test_a_suspended_job_saves_first(world: World, start: Start) -> None:
    start()
    await world.create()
    await world.until_running(1)
    await world.until_phase("Running")
    change = {"spec": {"runPolicy": {"suspend": True}}}
    await world.api.send(resources.patch(resources.JOBS, world.namespace, "job", change))
    await world.until_phase("Suspended")
    assert len(list(world.folder.glob("*.saved"))) == 3
    await world.until(lambda: not world.uids(), "no pod is left")
