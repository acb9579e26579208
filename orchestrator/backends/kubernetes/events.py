"""Events of a job, as `kubectl describe` shows them: what was told of it, each once, however often it is told again.

Fed by `controller.program` after a turn has been written. Best effort: it never delays a turn, and what the server does
not take is lost. Names follow from what is told, so that another leader's repetition is the same event.
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
"""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import datetime

from orchestrator.api.types import API_VERSION, KIND, JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import Api, ApiError, Unreachable
from orchestrator.backends.kubernetes.objects import JobMeta
from orchestrator.core.actions import Event

REPORTER = "tf-orchestrator.io/controller"
MAX_NOTE = 1024
MAX_WAITING = 1000
_AT_ONCE = 4
_EVENT_SECONDS = 10.0


class Events:
    """`instance`: which controller says so."""

    def __init__(self, api: Api, instance: str, clock: Callable[[], datetime]) -> None:
        self._api, self._instance, self._clock = api, instance[:128], clock
        self._waiting: asyncio.Queue[JsonObject] = asyncio.Queue(MAX_WAITING)
        self.lost = 0

    def tell(self, job: JobMeta, event: Event, now: datetime) -> None:
        """To be sent when there is time."""
        try:
            self._waiting.put_nowait(render(job, event, self._instance, now))
        except asyncio.QueueFull:
            self.lost += 1

    async def run(self) -> None:
        """For ever."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_AT_ONCE):
                group.create_task(self._work())

    async def flush(self) -> None:
        """What waits, before the end."""
        await self._waiting.join()

    async def _work(self) -> None:
        while True:
            body = await self._waiting.get()
            try:
                await self._send(body)
            finally:
                self._waiting.task_done()

    async def _send(self, body: JsonObject) -> None:
        request = resources.create(resources.EVENTS, body["metadata"]["namespace"], body)
        try:
            await self._api.send(request, seconds=_EVENT_SECONDS)
        except ApiError as error:
            self.lost += error.status != 409
        except Unreachable:
            self.lost += 1


def render(job: JobMeta, event: Event, instance: str, now: datetime) -> JsonObject:
    told = (job.uid, event.reason, str(event.attempt), event.member, event.message)
    digest = hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]
    note = event.message if len(event.message) <= MAX_NOTE else f"{event.message[: MAX_NOTE - 1]}…"
    moment = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    regarding: JsonObject = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "namespace": job.namespace,
        "name": job.name,
        "uid": job.uid,
    }
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": f"{job.name}.{digest}", "namespace": job.namespace},
        "eventTime": moment,
        "reportingController": REPORTER,
        "reportingInstance": instance,
        "action": "Reconcile",
        "reason": event.reason.value,
        "note": note,
        "type": event.type.value,
        "regarding": regarding,
    }
