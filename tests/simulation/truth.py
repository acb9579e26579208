"""What the programs of a simulated world really did, held against what is written about them.

Called by the Ledger when something is recorded or started, and by the random histories at their end. Reads the world
and judges; changes nothing.
"""

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.api.status import Attempt, Cause, EndedAttempt, JobStatus
from orchestrator.api.types import Strategy
from orchestrator.core.membership import (
    Seat,
    deciding_seats,
    is_gang,
    trainer_seats,
)
from tests.simulation.agents import HEARTBEAT_SECONDS
from tests.simulation.programs import Program

if TYPE_CHECKING:
    from tests.simulation.world import World

UNHEARD_SECONDS = HEARTBEAT_SECONDS + 1.0
"""A step may be as old as this before anybody hears of it."""
HEARD_SECONDS = 20.0
"""What a program says has got through by then, if its agent is connected."""


def check_success(world: "World", status: JobStatus) -> None:
    """I3: every program that decides has ended with 0 by itself, in this very attempt."""
    spec = world.job.spec
    is_alone = spec.strategy is Strategy.INDEPENDENT
    members = [] if status.attempt is None else [(one.role, one.index) for one in status.attempt.members]
    seats = deciding_seats(spec, trainer_seats(spec) if is_alone else members)
    assert seats, "a success without anybody"
    for seat in seats:
        program = _deciding_program(world, status, seat)
        assert program is not None, f"{seat} never ran in the attempt that succeeded"
        assert program.exit_code == 0, f"{seat} did not end with 0"
        assert not (program.is_told and world.has_agents), f"{seat} was told to end: that is no success"


def _deciding_program(world: "World", status: JobStatus, seat: Seat) -> Program | None:
    ledger = world.ledger
    if is_gang(world.job.spec, seat[0]):
        assert status.attempt is not None
        return ledger.programs.get((seat, status.attempt.number))
    runs = [run for started, run in ledger.programs if started == seat]
    return ledger.programs[seat, max(runs)] if runs else None


def check_cause(world: "World", ended: EndedAttempt) -> None:
    """The end that is blamed has really happened, and in the way that is written."""
    seat = next(
        (
            (one.role, one.index)
            for record in [world.ledger.records.get(ended.number)]
            if record
            for one in record.members
            if one.name == ended.member
        ),
        None,
    )
    program = world.ledger.programs.get((seat, ended.number)) if seat else None
    if ended.cause in (Cause.PROGRAM_EXIT, Cause.PROGRAM_SIGNAL):
        _check_program_end(world, ended, program)
    elif ended.cause is Cause.HANG:
        assert program is not None
        check_hang(world, program)
    elif ended.cause is Cause.START_TIMEOUT:
        limit = world.job.spec.recovery.start_timeout_seconds
        assert (ended.end_time - ended.start_time).total_seconds() >= limit
        assert program is None or program.step is None, "it has started"


def _check_program_end(world: "World", ended: EndedAttempt, program: Program | None) -> None:
    assert program is not None
    assert not program.is_alive, f"{ended.member} is alive"
    assert not program.is_told, f"{ended.member} was told to end"
    assert ended.exit_code in (program.exit_code, 128 + (program.signal or 0)), "that is not how it ended"


def check_hang(world: "World", program: Program) -> None:
    """No step for as long as it takes, and it does not say why; or stopped by a signal."""
    training = program.training
    if program.is_frozen or training is None:
        return
    limit = world.job.spec.recovery.hang_timeout_seconds
    assert not training.busy or world.clock.seconds - training.busy_since < HEARD_SECONDS, "it is busy"
    assert program.step_times, "no first step"
    known = [one for one in program.step_times if world.clock.seconds - one > UNHEARD_SECONDS]
    has_stopped = not known or world.clock.seconds - known[-1] >= limit
    assert has_stopped or not world.network.is_reliable, "it makes steps"


def check_barrier(world: "World", attempt: Attempt) -> None:
    """No program of an older attempt is alive in the seats of those who are to run."""
    if world.job.spec.strategy is Strategy.INDEPENDENT or not world.network.is_orderly:
        return
    seats = {(one.role, one.index) for one in attempt.members}
    left = [f"{one.seat} of run {one.run}" for one in world.living if one.seat in seats]
    assert not left, f"attempt {attempt.number} opens while {left} live"


def check_lost_work(world: "World", program: Program) -> None:
    """I7: what is done again is at most what lies between two saves, and the save."""
    restored = program.restore or 0
    lost = world.furthest_step - restored
    assert lost <= world.script.save_every + 1, f"I7: {lost} steps are lost"


def check_side_ends(world: "World") -> None:
    """A restart of a replica outside the gang is the end of one of its programs, or of a replica."""
    programs = Counter(seat for seat, _ in world.ledger.starts)
    for side in world.status.sides:
        seat = (side.role, side.index)
        ends = programs[seat] + world.ledger.ran[seat]
        assert side.restarts <= ends, f"{side.name} was counted more often than it ended"
