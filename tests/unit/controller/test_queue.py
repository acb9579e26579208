"""Keys take turns: coalesced, delayed, never twice at once, and one that fails holds up nobody."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from orchestrator.controller import queue as module
from orchestrator.controller.queue import Queue


class World:
    """A queue whose turns do what `does` says."""

    def __init__(self, workers: int = 4) -> None:
        self.turns: Counter[str] = Counter()
        self.failures: list[tuple[str, str]] = []
        self.does: Callable[[str], Awaitable[float | None]] = self._nothing
        self.queue = Queue(self._turn, lambda key, error: self.failures.append((key, str(error))), workers)
        self.task: asyncio.Task[None] | None = None

    async def _nothing(self, key: str) -> None:
        return None

    async def _turn(self, key: str) -> float | None:
        self.turns[key] += 1
        return await self.does(key)

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.001)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    made.task = asyncio.create_task(made.queue.run())
    yield made
    made.queue.close()
    await asyncio.wait_for(made.task, 5)


async def test_many_wake_ups_before_a_turn_are_one_turn(world: World) -> None:
    for _ in range(10):
        world.queue.add("a")
    await world.until(lambda: world.turns["a"] > 0)
    await asyncio.sleep(0.01)
    assert world.turns["a"] == 1


async def test_wake_ups_during_a_turn_are_one_more_and_never_two_at_once(world: World) -> None:
    running = 0

    async def slow(key: str) -> None:
        nonlocal running
        running += 1
        assert running == 1
        if world.turns[key] == 1:
            for _ in range(5):
                world.queue.add(key)
        await asyncio.sleep(0.01)
        running -= 1

    world.does = slow
    world.queue.add("a")
    await world.until(lambda: world.turns["a"] == 2)
    await asyncio.sleep(0.02)
    assert world.turns["a"] == 2


async def test_a_turn_that_asks_for_another_at_once_or_later_gets_it(world: World) -> None:
    answers: list[float | None] = [0.0, 0.01, None]

    async def turn(key: str) -> float | None:
        return answers[world.turns[key] - 1]

    world.does = turn
    world.queue.add("a")
    await world.until(lambda: world.turns["a"] == 3)
    await asyncio.sleep(0.03)
    assert world.turns["a"] == 3


async def test_the_earliest_of_several_delays_holds(world: World) -> None:
    world.queue.add_after("a", 60)
    world.queue.add_after("a", 0.01)
    world.queue.add_after("a", 30)
    await world.until(lambda: world.turns["a"] == 1)


async def test_a_key_that_fails_waits_longer_each_time_and_holds_up_nobody(world: World) -> None:
    async def turn(key: str) -> None:
        if key == "bad":
            raise ValueError("broken")

    world.does = turn
    world.queue.add("bad")
    for number in range(200):
        world.queue.add(f"good-{number}")
    await world.until(lambda: sum(world.turns.values()) >= 201)
    await world.until(lambda: world.turns["bad"] >= 3)
    assert world.failures[0] == ("bad", "broken")
    assert world.queue.numbers.errors == world.turns["bad"]


async def test_a_success_ends_the_back_off(world: World) -> None:
    async def turn(key: str) -> None:
        if world.turns[key] in (1, 3):
            raise ValueError("broken")

    world.does = turn
    world.queue.add("a")
    await world.until(lambda: world.turns["a"] == 2)
    world.queue.add("a")
    await world.until(lambda: world.turns["a"] == 4)


async def test_a_decision_that_never_settles_is_an_error_and_not_a_busy_loop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_TURNS_IN_A_ROW", 5)

    async def turn(key: str) -> float:
        return 0.0

    world.does = turn
    world.queue.add("a")
    await world.until(lambda: bool(world.failures))
    assert world.failures == [("a", "the decision does not settle")]


async def test_workers_share_the_keys(world: World) -> None:
    together = asyncio.Barrier(4)

    async def turn(key: str) -> None:
        await together.wait()

    world.does = turn
    for number in range(4):
        world.queue.add(str(number))
    await world.until(lambda: sum(world.turns.values()) == 4)


async def test_after_the_end_turns_that_run_come_to_theirs_and_none_begins() -> None:
    world = World(workers=1)
    go = asyncio.Event()

    async def turn(key: str) -> None:
        await go.wait()

    world.does = turn
    task = asyncio.create_task(world.queue.run())
    world.queue.add("a")
    world.queue.add("b")
    await world.until(lambda: world.turns["a"] == 1)
    assert (world.queue.running, world.queue.depth) == (1, 1)
    world.queue.close()
    go.set()
    await asyncio.wait_for(task, 5)
    await world.queue.ended()
    assert world.turns == {"a": 1}
