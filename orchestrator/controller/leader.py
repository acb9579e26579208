"""Who of several controllers acts: election by a Lease, on local monotonic time only, every call bounded.

Run by `controller.program` in a thread with a loop and a connection of its own, so that nothing delays a renewal. As
client-go's (https://pkg.go.dev/k8s.io/client-go/tools/leaderelection): clocks of others are never compared with ours.
`Leadership` is what everybody else looks at; `Fenced` refuses changes by whoever has lost it without having noticed.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from random import uniform

import msgspec

from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import (
    REQUEST_SECONDS,
    Api,
    ApiError,
    Request,
    Response,
    Unreachable,
)

_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)
_TICK_SECONDS = 10
_READS = ("GET", "HEAD")


def clock() -> float:
    """Seconds that go on while this process, or the whole machine, sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """In seconds; the names and defaults are client-go's."""

    lease: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0


class Leadership:
    """`term` grows with every new leader: messages carry it, so that an old leader's are refused."""

    def __init__(self) -> None:
        self.term = 0
        self._valid_until = 0.0

    def is_held(self) -> bool:
        return clock() < self._valid_until

    def hold(self, term: int, until: float) -> None:
        self.term, self._valid_until = term, until

    def drop(self) -> None:
        self._valid_until = 0.0


class NotLeading(Unreachable):
    """Nothing is changed by whoever does not lead any more."""


