"""The coordinator: one gRPC server inside the controller's event loop, a table of agents' states and one of wishes.

Made by `controller.main`; `controller.reconcile` reads `agents` and hands in `set_wanted`. It decides nothing: what it
is told it keeps and repeats, and what it hears it passes on. All methods belong to the event loop's thread, except
`counts`.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from time import monotonic

import grpc

from orchestrator.api.types import Role
from orchestrator.coordinator.authentication import (
    Authenticator,
    Denial,
    Denied,
    Registration,
    ReplicaId,
    TokenAuthenticator,
)
from orchestrator.coordinator.endpoint import Identity, bound_address, prepare
from orchestrator.coordinator.link import LARGE_AT_ONCE, SILENCE_SECONDS, Context, Link, Result
from orchestrator.coordinator.table import Entry
from orchestrator.coordinator.wishes import Wishes
from orchestrator.core.actions import WantedOrder
from orchestrator.core.observed import Agent
from orchestrator.protocol.codec import Message, ProtocolError, decode, encode
from orchestrator.protocol.messages import (
    MAX_AGENT_MESSAGE_BYTES,
    MAX_COORDINATOR_MESSAGE_BYTES,
    SESSION_METHOD,
    Hello,
    Refused,
    Report,
    State,
)

OnChange = Callable[[str], None]
"""Told a job's UID whenever something that a decision may depend on has changed."""
OnReport = Callable[[str, Role, int, Report], None]
"""Told (job UID, role, index, report) of every new report."""

MakeAuthenticator = Callable[[Mapping[str, Registration]], Authenticator]

CLOSE_SECONDS = 1.0
_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_AGENT_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_COORDINATOR_MESSAGE_BYTES),
    ("grpc.so_reuseport", 0),
)


@dataclass(frozen=True)
class Counts:
    """What was counted since the start. `messages`: by Result; `denials`: by Denial."""

    connected: int
    messages: Mapping[str, int]
    denials: Mapping[str, int]


@dataclass
class _Job:
    """A registered job: what the controller said, what its agents said, and their open streams, all by UID."""

    registration: Registration
    wishes: Wishes
    entries: dict[str, Entry] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)


