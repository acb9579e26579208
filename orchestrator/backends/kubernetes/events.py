"""Events of a job, as `kubectl describe` shows them: what was told of it, each once, however often it is told again.

Fed by `controller.program` after a turn has been written. Best effort: it never delays a turn, and what the server does
not take is lost. Names follow from what is told, so that another leader's repetition is the same event.
https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.37/#event-v1-core
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
    """Of the core group, whose times `kubectl describe` sorts by."""
    told = (job.uid, event.reason, str(event.attempt), event.member, event.message)
    digest = hashlib.sha256("\0".join(told).encode()).hexdigest()[:16]
    text = f"attempt {event.attempt}: {event.message}" if _needs_attempt(event) else event.message
    moment = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{job.name}.{digest}", "namespace": job.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": job.namespace,
            "name": job.name,
            "uid": job.uid,
        },
        "reason": event.reason.value,
        "message": text if len(text) <= MAX_NOTE else f"{text[: MAX_NOTE - 1]}…",
        "type": event.type.value,
        "firstTimestamp": moment,
        "lastTimestamp": moment,
        "count": 1,
        "source": {"component": REPORTER},
        "reportingComponent": REPORTER,
        "reportingInstance": instance,
    }


def _needs_attempt(event: Event) -> bool:
    """Unless the words themselves name it."""
    return bool(event.attempt and event.member) and "attempt" not in event.message
