"""The whole table of what an agent does next."""

import pytest

from orchestrator.agent.decide import (
    LINGER_SECONDS,
    LOST_AFTER_FAILURE_SECONDS,
    LOST_AFTER_SUCCESS_SECONDS,
    AgentView,
    Exit,
    Kill,
    Next,
    Nothing,
    ProgramView,
    Start,
    Terminate,
    decide,
    is_acceptable,
)
from orchestrator.protocol.messages import Finish, Order, Run, SaveAndStop, Stop, Wanted

NOW = 1000.0

IDLE = ProgramView()
RUNNING = ProgramView(attempt=2, alive=True)
TERMINATED = ProgramView(attempt=2, alive=True, terminated_at=NOW - 4, kill_at=NOW + 6)
KILLING = ProgramView(attempt=2, alive=True, killing=True, kill_at=NOW - 1)
SUCCEEDED = ProgramView(attempt=2, ended_at=NOW - 9, exited_at=NOW - 9, exit_code=0)
FAILED = ProgramView(attempt=2, ended_at=NOW - 9, exited_at=NOW - 9, exit_code=3)
SIGNALED = ProgramView(attempt=2, ended_at=NOW - 9, exited_at=NOW - 9, signal=9)


def ended(seconds_ago: float, **fields: int | float | None) -> ProgramView:
    """The first process has ended, descendants have not."""
    return ProgramView(2, True, NOW - seconds_ago, **fields)  # type: ignore[arg-type]  # one table for all fields


NOTHING = (Nothing(), None)
KILL = (Kill(), None)


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, NOTHING),
        (Run(1), (Start(Run(1)), None)),
        (Run(7, {"A": "b"}), (Start(Run(7, {"A": "b"})), None)),
        (Stop(9), NOTHING),
        (SaveAndStop(9, 30), NOTHING),
        (Finish(4), (Exit(4), None)),
    ],
)
def test_idle(order: Order | None, expected: Next) -> None:
    assert decide(AgentView(IDLE, order), NOW) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, NOTHING),
        (Run(1), NOTHING),
        (Run(2), NOTHING),
        (Run(3), NOTHING),
        (Stop(1), NOTHING),
        (SaveAndStop(1, 30), NOTHING),
        (Stop(2), KILL),
        (Stop(3), KILL),
        (Stop(2, 10), (Terminate(NOW + 10), None)),
        (SaveAndStop(2, 30), (Terminate(NOW + 30), None)),
        (SaveAndStop(5, 30), (Terminate(NOW + 30), None)),
        (SaveAndStop(2, 0), KILL),
        (Finish(0), KILL),
        (Finish(0, 10), (Terminate(NOW + 10), None)),
    ],
)
def test_running(order: Order | None, expected: Next) -> None:
    assert decide(AgentView(RUNNING, order), NOW) == expected


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (SaveAndStop(2, 10), (Nothing(), NOW + 6)),
        # A wish that was withdrawn, or forgotten by a new coordinator, does not undo the SIGTERM.
        (None, (Nothing(), NOW + 6)),
        (Stop(1), (Nothing(), NOW + 6)),
        (SaveAndStop(2, 300), (Nothing(), NOW + 6)),
        (SaveAndStop(2, 5), (Nothing(), NOW + 1)),
        (Stop(2, 3), KILL),
        (Stop(2), KILL),
        (Finish(0, 2), KILL),
    ],
)
def test_terminated(order: Order | None, expected: Next) -> None:
    assert decide(AgentView(TERMINATED, order), NOW) == expected


def test_who_is_starting_has_nothing_to_save_and_is_killed_when_it_is_to_end() -> None:
    for order in (Stop(2, 3), SaveAndStop(2, 10), Finish(0, 2)):
        assert decide(AgentView(RUNNING, order, starting=True), NOW) == KILL
    assert decide(AgentView(RUNNING, leaving_grace=20.0, starting=True), NOW) == KILL
    assert decide(AgentView(RUNNING, Run(2), starting=True), NOW) == NOTHING


