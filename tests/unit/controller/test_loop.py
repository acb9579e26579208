"""The loop: turns follow wake-ups and time, one at a time, and never for ever without progress."""

import asyncio

import pytest

from orchestrator.controller.loop import MAX_TURNS_IN_A_ROW, Loop


async def test_a_turn_that_asks_for_another_gets_it_at_once() -> None:
    answers = [0.0, 0.0, 5.0]
    done: list[float] = []

    async def turn() -> float:
        done.append(answers[len(done)])
        return done[-1]

    await Loop(turn, lambda: len(done) == 3).run()
    assert done == answers


async def test_a_wake_up_ends_the_wait() -> None:
    turns = 0
    begun = asyncio.Event()

    async def turn() -> None:
        nonlocal turns
        turns += 1
        begun.set()

    loop = Loop(turn, lambda: turns >= 2)
    task = asyncio.create_task(loop.run())
    await begun.wait()
    loop.wake()
    await asyncio.wait_for(task, 5)
    assert turns == 2


async def test_a_wake_up_during_a_turn_is_not_lost() -> None:
    turns = 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns == 1:
            loop.wake()

    loop = Loop(turn, lambda: turns >= 2)
    await asyncio.wait_for(loop.run(), 5)
    assert turns == 2


async def test_time_alone_starts_a_turn() -> None:
    turns = 0

    async def turn() -> float:
        nonlocal turns
        turns += 1
        return 0.001

    await asyncio.wait_for(Loop(turn, lambda: turns >= 3).run(), 5)


async def test_turns_that_never_settle_are_an_error() -> None:
    turns = 0

    async def turn() -> float:
        nonlocal turns
        turns += 1
        return 0.0

    with pytest.raises(RuntimeError, match="settle"):
        await Loop(turn, lambda: False).run()
    assert turns == MAX_TURNS_IN_A_ROW + 1
