"""The controller program: wires the API server, the coordinator, the metrics and the queue of jobs together.

Run by `controller.main` inside the event loop. Standby and leader keep the same caches; only the leader has a
coordinator, a queue, and changes anything. Nothing is decided before the caches are full.
"""

import asyncio
import logging
import os
import socket
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from functools import partial

from msgspec.structs import replace

from orchestrator.api.types import Role, TensorFlowJob
from orchestrator.backends.base import View
from orchestrator.backends.kubernetes import tokens
from orchestrator.backends.kubernetes.api import ApiError, Unreachable
from orchestrator.backends.kubernetes.authority import keep_authority
from orchestrator.backends.kubernetes.backend import KubernetesBackend, split
from orchestrator.backends.kubernetes.events import Events
from orchestrator.backends.kubernetes.transport import REQUESTS, Transport, open_api
from orchestrator.controller.agents import ClusterDoor
from orchestrator.controller.leader import ElectionThread, Elector, Fenced, Leadership, clock
from orchestrator.controller.logs import LOGGER, say
from orchestrator.controller.numbers import Numbers, Requests
from orchestrator.controller.options import SERVER_NAME, Options
from orchestrator.controller.patience import until_answered
from orchestrator.controller.pulse import Pulse
from orchestrator.controller.queue import Queue
from orchestrator.controller.reconcile import Reconciler
from orchestrator.coordinator.authentication import PodAuthenticator
from orchestrator.coordinator.certificates import SERVER_DAYS, Authority, make_authority, make_identity
from orchestrator.coordinator.server import Coordinator
from orchestrator.core import names
from orchestrator.core.actions import Decision, Event, EventType, Reason
from orchestrator.core.status import is_progress_due
from orchestrator.metrics.exporter import Exporter, serve
from orchestrator.metrics.life import key_of
from orchestrator.metrics.samples import AgentNumbers
from orchestrator.metrics.store import Store
from orchestrator.protocol.messages import Report

PROGRESS_LOOK_SECONDS = 1.0
CLOSE_SECONDS = 5.0
LEAD_SECONDS = SERVER_DAYS * 86400 / 2
_FOR_EVER = 10 * 365 * 86400.0


def utc_now() -> datetime:
    return datetime.now(UTC)


class Lost(Exception):
    """This process does not lead any more, and ends: whoever starts it again starts a standby."""