def test_terminated_is_killed_at_its_deadline_and_only_once() -> None:
    assert decide(AgentView(TERMINATED, SaveAndStop(2, 10)), NOW + 6) == KILL
    assert decide(AgentView(KILLING, SaveAndStop(2, 10)), NOW) == NOTHING
    assert decide(AgentView(KILLING, None), NOW) == NOTHING


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (ended(0.0, exit_code=0), (Nothing(), NOW + LINGER_SECONDS)),
        (ended(LINGER_SECONDS, exit_code=0), KILL),
        (ended(0.0, exit_code=3), KILL),
        (ended(0.0, signal=9), KILL),
        (ended(0.0, signal=15), KILL),
        # A shell that died of our SIGTERM: its command, in its group, has until the deadline.
        (
            ended(3.0, signal=15, terminated_at=NOW - 4, kill_at=NOW + 6, group_alive=True),
            (Nothing(), NOW + 6),
        ),
        (ended(10.0, signal=15, terminated_at=NOW - 14, kill_at=NOW, group_alive=True), KILL),
        # What it has put into a session of its own was never told to stop, and is hardly waited for.
        (
            ended(0.0, signal=15, terminated_at=NOW - 4, kill_at=NOW + 6),
            (Nothing(), NOW + LINGER_SECONDS),
        ),
        (ended(LINGER_SECONDS, signal=15, terminated_at=NOW - 4, kill_at=NOW + 6), KILL),
        # A program that handled our SIGTERM: what it left behind is not waited for.
        (
            ended(0.0, exit_code=143, terminated_at=NOW - 4, kill_at=NOW + 6),
            (Nothing(), NOW + LINGER_SECONDS),
        ),
        (ended(LINGER_SECONDS, exit_code=143, terminated_at=NOW - 4, kill_at=NOW + 6), KILL),
    ],
)
def test_descendants_that_outlive_the_program(program: ProgramView, expected: Next) -> None:
    assert decide(AgentView(program, Run(2)), NOW) == expected


def test_descendants_are_told_to_stop_too() -> None:
    assert decide(AgentView(ended(0.0, exit_code=0), Stop(2, 9)), NOW) == (
        Terminate(NOW + LINGER_SECONDS),
        None,
    )


@pytest.mark.parametrize("program", [SUCCEEDED, FAILED, SIGNALED])
@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (None, NOTHING),
        (Run(1), NOTHING),
        (Run(2), NOTHING),
        (Run(3, {"A": "b"}), (Start(Run(3, {"A": "b"})), None)),
        (Stop(2), NOTHING),
        (SaveAndStop(2, 9), NOTHING),
        (Finish(0), (Exit(0), None)),
        (Finish(5, 9), (Exit(5), None)),
    ],
)
def test_exited_and_connected_waits_without_limit(
    program: ProgramView, order: Order | None, expected: Next
) -> None:
    assert decide(AgentView(program, order), NOW) == expected
    assert decide(AgentView(program, order), NOW + 1e6) == expected


@pytest.mark.parametrize(
    ("program", "code", "patience"),
    [
        (SUCCEEDED, 0, LOST_AFTER_SUCCESS_SECONDS),
        (FAILED, 3, LOST_AFTER_FAILURE_SECONDS),
        (SIGNALED, 137, LOST_AFTER_FAILURE_SECONDS),
    ],
)
def test_exited_without_coordinator_leaves_with_the_programs_code(
    program: ProgramView, code: int, patience: float
) -> None:
    lost_after = AgentView(program, lost_since=NOW)
    assert decide(lost_after, NOW) == (Nothing(), NOW + patience)
    assert decide(lost_after, NOW + patience - 0.1) == (Nothing(), NOW + patience)
    assert decide(lost_after, NOW + patience) == (Exit(code), None)
    lost_before = AgentView(program, lost_since=NOW - 10_000)
    assert decide(lost_before, NOW) == (Nothing(), NOW - 9 + patience)
    assert decide(AgentView(program, Run(3), lost_since=0.0), NOW) == (Start(Run(3)), None)


def test_without_coordinator_training_goes_on_and_an_idle_agent_waits() -> None:
    assert decide(AgentView(RUNNING, lost_since=0.0), NOW) == NOTHING
    assert decide(AgentView(IDLE, lost_since=0.0), NOW) == NOTHING


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (IDLE, (Exit(143), None)),
        (SUCCEEDED, (Exit(143), None)),
        (RUNNING, (Terminate(NOW + 20), None)),
        (TERMINATED, (Nothing(), NOW + 6)),
        (KILLING, NOTHING),
    ],
)
def test_an_agent_that_is_asked_to_go_stops_its_program_first(program: ProgramView, expected: Next) -> None:
    for order in (None, Run(9), Finish(5, 100)):
        assert decide(AgentView(program, order, leaving_grace=20.0), NOW) == expected


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (IDLE, (Exit(1), None)),
        (FAILED, (Exit(1), None)),
        (RUNNING, KILL),
        (TERMINATED, KILL),
        (KILLING, NOTHING),
    ],
)
def test_an_orphan_kills_at_once_and_ends(program: ProgramView, expected: Next) -> None:
    for order in (None, Run(9), SaveAndStop(2, 100), Finish(0, 100)):
        assert decide(AgentView(program, order, orphaned=True, leaving_grace=20.0), NOW) == expected


@pytest.mark.parametrize(
    ("wanted", "accepted"),
    [
        (Wanted("job", 3), True),
        (Wanted("job", 4, Run(1)), True),
        (Wanted("job", 2, Stop(1)), False),
        (Wanted("other", 3), False),
    ],
)
def test_lower_terms_and_other_jobs_are_refused(wanted: Wanted, accepted: bool) -> None:
    assert is_acceptable(wanted, "job", 3) is accepted