class Coordinator:
    """Usage: make it, `await start()`, `register` jobs before their agents start, `await close()`."""

    def __init__(
        self,
        address: str,
        *,
        clock: Callable[[], datetime],
        on_change: OnChange,
        on_report: OnReport,
        authenticator: MakeAuthenticator = TokenAuthenticator,
        identity: Identity | None = None,
    ) -> None:
        """`address`: unix:/path (its directory is made 0700, the socket 0600) or host:port (port 0: a free one).

        `authenticator`: made for the jobs that are registered; default: by the token given to `register`. `identity`:
        for TLS. `clock` stamps `since` and `lost_at`.
        """
        self._address, self._clock, self._own_identity = address, clock, identity
        self._on_change, self._on_report = on_change, on_report
        self._jobs: dict[str, _Job] = {}
        self._registrations: dict[str, Registration] = {}
        self._authenticator = authenticator(self._registrations)
        self._server: grpc.aio.Server | None = None
        self._gate = asyncio.Semaphore(LARGE_AT_ONCE)
        self._messages: Counter[str] = Counter({result.value: 0 for result in Result})
        self._denials: Counter[str] = Counter({denial.value: 0 for denial in Denial})

    async def start(self) -> str:
        """Listen; returns the address for agents (TFO_AGENT_ADDRESS). Raises OSError."""
        prepare(self._address)
        service, method = SESSION_METHOD.strip("/").split("/")
        handler: grpc.RpcMethodHandler[bytes, bytes] = grpc.stream_stream_rpc_method_handler(self._session)
        server = grpc.aio.server(options=_OPTIONS)
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        address = bound_address(server, self._address, self._own_identity)
        await server.start()
        self._server = server
        return address

    async def close(self) -> None:
        """End all streams, then stop listening. Agents go on by themselves and look for a coordinator."""
        server, self._server = self._server, None
        for job in self._jobs.values():
            for link in job.links.values():
                link.close()
        if server is not None:
            await server.stop(CLOSE_SECONDS)

    def register(self, job_uid: str, term: int, token: str, replicas: Iterable[ReplicaId] = ()) -> None:
        """Make or replace what is known of a job; agents that are no longer expected are cut off and forgotten.

        Another term takes back all wishes. To be called again with whatever replicas were observed last.
        """
        registration = Registration(term, token, {replica.uid: replica for replica in replicas})
        self._registrations[job_uid] = registration
        job = self._jobs.setdefault(job_uid, _Job(registration, Wishes(job_uid, term)))
        if job.wishes.term != term:
            job.wishes = Wishes(job_uid, term)
        job.registration = registration
        for uid in [uid for uid in job.entries if uid not in registration.replicas]:
            del job.entries[uid]
        for uid, link in job.links.items():
            if uid in registration.replicas:
                link.want(job.wishes.of(uid))
            else:
                link.close()

    def expect(self, job_uid: str, replica: ReplicaId) -> None:
        """One more replica of a registered job may connect; to be called before its agent starts."""
        self._jobs[job_uid].registration.replicas[replica.uid] = replica

    def forget(self, job_uid: str) -> None:
        """Cut off all agents of a job and forget it. Unknown jobs are no error."""
        self._registrations.pop(job_uid, None)
        job = self._jobs.pop(job_uid, None)
        for link in job.links.values() if job else ():
            link.close()

    def set_wanted(self, job_uid: str, wanted: tuple[WantedOrder, ...]) -> None:
        """Replace what is wanted of a job's agents; agents without an entry are to carry on. Unknown jobs are no error.

        Raises ProtocolError, and changes nothing, if an order is too large to be sent.
        """
        job = self._jobs.get(job_uid)
        if job is None:
            return
        job.wishes.replace(wanted)
        for uid, link in job.links.items():
            link.want(job.wishes.of(uid))

    def agents(self, job_uid: str) -> tuple[Agent, ...]:
        """All agents of a job that have ever connected and are still expected, sorted by role and index."""
        job = self._jobs.get(job_uid)
        entries = [entry for entry in job.entries.values() if entry.since] if job else []
        now = monotonic()
        return tuple(entry.observe(now) for entry in sorted(entries, key=_place))

    def states(self, job_uid: str) -> dict[str, State]:
        """The last State of each of these agents, by UID: what they themselves cost stands only there."""
        job = self._jobs.get(job_uid)
        return {uid: entry.state for uid, entry in job.entries.items()} if job else {}

    def counts(self) -> Counts:
        """A copy, for the metrics; may be called from any thread."""
        connected = sum(len(job.links) for job in tuple(self._jobs.values()))
        return Counts(connected, dict(self._messages), dict(self._denials))

    async def _session(self, _: object, context: Context) -> None:
        """One stream, from its Hello to its end. Changes nothing before it is accepted."""
        try:
            job_uid, replica = await self._identify(context)
        except Denied as denied:
            self._denials[denied.denial.value] += 1
            await context.write(encode(Refused(denied.denial.value)))
            await context.abort(grpc.StatusCode.PERMISSION_DENIED, denied.denial.value)
        else:
            await self._follow(job_uid, replica, context)

    async def _identify(self, context: Context) -> tuple[str, ReplicaId]:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                data = await context.read()
        except TimeoutError:
            raise Denied(Denial.NO_HELLO) from None
        hello = _hello(data)
        job_uid, replica = await self._authenticator.identify(hello, _token(context))
        known = self._registrations.get(job_uid)
        if known is None or replica.uid not in known.replicas:
            raise Denied(Denial.UNKNOWN_REPLICA)
        return job_uid, replica

    async def _follow(self, job_uid: str, replica: ReplicaId, context: Context) -> None:
        """An accepted stream; it takes the place of an older one of the same agent."""
        job, uid = self._jobs[job_uid], replica.uid
        entry = job.entries.setdefault(uid, Entry(replica))

        def hear(message: Message) -> Result:
            return self._hear(job_uid, entry, message) if job.links.get(uid) is link else Result.STALE

        link = Link(context, job.wishes.of(uid), hear, self._count, self._gate)
        if uid in job.links:
            job.links[uid].close()
        job.links[uid] = link
        try:
            await link.run()
        finally:
            if job.links.get(uid) is link:
                del job.links[uid]
                self._lose(job_uid, job, entry, link.silence)

    def _lose(self, job_uid: str, job: _Job, entry: Entry, silence: float) -> None:
        entry.lose(self._clock(), silence)
        if self._jobs.get(job_uid) is job:
            self._on_change(job_uid)

    def _hear(self, job_uid: str, entry: Entry, message: Message) -> Result:
        if isinstance(message, State):
            if entry.hear_state(message, self._clock(), monotonic()):
                self._on_change(job_uid)
            return Result.ACCEPTED
        if not isinstance(message, Report):
            return Result.MALFORMED
        if not entry.hear_report(message, monotonic()):
            return Result.STALE
        self._on_report(job_uid, entry.replica.role, entry.replica.index, message)
        return Result.ACCEPTED

    def _count(self, result: Result) -> None:
        self._messages[result.value] += 1


def _place(entry: Entry) -> tuple[int, int, str]:
    replica = entry.replica
    return (tuple(Role).index(replica.role), replica.index, replica.uid)


def _hello(data: object) -> Hello:
    if not isinstance(data, bytes):
        raise Denied(Denial.NO_HELLO)
    try:
        message = decode(data, MAX_AGENT_MESSAGE_BYTES)
    except ProtocolError:
        raise Denied(Denial.MALFORMED) from None
    if not isinstance(message, Hello):
        raise Denied(Denial.NO_HELLO)
    return message


def _token(context: Context) -> str:
    for name, value in context.invocation_metadata() or ():
        if name == "authorization" and isinstance(value, str) and value.startswith("Bearer "):
            return value.removeprefix("Bearer ")
    return ""
