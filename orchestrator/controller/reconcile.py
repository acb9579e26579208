"""One turn of one job: observe, decide, write the status, perform, then tell.

Called by `controller.loop` (local runs) and by the controller program, once per wake-up of a key; never twice at a
time for one key. Nothing is performed unless the status that says so has been written; events are told only after
that. It does not decide anything itself.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from orchestrator.api.status import Progress
from orchestrator.backends.base import Backend, Behind, Conflict, Rejected, View
from orchestrator.core import ending, seating
from orchestrator.core.actions import Decision, DeleteJob, Event, EventType, Reason, WantedOrder
from orchestrator.core.decide import decide
from orchestrator.core.observed import PROGRESS_SECONDS, Agent, Observed, StopRequest

BEHIND_SECONDS = 5.0
"""Catching up wakes the key; this is for a wake-up that was lost."""

Clock = Callable[[], datetime]


class Agents(Protocol):
    """The coordinator's two tables, for one job UID. Of a job that it has forgotten it knows and wants nothing."""

    def agents(self, job_uid: str) -> tuple[Agent, ...]: ...

    def set_wanted(self, job_uid: str, orders: tuple[WantedOrder, ...]) -> None: ...


class Telemetry(Protocol):
    """The metrics store, as far as deciding needs it."""

    def progress(self, uid: str, now: datetime) -> Progress: ...


class Watcher(Protocol):
    """Whoever wants to know what happened: metrics, the live view, Kubernetes events."""

    def decided(self, view: View, decision: Decision, now: datetime) -> None: ...

    def told(self, key: str, event: Event, now: datetime) -> None: ...


class StopWish:
    """A user's wish to stop a local run; a second one means at once."""

    def __init__(self) -> None:
        self.request: StopRequest | None = None

    def ask(self) -> None:
        self.request = StopRequest.NOW if self.request else StopRequest.GRACEFUL


class Reconciler:
    """Holds what a turn needs; no state of any job."""

    def __init__(
        self, backend: Backend, agents: Agents, telemetry: Telemetry, watcher: Watcher, clock: Clock
    ) -> None:
        self._backend = backend
        self._agents = agents
        self._telemetry = telemetry
        self._watcher = watcher
        self._clock = clock
        self.leader_since: datetime | None = None
        self.progress_seconds = PROGRESS_SECONDS
        self.stop = StopWish()

    async def reconcile(self, key: str) -> float | None:
        """One turn. Returns the seconds until time alone may change anything; None: nothing to wait for.

        Nothing more is wanted of the agents of a job once it has been deleted: they have been told to finish before, or
        go with their pods.
        """
        try:
            view = await self._backend.observe(key)
        except Behind:
            return BEHIND_SECONDS
        if view is None:
            return None
        now = self._clock()
        if isinstance(view, Rejected):
            return await self._reject(key, view, now)
        decision = decide(self._observed(view, now), now)
        if decision.status != view.status:
            try:
                await self._backend.write_status(key, decision.status, view.version)
            except Conflict:
                return 0.0
        if decision.actions:
            await self._backend.perform(key, decision.actions)
        await self._backend.release(key)
        if not any(isinstance(action, DeleteJob) for action in decision.actions):
            self._agents.set_wanted(_uid(view), decision.wanted)
        self._tell(key, view, decision, now)
        has_changed = decision.status != view.status or bool(decision.actions)
        return 0.0 if has_changed else decision.requeue_after

    async def _reject(self, key: str, seen: Rejected, now: datetime) -> float | None:
        """A job of which nothing can be decided: it has failed, and nothing runs for it."""
        rejected = ending.invalid(seen.status, seen.message, seen.generation, now)
        if rejected != seen.status:
            try:
                await self._backend.write_status(key, rejected, seen.version)
            except Conflict:
                return 0.0
            event = Event(type=EventType.WARNING, reason=Reason.INVALID, message=seen.message)
            self._watcher.told(key, event, now)
        actions = tuple(action for one in seen.replicas for action in seating.delete(one))
        if actions:
            await self._backend.perform(key, actions)
        await self._backend.release(key)
        return None

    def _tell(self, key: str, view: View, decision: Decision, now: datetime) -> None:
        for event in decision.events:
            self._watcher.told(key, event, now)
        self._watcher.decided(view, decision, now)

    def _observed(self, view: View, now: datetime) -> Observed:
        uid = _uid(view)
        return Observed(
            job=view.job,
            status=view.status,
            replicas=view.replicas,
            agents=self._agents.agents(uid),
            services=view.services,
            foreign=view.foreign,
            refused=view.refused,
            ports=view.ports,
            progress=self._telemetry.progress(uid, now),
            progress_seconds=self.progress_seconds,
            leader_since=self.leader_since,
            stop_request=self.stop.request,
            deleting=view.job.metadata.deletion_timestamp is not None,
        )


def _uid(view: View) -> str:
    return view.job.metadata.uid or ""
