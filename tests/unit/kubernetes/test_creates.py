"""Many creates at once, with a slow start."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from orchestrator.backends.kubernetes.creates import slow_start


class Server:
    def __init__(self, works: Callable[[int], bool] = lambda number: True) -> None:
        self.works = works
        self.most_at_once = self.at_once = 0
        self.rounds: list[int] = []

    def tries(self, count: int) -> list[Callable[[], Awaitable[bool]]]:
        return [lambda number=number: self._try(number) for number in range(count)]  # type: ignore[misc]  # a default binds it

    async def _try(self, number: int) -> bool:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        return self.works(number)


async def test_everything_is_tried_and_never_too_much_at_once() -> None:
    server = Server()
    assert await slow_start(server.tries(1000), most=50) == 1000
    assert server.most_at_once == 50


async def test_what_fails_at_once_is_tried_once() -> None:
    server = Server(lambda number: False)
    assert await slow_start(server.tries(1000)) == 1


async def test_a_few_failures_stop_nobody() -> None:
    server = Server(lambda number: number % 2 == 0)
    assert await slow_start(server.tries(100)) == 100


@pytest.mark.parametrize("count", [5, 500])
async def test_what_went_unanswered_is_raised_when_its_round_is_over(count: int) -> None:
    def broken(number: int) -> bool:
        if number == count - 1:
            raise ConnectionError("gone")
        return True

    with pytest.raises(ConnectionError):
        await slow_start(Server(broken).tries(count), most=8)


async def test_nothing_to_try() -> None:
    assert await slow_start([]) == 0
