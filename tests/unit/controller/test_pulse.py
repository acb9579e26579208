"""The event loop's pulse: alive while it beats, late when something held it up."""

import asyncio

from orchestrator.controller.pulse import DEAD_SECONDS, Pulse
from orchestrator.metrics.samples import Histogram


def late(pulse: Pulse) -> Histogram:
    (point,) = pulse.points()
    assert isinstance(point.value, Histogram)
    return point.value


def test_it_is_alive_until_beats_have_been_missing_too_long() -> None:
    now = [100.0]
    pulse = Pulse(lambda: now[0])
    now[0] += DEAD_SECONDS - 0.1
    assert pulse.is_alive()
    now[0] += 0.1
    assert not pulse.is_alive()
    pulse.beat()
    assert pulse.is_alive()


def test_it_says_how_late_a_beat_was() -> None:
    now = [100.0]
    pulse = Pulse(lambda: now[0])
    now[0] += 3.5
    pulse.beat()
    assert (sum(late(pulse).counts), late(pulse).sum) == (1, 2.5)


async def test_it_beats_while_the_loop_turns() -> None:
    pulse = Pulse(asyncio.get_running_loop().time, 0.001)
    running = asyncio.ensure_future(pulse.run())
    async with asyncio.timeout(10):
        while sum(late(pulse).counts) < 3:
            await asyncio.sleep(0.001)
    running.cancel()
