"""Carries out what was decided for one job: creates and deletes, with what the server's answers mean.

Made by `backend` for one turn. What the server refuses is remembered and shown at the next look; what went unanswered
is raised, and repeated by the next turn: every deed here can be.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

import msgspec

from orchestrator.api.status import Member
from orchestrator.api.types import AgentMode, TensorFlowJob
from orchestrator.backends.kubernetes import pods, resources
from orchestrator.backends.kubernetes.api import Api, ApiError, Request
from orchestrator.backends.kubernetes.creates import slow_start
from orchestrator.backends.kubernetes.jobs import Invalid
from orchestrator.backends.kubernetes.memory import Memory
from orchestrator.backends.kubernetes.objects import Pod, Service
from orchestrator.backends.kubernetes.settings import Settings
from orchestrator.core import names
from orchestrator.core.actions import Action, CreateReplica, CreateService, DeleteJob, DeleteReplica
from orchestrator.core.plan import container_of
from orchestrator.core.wanted import Orders

_LEAST_GRACE_SECONDS = 1
"""0 would free the name before the node has ended the program."""
_INVALID = (400, 422)


class Deeds:
    """`place`: namespace and name of the job, which is Invalid if nothing may be created for it any more."""

    def __init__(
        self,
        api: Api,
        settings: Settings,
        memory: Memory,
        job: TensorFlowJob | Invalid,
        place: tuple[str, str],
        clock: Callable[[], datetime],
    ) -> None:
        self._api, self._settings, self._memory, self._job = api, settings, memory, job
        self._namespace, self._name = place
        self._clock = clock
        self._orders: Orders | None = None

    async def perform(self, actions: Sequence[Action], seen: Mapping[str, Pod]) -> None:
        """The service before any pod, and the job's own end last. `seen`: its pods by UID."""
        for action in actions:
            if isinstance(action, CreateService) and isinstance(self._job, TensorFlowJob):
                await self._create_service(self._job, action.name)
        deletes = (
            self._delete(one, seen[one.uid])
            for one in actions
            if isinstance(one, DeleteReplica) and one.uid in seen
        )
        creates = [one for one in actions if isinstance(one, CreateReplica)]
        await asyncio.gather(*deletes, self._create_all(creates))
        if any(isinstance(one, DeleteJob) for one in actions):
            await self._delete_job()

    # --- creating

    async def _create_all(self, actions: Sequence[CreateReplica]) -> None:
        job = self._job
        if not isinstance(job, TensorFlowJob) or not actions or not self._memory.may_create(self._clock()):
            return
        tries: list[Callable[[], Awaitable[bool]]] = [partial(self._create, job, one) for one in actions]
        refused = self._memory.refusal
        await slow_start(tries)
        if self._memory.refusal is refused:
            self._memory.refusal = None

    async def _create(self, job: TensorFlowJob, action: CreateReplica) -> bool:
        """Whether there is such a pod now."""
        seat, name = (action.role, action.index), names.replica(job.metadata.name, action.role, action.index)
        body = pods.render_pod(self._seated(job, action))
        request = resources.create(resources.PODS, self._namespace, body, strict=True)
        try:
            answer = await self._api.send(request)
        except ApiError as error:
            if error.status == 409 and error.reason == "AlreadyExists":
                return await self._meet(resources.PODS, name)
            if error.status in _INVALID:
                self._memory.invalid[seat] = (action.attempt, error.message)
                return False
            if error.status in (403, 404):
                self._memory.refuse(error.message, self._clock())
                return False
            raise
        self._memory.awaited_pods.add(_version(answer.body))
        return True

    def _seated(self, job: TensorFlowJob, action: CreateReplica) -> pods.Seated:
        seat = (action.role, action.index)
        return pods.Seated(
            job=job,
            seat=seat,
            attempt=action.attempt,
            plan=self._memory.plans(job, pods.REPORT_SECONDS)[seat],
            settings=self._settings,
            attempt_env={} if job.spec.recovery.agent is AgentMode.ENABLED else self._bare(job, action),
            is_counted=seat in self._memory.counted(job, pods.REPORT_SECONDS),
        )

    def _bare(self, job: TensorFlowJob, action: CreateReplica) -> dict[str, str]:
        host = names.host(job, action.role, action.index)
        port = names.port(names.base_port(container_of(job.spec, action.role)), action.attempt)
        me = Member(role=action.role, index=action.index, uid="", address=names.address(host, port))
        if self._orders is None:
            attempt = self._memory.status.attempt
            self._orders = Orders(job.spec, attempt.members if attempt else ())
        return self._orders.bare_env(me, action.attempt)

    async def _create_service(self, job: TensorFlowJob, name: str) -> None:
        body = pods.render_service(job, name)
        try:
            answer = await self._api.send(resources.create(resources.SERVICES, self._namespace, body))
        except ApiError as error:
            if error.status == 409 and error.reason == "AlreadyExists":
                await self._meet(resources.SERVICES, name)
                return
            if error.status in (403, 404):
                self._memory.refuse(error.message, self._clock())
                return
            raise
        self._memory.awaited_services.add(_version(answer.body))

    async def _meet(self, resource: resources.Resource, name: str) -> bool:
        """What has the name already: ours, whose answer was lost, or somebody else's, who is left alone."""
        try:
            answer = await self._api.send(resources.get(resource, self._namespace, name))
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        found = msgspec.json.decode(answer.body, type=Service).metadata
        if any(one.uid == self._memory.uid and one.controller for one in found.owner_references):
            # It is not asked for again before the cache shows it.
            is_pod = resource is resources.PODS
            awaited = self._memory.awaited_pods if is_pod else self._memory.awaited_services
            awaited.add(found.resource_version)
            return True
        self._memory.foreign.setdefault(name, self._clock())
        return True

    # --- deleting

    async def _delete(self, action: DeleteReplica, pod: Pod) -> None:
        """Only if it is still as it was seen; by force only if it is still the same."""
        found = pod.metadata
        request = resources.delete(
            resources.PODS,
            self._namespace,
            found.name,
            uid=found.uid,
            version="" if action.force else found.resource_version,
            grace_seconds=0 if action.force else _grace(action.grace_seconds, pod),
        )
        if await self._is_done(request):
            self._memory.deleted.add(found.uid)
        else:
            self._memory.outdate(found.uid, found.resource_version, self._clock())

    async def _delete_job(self) -> None:
        request = resources.delete(resources.JOBS, self._namespace, self._name, uid=self._memory.uid)
        await self._is_done(request)

    async def _is_done(self, request: Request) -> bool:
        """Not, if it has changed meanwhile: the next turn looks again."""
        try:
            await self._api.send(request)
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        return True


def _grace(seconds: int, pod: Pod) -> int:
    """Never just what the pod asks for itself: so that a restarted controller knows its own deletes."""
    given = max(_LEAST_GRACE_SECONDS, seconds)
    return given + 1 if given == pod.spec.termination_grace_period_seconds else given


def _version(body: bytes) -> str:
    return msgspec.json.decode(body, type=Service).metadata.resource_version