class Fenced:
    """An Api through which only the leader changes anything."""

    def __init__(self, api: Api, leadership: Leadership) -> None:
        self._api, self._leadership = api, leadership

    async def send(self, request: Request, *, seconds: float = REQUEST_SECONDS) -> Response:
        if request.method not in _READS and not self._leadership.is_held():
            raise NotLeading("this controller does not lead")
        return await self._api.send(request, seconds=seconds)

    def lines(
        self, request: Request, *, silence_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._api.lines(request, silence_seconds=silence_seconds)


class LeaseSpec(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/lease-v1/"""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _LeaseMeta(msgspec.Struct, frozen=True, rename="camel"):
    resource_version: str = ""


class _Lease(msgspec.Struct, frozen=True):
    metadata: _LeaseMeta
    spec: LeaseSpec = LeaseSpec()


class Elector:
    """`place`: namespace and name of the Lease; `identity`: ours, another for every process."""

    def __init__(
        self, api: Api, place: tuple[str, str], identity: str, leadership: Leadership, timing: Timing
    ) -> None:
        self._api, self._place, self._identity = api, place, identity
        self._leadership, self._timing = leadership, timing
        self._observed: LeaseSpec | None = None
        self._observed_at = 0.0
        self._renewed_at = 0.0
        self._version = ""

    async def acquire(self) -> None:
        """Returns once we lead."""
        while not await self._try(self._timing.renew_deadline):  # noqa: ASYNC110  # the server sets no event here
            await asyncio.sleep(self._timing.retry * uniform(0.8, 1.2))

    async def keep(self) -> None:
        """Renews; returns once we do not lead any more."""
        while True:
            await asyncio.sleep(self._timing.retry)
            left = self._renewed_at + self._timing.renew_deadline - clock()
            if left <= 0:
                break
            await self._try(left)
            if self._observed is not None and self._observed.holder_identity != self._identity:
                break
        self._leadership.drop()

    async def release(self) -> None:
        """Somebody else may lead at once. Best effort: the lease ends by itself."""
        self._leadership.drop()
        spec = self._observed
        if spec is None or spec.holder_identity != self._identity:
            return
        freed = msgspec.structs.replace(
            spec, holder_identity="", lease_duration_seconds=1, renew_time=_timestamp()
        )
        try:
            await self._write(freed, self._timing.retry)
        except (ApiError, Unreachable):
            return

    async def _try(self, seconds: float) -> bool:
        begun = clock()
        try:
            async with asyncio.timeout(seconds):
                return await self._take(begun, seconds)
        except (ApiError, Unreachable, TimeoutError, msgspec.ValidationError):
            return False

    async def _take(self, begun: float, seconds: float) -> bool:
        known = await self._read(seconds)
        if known is not None and not self._is_free(known, begun):
            return False
        spec = self._spec(known)
        await self._write(spec, seconds)
        self._observed, self._observed_at, self._renewed_at = spec, begun, begun
        self._leadership.hold(spec.lease_transitions or 0, begun + self._timing.renew_deadline)
        return True

    async def _read(self, seconds: float) -> LeaseSpec | None:
        """What stands there; noted with our own time when it has changed."""
        namespace, name = self._place
        try:
            answer = await self._api.send(resources.get(resources.LEASES, namespace, name), seconds=seconds)
        except ApiError as error:
            if error.status != 404:
                raise
            self._version = ""
            return None
        lease = msgspec.json.decode(answer.body, type=_Lease)
        self._version = lease.metadata.resource_version
        if lease.spec != self._observed:
            self._observed, self._observed_at = lease.spec, clock()
        return lease.spec

    def _is_free(self, known: LeaseSpec, now: float) -> bool:
        """Ours, nobody's, or not renewed for as long as its holder said; counted from when we saw it."""
        if known.holder_identity in (None, "", self._identity):
            return True
        return now >= self._observed_at + (known.lease_duration_seconds or self._timing.lease)

    def _spec(self, known: LeaseSpec | None) -> LeaseSpec:
        """A lease that was deleted must not make terms small again: the first is taken from the calendar."""
        now = _timestamp()
        is_ours = known is not None and known.holder_identity == self._identity
        before = (known.lease_transitions or 0) if known else 0
        first = int((datetime.now(UTC) - _EPOCH).total_seconds()) // _TICK_SECONDS
        return LeaseSpec(
            holder_identity=self._identity,
            lease_duration_seconds=int(self._timing.lease),
            acquire_time=known.acquire_time if known and is_ours else now,
            renew_time=now,
            lease_transitions=before if is_ours else max(before + 1, 1 if known else first),
        )

    async def _write(self, spec: LeaseSpec, seconds: float) -> None:
        namespace, name = self._place
        metadata = {"name": name, "namespace": namespace}
        body = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": metadata | ({"resourceVersion": self._version} if self._version else {}),
            "spec": msgspec.to_builtins(spec),
        }
        request = (
            resources.replace(resources.LEASES, namespace, name, body)
            if self._version
            else resources.create(resources.LEASES, namespace, body)
        )
        answer = await self._api.send(request, seconds=seconds)
        self._version = msgspec.json.decode(answer.body, type=_Lease).metadata.resource_version


def _timestamp() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class ElectionThread:
    """Elects in a thread of its own. `on_lead` and `on_lost` are called on the loop that made it."""

    def __init__(
        self,
        open_elector: Callable[[], Awaitable[tuple[Elector, Callable[[], Awaitable[None]]]]],
        on_lead: Callable[[], None],
        on_lost: Callable[[str], None],
    ) -> None:
        """`open_elector`: makes one, with how to close its connection, on the thread's loop."""
        self._open, self._on_lead, self._on_lost = open_elector, on_lead, on_lost
        self._main = asyncio.get_running_loop()
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, name="election", daemon=True)

    def start(self) -> None:
        self._thread.start()

    async def stop(self) -> None:
        """Releases the lease, if it is ours."""
        if self._task is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._task.cancel)
            await asyncio.to_thread(self._thread.join, 5.0)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._elect())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        except Exception as error:
            self._tell_lost(f"the election failed: {error}")
        finally:
            self._loop.close()

    async def _elect(self) -> None:
        elector, close = await self._open()
        try:
            await elector.acquire()
            self._main.call_soon_threadsafe(self._on_lead)
            await elector.keep()
            self._tell_lost("the lease could not be renewed, or somebody else has it")
        except asyncio.CancelledError:
            await elector.release()
            raise
        finally:
            await close()

    def _tell_lost(self, why: str) -> None:
        if not self._main.is_closed():
            self._main.call_soon_threadsafe(self._on_lost, why)
