"""Election by a Lease: one leader at a time, by our own clock, and none that acts after it has lost."""

import asyncio

import msgspec
import pytest

from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import ApiError, Request, Response, Unreachable
from orchestrator.controller.leader import Elector, Fenced, Leadership, NotLeading, Timing

PLACE = ("ns", "lease")
QUICK = Timing(lease=0.4, renew_deadline=0.25, retry=0.05)


class Server:
    """Keeps one Lease as an API server does: by version. `is_hung`: answers nothing to this identity."""

    def __init__(self) -> None:
        self.lease: dict[str, object] | None = None
        self.version = 0
        self.is_down = False

    async def send(self, request: Request, *, seconds: float = 30.0) -> Response:
        if self.is_down:
            await asyncio.sleep(seconds)
            raise Unreachable("no answer")
        if request.method == "GET":
            return self._answer()
        body = msgspec.json.decode(request.body)
        if request.method == "POST" and self.lease is not None:
            raise ApiError(409, "AlreadyExists", "there is one")
        if request.method == "PUT" and body["metadata"]["resourceVersion"] != str(self.version):
            raise ApiError(409, "Conflict", "changed")
        self.version += 1
        self.lease = body["spec"]
        return self._answer()

    def _answer(self) -> Response:
        if self.lease is None:
            raise ApiError(404, "NotFound", "none")
        found = {"metadata": {"resourceVersion": str(self.version)}, "spec": self.lease}
        return Response(status=200, body=msgspec.json.encode(found))

    def lines(self, request: Request, *, silence_seconds: float) -> object:
        raise NotImplementedError


def elector(server: Server, name: str) -> tuple[Elector, Leadership]:
    leadership = Leadership()
    return Elector(server, PLACE, name, leadership, QUICK), leadership  # type: ignore[arg-type]  # no watch is needed


async def test_the_first_leads_and_the_second_waits() -> None:
    server = Server()
    first, leading = elector(server, "one")
    second, waiting = elector(server, "two")
    await first.acquire()
    keeping = asyncio.create_task(first.keep())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(second.acquire(), 0.6)
    assert (leading.is_held(), waiting.is_held()) == (True, False)
    keeping.cancel()


async def test_whoever_releases_lets_the_next_lead_at_once_under_a_higher_term() -> None:
    server = Server()
    first, before = elector(server, "one")
    second, after = elector(server, "two")
    await first.acquire()
    await first.release()
    assert not before.is_held()
    await asyncio.wait_for(second.acquire(), 0.3)
    assert after.term == before.term + 1


async def test_a_leader_that_died_is_followed_when_its_lease_has_run_out() -> None:
    server = Server()
    first, before = elector(server, "one")
    second, after = elector(server, "two")
    await first.acquire()
    await asyncio.wait_for(second.acquire(), 5)
    assert not before.is_held(), "the first has lost before the second leads"
    assert after.term > before.term


async def test_a_leader_that_cannot_renew_stops_leading_before_anybody_else_may() -> None:
    server = Server()
    first, leading = elector(server, "one")
    await first.acquire()
    server.is_down = True
    await asyncio.wait_for(first.keep(), 5)
    assert not leading.is_held()


async def test_a_leader_whose_lease_somebody_took_stops() -> None:
    server = Server()
    first, leading = elector(server, "one")
    await first.acquire()
    assert server.lease is not None
    server.lease = server.lease | {"holderIdentity": "other"}
    server.version += 1
    await asyncio.wait_for(first.keep(), 5)
    assert not leading.is_held()


async def test_a_lease_that_was_deleted_does_not_make_terms_small_again() -> None:
    server = Server()
    first, before = elector(server, "one")
    await first.acquire()
    server.lease = None
    second, after = elector(server, "two")
    await second.acquire()
    assert after.term >= before.term > 1_000_000


async def test_both_started_together_make_one_leader() -> None:
    server = Server()
    made = [elector(server, name) for name in ("one", "two", "three")]
    tasks = [asyncio.create_task(one.acquire()) for one, _ in made]
    await asyncio.sleep(0.1)
    assert sum(leadership.is_held() for _, leadership in made) == 1
    for task in tasks:
        task.cancel()


async def test_only_the_leader_changes_anything() -> None:
    server = Server()
    leadership = Leadership()
    fenced = Fenced(server, leadership)  # type: ignore[arg-type]  # no watch is needed
    change = resources.create(resources.LEASES, "ns", {"metadata": {}, "spec": {"holderIdentity": "x"}})
    with pytest.raises(NotLeading):
        await fenced.send(change)
    assert server.lease is None
    leadership.hold(1, float("inf"))
    await fenced.send(change)
    leadership.drop()
    assert (await fenced.send(resources.get(resources.LEASES, *PLACE))).status == 200, "everybody may look"
    with pytest.raises(NotLeading):
        await fenced.send(change)
