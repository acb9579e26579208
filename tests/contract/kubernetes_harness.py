"""The Kubernetes backend for the contract suite: a real API server, pods that a stand-in kubelet gives a life."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime

import msgspec

from orchestrator.api.status import JobStatus
from orchestrator.api.types import JobSpec
from orchestrator.backends.base import Backend, Behind, Rejected, View
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.backend import KubernetesBackend
from orchestrator.backends.kubernetes.jobs import decode_status
from orchestrator.backends.kubernetes.objects import Pod, StoredJob
from orchestrator.backends.kubernetes.settings import Settings
from orchestrator.backends.kubernetes.transport import Transport, open_api
from orchestrator.core import names
from orchestrator.core.actions import Action
from orchestrator.core.observed import Replica
from tests.cluster.fixtures import Cluster
from tests.contract.harness import CONTRACT_JOB
from tests.fixtures.stand_in_kubelet import StandInKubelet

LIMIT_SECONDS = 30.0
SETTINGS = Settings(agent_image="agent", trainer_image="trainer", coordinator="nowhere:1")


class Patient:
    """A backend whose view is waited for, as the controller waits for it."""

    def __init__(self, backend: KubernetesBackend) -> None:
        self._backend = backend

    async def observe(self, key: str) -> View | Rejected | None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                with suppress(Behind):
                    return await self._backend.observe(key)
                await asyncio.sleep(0.005)

    async def write_status(self, key: str, status: JobStatus, version: str) -> str:
        return await self._backend.write_status(key, status, version)

    async def perform(self, key: str, actions: Sequence[Action]) -> None:
        await self._backend.perform(key, actions)
        await self._backend.release(key)

    async def release(self, key: str) -> None:
        await self._backend.release(key)


class KubernetesHarness:
    def __init__(self, api: Transport, namespace: str) -> None:
        self.key = f"{namespace}/{CONTRACT_JOB.metadata.name}"
        self._api, self._namespace = api, namespace
        self._inner = KubernetesBackend(api, SETTINGS, _now, namespaces=(namespace,))
        self.backend: Backend = Patient(self._inner)
        self._kubelet = StandInKubelet(api, namespace)
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        await self._stack.enter_async_context(self._api)
        await self._stack.enter_async_context(self._kubelet)
        running = asyncio.create_task(self._inner.run())
        self._stack.push_async_callback(_end, running)
        await self._inner.wait_synced()
        await self._api.send(
            resources.create(resources.JOBS, self._namespace, job_document(CONTRACT_JOB.spec))
        )
        await self._until(
            lambda: self._inner.jobs.get(self._namespace, CONTRACT_JOB.metadata.name) is not None
        )

    async def settle(self) -> None:
        """The backend has seen what it did, and every pod is placed and runs, or is gone."""
        await self.backend.observe(self.key)
        async with asyncio.timeout(LIMIT_SECONDS):
            while not self._is_settled() or self._kubelet.is_busy:
                await self.backend.observe(self.key)
                await self.backend.release(self.key)
                await asyncio.sleep(0.005)
        await self.backend.observe(self.key)

    def _is_settled(self) -> bool:
        pods = self._inner.pods.all()
        is_done = all(
            one.metadata.deletion_timestamp is None and one.status.phase != "Pending" for one in pods
        )
        return is_done and len(pods) == len(self._kubelet.pods)

    async def kill(self, replica: Replica) -> None:
        await self.finish(replica, 128 + 9)

    async def finish(self, replica: Replica, exit_code: int) -> None:
        await self._kubelet.end(self._pod(replica), exit_code)
        await self._until(lambda: self._pod(replica).status.phase in ("Succeeded", "Failed"))

    def _pod(self, replica: Replica) -> Pod:
        name = names.replica(CONTRACT_JOB.metadata.name, replica.role, replica.index)
        found = self._inner.pods.get(self._namespace, name)
        assert found is not None
        return found

    async def stored(self) -> JobStatus:
        request = resources.get(resources.JOBS, self._namespace, CONTRACT_JOB.metadata.name)
        return decode_status(msgspec.json.decode((await self._api.send(request)).body, type=StoredJob))

    async def close(self) -> None:
        await self._stack.aclose()

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIMIT_SECONDS):
            while not condition():
                await asyncio.sleep(0.005)


def job_document(spec: JobSpec, name: str = CONTRACT_JOB.metadata.name) -> dict[str, object]:
    return {
        "apiVersion": "tf-orchestrator.io/v1alpha1",
        "kind": "TensorFlowJob",
        "metadata": {"name": name},
        "spec": msgspec.to_builtins(spec),
    }


async def _end(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _now() -> datetime:
    return datetime.now(UTC)


async def open_kubernetes(cluster: Cluster, namespace: str) -> KubernetesHarness:
    harness = KubernetesHarness(await open_api(kubeconfig=str(cluster.kubeconfig)), namespace)
    await harness.open()
    return harness
