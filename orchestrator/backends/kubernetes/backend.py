"""Jobs as the API server keeps them, replicas as pods: implements `backends.base.Backend` over caches and one `Api`.

Made by `controller.program`. It reads from caches that reflectors keep in step, and shows nothing that is older than
its own last write. It performs and reports, and decides nothing.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import msgspec

from orchestrator.api.status import JobStatus
from orchestrator.api.types import API_VERSION, KIND, Role, TensorFlowJob
from orchestrator.backends.base import Behind, Conflict, Rejected
from orchestrator.backends.kubernetes import lost_nodes, resources
from orchestrator.backends.kubernetes.api import Api, ApiError
from orchestrator.backends.kubernetes.cache import Cache
from orchestrator.backends.kubernetes.deeds import Deeds
from orchestrator.backends.kubernetes.jobs import Invalid, encode_status
from orchestrator.backends.kubernetes.memory import FOREIGN_SECONDS, Memory
from orchestrator.backends.kubernetes.objects import Pod, Service, StoredJob
from orchestrator.backends.kubernetes.reflector import Reflector
from orchestrator.backends.kubernetes.replicas import replica_of, seat_of
from orchestrator.backends.kubernetes.settings import Settings
from orchestrator.core import names
from orchestrator.core.actions import Action, DeleteJob
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Replica, ReplicaPhase

AnyCache = Cache[StoredJob] | Cache[Pod] | Cache[Service]
AnyReflector = Reflector[StoredJob] | Reflector[Pod] | Reflector[Service]
OUR_MANAGER = "tf-orchestrator.io/controller"


class Door(Protocol):
    """Whom the coordinator lets in."""

    def expect(self, job_uid: str, replicas: tuple[Replica, ...]) -> None:
        """These replicas of the job, and no others."""
        ...

    def forget(self, job_uid: str) -> None: ...


@dataclass(frozen=True)
class KubernetesView:
    job: TensorFlowJob
    status: JobStatus
    version: str
    replicas: tuple[Replica, ...]
    services: tuple[str, ...]
    foreign: tuple[str, ...]
    refused: str
    ports: dict[str, int] = field(default_factory=dict)
    """Every pod has an address of its own, so none is reserved."""


class KubernetesBackend:
    """`on_change` is told the key of a job of which something has changed. `namespaces`: empty for all."""

    def __init__(
        self,
        api: Api,
        settings: Settings,
        clock: Callable[[], datetime],
        *,
        namespaces: tuple[str, ...] = (),
    ) -> None:
        self._api = api
        self._clock = clock
        self.settings = settings
        self.jobs: Cache[StoredJob] = Cache(_key_of_job)
        self.pods: Cache[Pod] = Cache(_key_of_part)
        self.services: Cache[Service] = Cache(_key_of_part)
        self.door: Door | None = None
        self.on_change: Callable[[str], None] = lambda key: None
        self._memories: dict[str, Memory] = {}
        self._keys: dict[str, str] = {}
        self._seen: dict[str, tuple[Pod, ...]] = {}
        self._nodes = lost_nodes.LostNodes(api, clock)
        self.reflectors = self._reflect(namespaces)
        for cache in (self.jobs, self.pods, self.services):
            cache.on_change = self._changed

    def _reflect(self, namespaces: tuple[str, ...]) -> tuple[AnyReflector, ...]:
        made: list[AnyReflector] = []
        for namespace in namespaces or (None,):
            made += [
                Reflector(self._api, resources.JOBS, StoredJob, self.jobs, namespace=namespace),
                Reflector(
                    self._api,
                    resources.PODS,
                    Pod,
                    self.pods,
                    namespace=namespace,
                    label_selector=names.LABEL_JOB,
                ),
                Reflector(
                    self._api,
                    resources.SERVICES,
                    Service,
                    self.services,
                    namespace=namespace,
                    label_selector=names.LABEL_JOB,
                ),
            ]
        return tuple(made)

    @property
    def caches(self) -> dict[str, AnyCache]:
        """By the name of the resource."""
        return {
            resources.JOBS.plural: self.jobs,
            resources.PODS.plural: self.pods,
            resources.SERVICES.plural: self.services,
        }

    async def run(self) -> None:
        """Keeps the caches in step, for ever."""
        async with asyncio.TaskGroup() as group:
            for one in self.reflectors:
                group.create_task(one.run())

    async def wait_synced(self) -> None:
        """Until every cache has been filled once."""
        for one in self.reflectors:
            await one.synced.wait()

    def known_jobs(self) -> tuple[str, ...]:
        return self.jobs.keys()

    def key_of(self, job_uid: str) -> str | None:
        return self._keys.get(job_uid)

    def uid_at(self, key: str, seat: Seat) -> str:
        """UID of the pod in this seat; empty when there is none."""
        pods = self._seen.get(key, ())
        return next((one.metadata.uid for one in pods if seat_of(one) == seat), "")

    def status_of(self, key: str) -> JobStatus:
        """As last seen or written."""
        memory = self._memories.get(key)
        return memory.status if memory is not None else JobStatus()

    def _changed(self, key: str) -> None:
        self.on_change(key)

    # --- observe

    async def observe(self, key: str) -> KubernetesView | Rejected | None:
        namespace, name = split(key)
        stored = self.jobs.get(namespace, name)
        if stored is None:
            await self._forget(key)
            return None
        memory = self._memory(key, stored)
        if self._is_behind(key, memory) or self._is_outdated(key, memory, stored):
            raise Behind(key)
        job = memory.job_of(stored)
        if isinstance(job, TensorFlowJob) and job.spec.run_policy.managed_by not in (None, OUR_MANAGER):
            return None
        now = self._clock()
        pods = tuple(one for one in self.pods.of(key) if owner_uid(one) == memory.uid)
        self._seen[key] = pods
        memory.keep_only(pods)
        memory.status = memory.status_of(stored)
        replicas = await self._replicas(memory, pods, now)
        if self.door is not None:
            self.door.expect(memory.uid, replicas)
        version = stored.metadata.resource_version
        if isinstance(job, Invalid):
            generation = stored.metadata.generation or 0
            return Rejected(memory.status, version, replicas, job.message, generation)
        return KubernetesView(
            job=job,
            status=memory.status,
            version=version,
            replicas=_ordered((*replicas, *_refused(memory, replicas))),
            services=tuple(
                one.metadata.name for one in self.services.of(key) if owner_uid(one) == memory.uid
            ),
            foreign=await self._foreign(key, memory, now),
            refused=memory.refusal.words if memory.refusal else "",
        )

    def _memory(self, key: str, stored: StoredJob) -> Memory:
        """A job recreated under the same name is another job."""
        known = self._memories.get(key)
        if known is None or known.uid != stored.metadata.uid:
            if known is not None:
                self._drop(key, known)
            known = self._memories[key] = Memory(stored.metadata.uid)
            self._keys[known.uid] = key
        return known

    def _drop(self, key: str, memory: Memory) -> None:
        self._memories.pop(key, None)
        self._keys.pop(memory.uid, None)
        if self.door is not None:
            self.door.forget(memory.uid)

    async def _forget(self, key: str) -> None:
        """The job is gone; its pods go by themselves, once nothing of ours holds them."""
        self._seen.pop(key, None)
        memory = self._memories.get(key)
        if memory is not None:
            self._drop(key, memory)
        await asyncio.gather(*(self._let_go(one) for one in self.pods.of(key) if _is_held(one)))

    def _is_behind(self, key: str, memory: Memory) -> bool:
        """Whether a cache has not seen what we wrote last."""
        namespace = split(key)[0]
        memory.awaited_pods = {one for one in memory.awaited_pods if not self.pods.has_seen(one, namespace)}
        memory.awaited_services = {
            one for one in memory.awaited_services if not self.services.has_seen(one, namespace)
        }
        if memory.awaited_job and self.jobs.has_seen(memory.awaited_job, namespace):
            memory.awaited_job = ""
        living = {one.metadata.uid for one in self.pods.of(key) if one.metadata.deletion_timestamp is None}
        is_awaited = memory.awaited_job or memory.awaited_pods or memory.awaited_services
        return bool(is_awaited or living & memory.deleted)

    def _is_outdated(self, key: str, memory: Memory, stored: StoredJob) -> bool:
        shown = (stored.metadata, *(one.metadata for one in self.pods.of(key)))
        return memory.is_outdated(shown, self._clock())

    async def _replicas(self, memory: Memory, pods: tuple[Pod, ...], now: datetime) -> tuple[Replica, ...]:
        found: list[Replica] = []
        for pod in pods:
            seat = seat_of(pod)
            if seat is None:
                continue
            replica = replica_of(
                pod,
                seat,
                is_ours_to_delete=memory.is_ours_to_delete(pod),
                is_orphaned=await self._nodes.is_orphaned(pod),
            )
            since = memory.since(pod.metadata.uid, replica.phase, now)
            found.append(msgspec.structs.replace(replica, since=since))
        return _ordered(found)

    async def _foreign(self, key: str, memory: Memory, now: datetime) -> tuple[str, ...]:
        """Names that were found taken, looked at again from time to time."""
        for name, looked in list(memory.foreign.items()):
            if (now - looked).total_seconds() < FOREIGN_SECONDS:
                continue
            memory.foreign[name] = now
            if not await self._is_taken(split(key)[0], name, memory.uid):
                del memory.foreign[name]
        return tuple(sorted(memory.foreign))

    async def _is_taken(self, namespace: str, name: str, uid: str) -> bool:
        resource = resources.SERVICES if name.endswith(names.service("")) else resources.PODS
        try:
            answer = await self._api.send(resources.get(resource, namespace, name))
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return owner_uid(msgspec.json.decode(answer.body, type=Service)) != uid

    # --- write

    async def write_status(self, key: str, status: JobStatus, version: str) -> str:
        namespace, name = split(key)
        stored = self.jobs.get(namespace, name)
        if stored is None or not version.isdecimal():
            raise Conflict(f"{key}: version {version} is not the newest")
        memory = self._memory(key, stored)
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": name, "namespace": namespace, "resourceVersion": version, "uid": memory.uid},
            "status": encode_status(status),
        }
        request = resources.replace(resources.JOBS, namespace, name, body, subresource="status")
        try:
            answer = await self._api.send(request)
        except ApiError as error:
            if error.status in (404, 409):
                memory.outdate(memory.uid, version, self._clock())
                raise Conflict(f"{key}: {error.message}") from None
            raise
        written = msgspec.json.decode(answer.body, type=Service).metadata.resource_version
        memory.status, memory.awaited_job = status, written
        return written

    async def perform(self, key: str, actions: Sequence[Action]) -> None:
        stored = self.jobs.get(*split(key))
        if stored is None:
            return
        memory = self._memory(key, stored)
        deeds = Deeds(self._api, self.settings, memory, memory.job_of(stored), split(key), self._clock)
        await deeds.perform(actions, {one.metadata.uid: one for one in self._seen.get(key, ())})
        if any(isinstance(one, DeleteJob) for one in actions):
            memory.outdate(memory.uid, stored.metadata.resource_version, self._clock())

    async def release(self, key: str) -> None:
        memory, stored = self._memories.get(key), self.jobs.get(*split(key))
        if memory is None or stored is None:
            return
        is_over = memory.status.phase.is_final or stored.metadata.deletion_timestamp is not None
        held = (one for one in self._seen.get(key, ()) if _is_held(one))
        going = [one for one in held if is_over or _has_ended(one)]
        memory.awaited_pods.update(filter(None, await asyncio.gather(*map(self._let_go, going))))

    async def sweep(self) -> None:
        """At the start: pods that are held for a job which is gone."""
        held = (one for one in self.pods.all() if _is_held(one))
        lost = [one for one in held if self.jobs.get(*split(_key_of_part(one) or "/")) is None]
        await asyncio.gather(*(self._let_go(one) for one in lost))

    async def _let_go(self, pod: Pod) -> str:
        """Takes our finalizer off; the version of what is left. Whoever is gone, or another by now, needs nothing."""
        found = pod.metadata
        others = [one for one in found.finalizers if one != names.FINALIZER]
        kept = {"uid": found.uid, "resourceVersion": found.resource_version, "finalizers": others or None}
        request = resources.patch(resources.PODS, found.namespace, found.name, {"metadata": kept})
        try:
            answer = await self._api.send(request)
        except ApiError as error:
            if error.status not in (404, 409, 422):
                raise
            return ""
        written = msgspec.json.decode(answer.body, type=Service).metadata
        return "" if found.deletion_timestamp is not None else written.resource_version


_RANKS = {role: rank for rank, role in enumerate(Role)}


def split(key: str) -> tuple[str, str]:
    namespace, _, name = key.partition("/")
    return namespace, name


def owner_uid(one: Pod | Service) -> str:
    """UID of the job that controls this object."""
    return next((each.uid for each in one.metadata.owner_references if each.controller), "")


def _key_of_job(job: StoredJob) -> str | None:
    return f"{job.metadata.namespace}/{job.metadata.name}"


def _key_of_part(one: Pod | Service) -> str | None:
    name = one.metadata.labels.get(names.LABEL_JOB)
    return f"{one.metadata.namespace}/{name}" if name else None


def _ordered(found: Sequence[Replica]) -> tuple[Replica, ...]:
    return tuple(sorted(found, key=lambda one: (_RANKS[one.role], one.index)))


def _refused(memory: Memory, replicas: tuple[Replica, ...]) -> tuple[Replica, ...]:
    """Seats whose pods the server will never take."""
    taken = {(one.role, one.index) for one in replicas}
    return tuple(
        Replica(
            role=seat[0],
            index=seat[1],
            uid=f"refused-{names.member(*seat)}",
            attempt=attempt,
            phase=ReplicaPhase.PENDING,
            error=words,
        )
        for seat, (attempt, words) in memory.invalid.items()
        if seat not in taken
    )


def _is_held(pod: Pod) -> bool:
    return names.FINALIZER in pod.metadata.finalizers


def _has_ended(pod: Pod) -> bool:
    """Nothing more can come of it; of one that was never placed, or is removed by force, nothing ever will."""
    if pod.status.phase in (ReplicaPhase.SUCCEEDED.value, ReplicaPhase.FAILED.value):
        return True
    found = pod.metadata
    is_forced = found.deletion_grace_period_seconds == 0
    return found.deletion_timestamp is not None and (is_forced or not pod.spec.node_name)
