"""A cache is kept in step with the server through everything that networks and servers do."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import ApiError, Unreachable
from orchestrator.backends.kubernetes.cache import Cache
from orchestrator.backends.kubernetes.objects import Pod
from orchestrator.backends.kubernetes.reflector import Reflector
from tests.fixtures.scripted_api import ScriptedApi, page, pod

PATH = "/api/v1/namespaces/ns/pods"
GONE = ApiError(410, "Expired", "too old resource version")


class World:
    """A reflector that runs, and the keys of whose changes it told."""

    def __init__(self) -> None:
        self.api = ScriptedApi()
        self.cache: Cache[Pod] = Cache(lambda one: one.metadata.labels.get("tf-orchestrator.io/job-name"))
        self.told: list[str] = []
        self.cache.on_change = self.told.append
        self.reflector = Reflector(self.api, resources.PODS, Pod, self.cache, namespace="ns")
        self.reflector.sleep = self._wait
        self.waits: list[float] = []
        self.task: asyncio.Task[None] | None = None

    async def _wait(self, seconds: float) -> None:
        """Waits take no time."""
        self.waits.append(seconds)
        await asyncio.sleep(0)

    @property
    def names(self) -> list[str]:
        return sorted(one.metadata.name for one in self.cache.all())

    async def until(self, condition: Callable[[], bool]) -> None:
        self.task = self.task or asyncio.ensure_future(self.reflector.run())
        async with asyncio.timeout(2):
            while not condition():
                await asyncio.sleep(0)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    if made.task is not None:
        made.task.cancel()
        await asyncio.gather(made.task, return_exceptions=True)


async def test_it_lists_page_by_page_and_watches_from_there(world: World) -> None:
    world.api.answer("GET", PATH, page(10, pod("a", 5), following="more"), page(10, pod("b", 7)))
    await world.until(lambda: len(world.api.watched) == 1)
    assert world.names == ["a", "b"]
    assert world.reflector.synced.is_set()
    assert ("continue", "more") in world.api.asked[1].query
    query = dict(world.api.watched[0].query)
    assert (query["resourceVersion"], query["allowWatchBookmarks"]) == ("10", "true")
    assert 300 <= int(query["timeoutSeconds"]) <= 600


async def test_changes_arrive_and_are_told_by_job(world: World) -> None:
    world.api.answer("GET", PATH, page(10))
    world.api.feed("ADDED", pod("a", 11, job="one"))
    world.api.feed("MODIFIED", pod("a", 12, job="one"))
    world.api.feed("DELETED", pod("a", 13, job="one"))
    await world.until(lambda: world.reflector.events == 3)
    assert world.told == ["one", "one", "one"]
    assert world.names == []
    assert world.cache.has_seen("13", "ns")


async def test_a_bookmark_moves_the_version_and_tells_nobody(world: World) -> None:
    world.api.answer("GET", PATH, page(10))
    world.api.feed("BOOKMARK", {"metadata": {"resourceVersion": "50"}})
    await world.until(lambda: world.cache.has_seen("50", "ns"))
    world.api.cut()
    await world.until(lambda: len(world.api.watched) == 2)
    assert dict(world.api.watched[1].query)["resourceVersion"] == "50"
    assert world.told == []


async def test_a_broken_watch_goes_on_from_the_newest_version_without_a_list(world: World) -> None:
    world.api.answer("GET", PATH, page(10))
    world.api.feed("ADDED", pod("a", 20))
    world.api.cut(Unreachable("silence"))
    await world.until(lambda: len(world.api.watched) == 2)
    assert dict(world.api.watched[1].query)["resourceVersion"] == "20"
    assert world.reflector.lists == 1


@pytest.mark.parametrize("in_stream", [True, False])
async def test_a_version_that_is_too_old_is_a_new_list_in_which_the_missing_are_gone(
    world: World, in_stream: bool
) -> None:
    world.api.answer("GET", PATH, page(10, pod("a", 5), pod("b", 6)), page(30, pod("b", 6)))
    await world.until(lambda: len(world.api.watched) == 1)
    if in_stream:
        world.api.feed("ERROR", {"code": 410, "reason": "Expired", "message": "too old"})
    else:
        world.api.refuse_watch(GONE)
        world.api.cut()
    await world.until(lambda: world.reflector.lists == 2)
    await world.until(lambda: world.names == ["b"])


async def test_relists_under_a_permanent_410_are_rare(world: World) -> None:
    world.api.answer("GET", PATH, page(10))
    for _ in range(5):
        world.api.refuse_watch(GONE)
    await world.until(lambda: len(world.api.watched) == 6)
    waits = world.waits
    assert len(waits) == 4, "the first time at once"
    assert min(waits) >= 15.0


async def test_it_waits_as_long_as_the_server_says(world: World) -> None:
    world.api.answer("GET", PATH, ApiError(429, "TooManyRequests", "later", retry_after=17.0), page(10))
    await world.until(lambda: len(world.api.watched) == 1)
    assert world.waits == [17.0]


async def test_errors_are_asked_again_after_waits_that_grow_and_have_a_limit(world: World) -> None:
    world.api.answer("GET", PATH, *[ApiError(500, "", "broken")] * 200, page(10))
    await world.until(lambda: len(world.api.watched) == 1)
    waits = world.waits
    assert len(waits) == 200
    assert waits[0] <= 0.2
    assert 2.0 < max(waits) <= 30.0


async def test_a_line_that_is_no_event_is_a_new_watch_and_no_crash(world: World) -> None:
    world.api.answer("GET", PATH, page(10))
    world.api.feed_line(b'{"type": "ADDED", "obj')
    await world.until(lambda: len(world.api.watched) == 2)
    world.api.feed("ADDED", pod("a", 11))
    await world.until(lambda: world.names == ["a"])


async def test_old_news_changes_nothing(world: World) -> None:
    world.api.answer("GET", PATH, page(10, pod("a", 9, uid="new")))
    world.api.feed("MODIFIED", pod("a", 5, uid="old"))
    world.api.feed("DELETED", pod("a", 6, uid="old"))
    await world.until(lambda: world.reflector.events == 2)
    assert [one.metadata.uid for one in world.cache.all()] == ["new"]


async def test_what_is_in_its_way_is_known_until_it_is_not(world: World) -> None:
    world.api.answer("GET", PATH, ApiError(403, "Forbidden", "you may not list pods"), page(10))
    await world.until(lambda: bool(world.reflector.trouble))
    assert (world.reflector.trouble, world.reflector.synced.is_set()) == ("you may not list pods", False)
    await world.until(world.reflector.synced.is_set)
    assert world.reflector.trouble == ""
