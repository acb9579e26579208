"""A leader ends in time for the next one to make itself a new certificate."""

import asyncio

from orchestrator.controller.program import LEAD_SECONDS, hand_over_after
from orchestrator.coordinator.certificates import SERVER_DAYS


async def test_it_stops_after_its_time_and_not_before() -> None:
    stopped: list[bool] = []
    waiting = asyncio.ensure_future(hand_over_after(0.05, lambda: stopped.append(True)))
    await asyncio.sleep(0)
    assert stopped == []
    await waiting
    assert stopped == [True]


def test_its_time_is_shorter_than_the_life_of_its_certificate() -> None:
    assert 0 < LEAD_SECONDS <= (SERVER_DAYS - 30) * 86400