class Program:
    """`run` until `stop` is called or something goes wrong that only a new start can mend."""

    def __init__(self, options: Options, api: Transport) -> None:
        self.options, self._api = options, api
        self.namespace = options.namespace or api.namespace
        self.identity = f"{os.environ.get('POD_NAME') or socket.gethostname()}_{uuid.uuid4().hex[:8]}"
        self.leadership = Leadership()
        self._fenced = Fenced(api, self.leadership)
        self.store = Store()
        settings = options.settings(self.namespace)
        self.backend = KubernetesBackend(self._fenced, settings, utc_now, namespaces=options.namespaces)
        self.events = Events(self._fenced, self.identity, utc_now)
        self.coordinator: Coordinator | None = None
        self.queue = Queue(self._turn, self._failed, options.workers)
        requests = Requests(api.server)
        api.observer = requests.observe
        self._pulse = Pulse(time.monotonic)
        self._own = Numbers(
            self.queue, options.workers, self.backend, requests, lambda: self.events.lost, self._pulse
        )
        self._own.lease, self._own.is_leading = options.lease_name, self.leadership.is_held
        self._reconciler: Reconciler | None = None
        self._lead = asyncio.Event()
        self._election: ElectionThread | None = None
        self._ending = asyncio.get_running_loop().create_future()
        self._jobs: dict[str, TensorFlowJob] = {}
        self._stepped: dict[str, int] = {}
        self._reported: set[str] = set()

    def stop(self) -> None:
        """Hand over and end well."""
        if not self._ending.done():
            self._ending.set_result(None)

    async def run(self) -> None:
        """Raises Lost, and whatever a part of it that must not end raises."""
        async with AsyncExitStack() as stack:
            self._serve(stack)
            tasks = [
                asyncio.ensure_future(one)
                for one in (self._pulse.run(), self.backend.run(), self.events.run(), self._main())
            ]
            stack.push_async_callback(_end, tasks)
            done, _ = await asyncio.wait((self._ending, *tasks), return_when=asyncio.FIRST_COMPLETED)
            await self._close()
            for one in done:
                one.result()

    def _serve(self, stack: AsyncExitStack) -> None:
        host, port = self.options.metrics_bind
        exporter = Exporter(self.store, utc_now, self._numbers, others=self._own.points)
        server = serve(exporter, host, port, asked=True, is_healthy=self._pulse.is_alive)
        stack.callback(server.close)
        self._server = server
        server.set_ready(False)

    async def _main(self) -> None:
        await self.backend.wait_synced()
        self._server.set_ready(True)
        say(logging.INFO, "caches are full", jobs=len(self.backend.known_jobs()))
        await self._win()
        await self._begin()
        async with asyncio.TaskGroup() as group:
            group.create_task(self.queue.run())
            group.create_task(self._watch_progress())
            group.create_task(hand_over_after(LEAD_SECONDS, self.stop))

    # --- leading

    async def _win(self) -> None:
        """Returns once this process leads."""
        if not self.options.leader_elect:
            seconds = int(utc_now().timestamp()) // 10 - 173_000_000
            self.leadership.hold(max(1, seconds), clock() + _FOR_EVER)
            return
        self._election = ElectionThread(self._open_elector, self._lead.set, self._lost)
        self._election.start()
        await self._lead.wait()

    async def _open_elector(self) -> tuple[Elector, Callable[[], Awaitable[None]]]:
        """With a connection of its own, on the election's loop."""
        api = await connect(self.options, requests=2)
        place = (self.namespace, self.options.lease_name)
        return Elector(api, place, self.identity, self.leadership, self.options.timing), api.close

    def _lost(self, why: str) -> None:
        if not self._ending.done():
            self._ending.set_exception(Lost(why))

    async def _begin(self) -> None:
        """From now on this process acts."""
        say(logging.INFO, "leading", term=self.leadership.term, identity=self.identity)
        authority = await until_answered(self._authority)
        identity = make_identity(authority, SERVER_NAME, utc_now())
        coordinator = Coordinator(
            self.options.coordinator_bind,
            clock=utc_now,
            on_change=self._agent_changed,
            on_report=self._report,
            authenticator=lambda known: PodAuthenticator(known, partial(tokens.review, self._api)),
            identity=identity,
        )
        self.backend.settings = replace(self.backend.settings, ca=authority.certificate.decode())
        self.backend.door = ClusterDoor(coordinator, self.leadership.term)
        self._reconciler = Reconciler(self.backend, coordinator, self.store, self, utc_now)
        self._reconciler.leader_since = utc_now()
        address = await coordinator.start()
        self.coordinator = coordinator
        say(logging.INFO, "the coordinator listens", address=address)
        self.backend.on_change = self.queue.add
        await until_answered(self.backend.sweep)
        for key in self.backend.known_jobs():
            self.queue.add(key)

    async def _authority(self) -> Authority:
        """One for all controllers of this namespace, whoever was first."""
        made = make_authority(utc_now())
        pair = (made.certificate, made.key)
        kept = await keep_authority(self._fenced, (self.namespace, self.options.secret_name), pair)
        return Authority(*kept)

    async def _close(self) -> None:
        """The coordinator first, so that agents look for the next leader; the lease last."""
        self.queue.close()
        if self.coordinator is not None:
            await self.coordinator.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self.queue.ended()
                await self.events.flush()
        if self._election is not None:
            await self._election.stop()

    # --- turns

    async def _turn(self, key: str) -> float | None:
        if self._reconciler is None:
            raise RuntimeError("this controller does not lead")
        wait = await self._reconciler.reconcile(key)
        if self.backend.jobs.get(*split(key)) is None:
            job = self._jobs.pop(key, None)
            if job is not None:
                self.store.forget(job.metadata.uid or "")
                self._stepped.pop(job.metadata.uid or "", None)
        return wait

    def _failed(self, key: str, error: Exception) -> None:
        """What the server or the network did is told in a line; anything else is an error of ours, with its trace."""
        is_theirs = isinstance(error, ApiError | Unreachable)
        say(logging.ERROR, f"a turn failed: {type(error).__name__}: {error}", job=key)
        if not is_theirs:
            LOGGER.error("the trace of it", exc_info=error)

    def decided(self, view: View, decision: Decision, now: datetime) -> None:
        self._jobs[f"{names.namespace(view.job)}/{view.job.metadata.name}"] = view.job
        self.store.observe_status(view.job, decision.status, now)

    def told(self, key: str, event: Event, now: datetime) -> None:
        level = logging.WARNING if event.type is EventType.WARNING else logging.INFO
        say(
            level,
            event.message,
            job=key,
            reason=event.reason.value,
            attempt=event.attempt,
            member=event.member,
            cause=event.cause.value if event.cause else None,
            exit_code=event.exit_code,
            signal=event.signal,
        )
        stored = self.backend.jobs.get(*split(key))
        if stored is not None:
            self.events.tell(stored.metadata, event, now)

    # --- agents

    def _agent_changed(self, job_uid: str) -> None:
        key = self.backend.key_of(job_uid)
        if key is not None:
            self.queue.add(key)

    def _report(self, job_uid: str, role: Role, index: int, report: Report) -> None:
        key = self.backend.key_of(job_uid)
        job = self._jobs.get(key) if key else None
        if key is None or job is None:
            return
        agent = self.backend.uid_at(key, (role, index))
        self.store.fold(key_of(job), role, index, report, utc_now(), agent=agent)
        self._reported.add(key)
        attempt = self.backend.status_of(key).attempt
        if report.seconds_since_step is not None and attempt and report.attempt == attempt.number:
            self._tell_first_step(key, job_uid, attempt.number, names.member(role, index))

    def _tell_first_step(self, key: str, job_uid: str, number: int, member: str) -> None:
        """Once per attempt, by whoever is first."""
        if number <= self._stepped.get(job_uid, 0):
            return
        self._stepped[job_uid] = number
        message = f"attempt {number} has done its first step"
        event = Event(
            type=EventType.NORMAL, reason=Reason.FIRST_STEP, message=message, attempt=number, member=member
        )
        self.told(key, event, utc_now())

    async def _watch_progress(self) -> None:
        """Reports wake nobody: without this, progress would be written only when something else happens."""
        while True:
            await asyncio.sleep(PROGRESS_LOOK_SECONDS)
            now = utc_now()
            for key in list(self._reported):
                job = self._jobs.get(key)
                if job is None:
                    self._reported.discard(key)
                    continue
                newest = self.store.progress(job.metadata.uid or "", now)
                recorded = self.backend.status_of(key).progress
                if is_progress_due(newest, recorded, now, self._progress_seconds):
                    self._reported.discard(key)
                    self.queue.add(key)

    @property
    def _progress_seconds(self) -> float:
        return self._reconciler.progress_seconds if self._reconciler else _FOR_EVER

    def _numbers(self) -> AgentNumbers:
        if self.coordinator is None:
            return AgentNumbers()
        counts = self.coordinator.counts()
        return AgentNumbers(
            connected=counts.connected, messages=counts.messages, auth_failures=counts.denials
        )


async def hand_over_after(seconds: float, stop: Callable[[], None]) -> None:
    """The next leader makes itself a new certificate, long before this one is too old."""
    await asyncio.sleep(seconds)
    say(logging.INFO, "handing over: the certificate of this leader is half its life old")
    stop()


async def _end(tasks: Sequence[asyncio.Future[None]]) -> None:
    for one in tasks:
        one.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def connect(options: Options, requests: int = REQUESTS) -> Transport:
    """Raises ConfigurationError."""
    return await open_api(
        kubeconfig=options.kubeconfig or None, context=options.context or None, requests=requests
    )
