"""What the coordinator makes of an agent's messages."""

from datetime import UTC, datetime, timedelta

import pytest

from orchestrator.api.types import Role
from orchestrator.coordinator.authentication import ReplicaId
from orchestrator.coordinator.table import LONGEST_SECONDS, Entry
from orchestrator.core.observed import Agent
from orchestrator.protocol.messages import ProgramState, Report, State

THEN = datetime(2026, 1, 1, tzinfo=UTC)
LATER = THEN + timedelta(seconds=7)


def make() -> Entry:
    return Entry(ReplicaId(Role.CHIEF, 0, "uid"))


def test_since_is_when_the_attempt_and_its_state_were_first_seen() -> None:
    entry = make()
    assert entry.hear_state(State(), THEN, 0.0)
    assert not entry.hear_state(State(), LATER, 0.0)
    assert entry.observe(0.0).since == THEN
    assert entry.hear_state(State(1, ProgramState.RUNNING), LATER, 0.0)
    assert entry.observe(0.0).since == LATER
    assert entry.hear_state(State(1, ProgramState.RUNNING, stopped=True), THEN, 0.0)
    assert entry.observe(0.0).since == LATER
    assert entry.hear_state(State(2, ProgramState.RUNNING), THEN, 0.0)
    assert entry.observe(0.0).since == THEN


def test_what_an_agent_costs_is_no_news() -> None:
    entry = make()
    entry.hear_state(State(), THEN, 0.0)
    assert not entry.hear_state(State(cpu_seconds=1.0, rss_bytes=5), THEN, 0.0)
    assert entry.state.cpu_seconds == 1.0


@pytest.mark.parametrize(("said", "earlier"), [(5.0, 5.0), (-1.0, 0.0), (1e300, LONGEST_SECONDS)])
def test_an_exited_program_has_been_so_since_it_ended_however_late_that_is_heard(
    said: float, earlier: float
) -> None:
    entry = make()
    entry.hear_state(State(1, ProgramState.STOPPING, ended_seconds=3.0), THEN, 0.0)
    assert entry.observe(0.0).since == THEN
    assert entry.hear_state(State(1, ProgramState.EXITED, exit_code=1, ended_seconds=said), LATER, 0.0)
    assert entry.observe(0.0).since == LATER - timedelta(seconds=earlier)
    assert not entry.hear_state(State(1, ProgramState.EXITED, exit_code=1, ended_seconds=99.0), THEN, 0.0)
    assert entry.observe(0.0).since == LATER - timedelta(seconds=earlier)


def test_an_agent_that_falls_silent_is_lost_since_it_was_heard_last() -> None:
    entry = make()
    entry.hear_state(State(), THEN, 0.0)
    entry.lose(LATER, 7.0)
    assert entry.observe(0.0).lost_at == THEN


def test_an_agent_that_comes_back_is_news_though_its_state_is_the_same() -> None:
    entry = make()
    entry.hear_state(State(), THEN, 0.0)
    entry.lose(LATER)
    assert (entry.observe(0.0).connected, entry.observe(0.0).lost_at) == (False, LATER)
    assert entry.hear_state(State(), LATER, 0.0)
    assert (entry.observe(0.0).connected, entry.observe(0.0).lost_at) == (True, None)
    assert entry.observe(0.0).since == THEN


def test_every_field_of_the_state_is_passed_on() -> None:
    entry = make()
    entry.hear_state(
        State(3, ProgramState.EXITED, 0, 1, None, True, True, True, "why", ("line",), 40, 2, 0.5, 9),
        THEN,
        0.0,
    )
    assert entry.observe(0.0) == Agent(
        uid="uid",
        connected=True,
        attempt=3,
        state=ProgramState.EXITED,
        exit_code=1,
        asked=True,
        stopped=True,
        out_of_memory=True,
        start_error="why",
        last_lines=("line",),
        checkpoint_step=40,
        since=THEN,
    )


def test_the_silence_of_a_program_counts_on_while_its_agent_is_connected() -> None:
    entry = make()
    entry.hear_state(State(1, ProgramState.RUNNING), THEN, 0.0)
    assert entry.observe(99.0).seconds_since_step is None
    assert entry.hear_report(Report(1, 1, busy="compiling"), 100.0)
    seen = entry.observe(150.0)
    assert (seen.seconds_since_step, seen.busy, seen.reported, seen.step) == (None, "compiling", True, None)
    assert entry.hear_report(Report(1, 2, step=5, seconds_since_step=2.0, checkpoint_step=4), 200.0)
    seen = entry.observe(210.0)
    assert (seen.seconds_since_step, seen.step, seen.checkpoint_step) == (12.0, 5, 4)
    assert entry.observe(190.0).seconds_since_step == 2.0
    entry.lose(LATER)
    assert entry.observe(999.0).seconds_since_step == 2.0


def test_the_state_of_an_agent_that_comes_back_says_nothing_yet_of_its_programs_silence() -> None:
    entry = make()
    entry.hear_state(State(1, ProgramState.RUNNING), THEN, 0.0)
    entry.hear_report(Report(1, 1, step=5, seconds_since_step=2.0), 10.0)
    entry.lose(LATER)
    entry.hear_state(State(1, ProgramState.RUNNING), LATER, 700.0)
    assert entry.observe(704.0).seconds_since_step == 2.0
    assert entry.observe(705.0).seconds_since_step == 697.0, "it has hung meanwhile"
    entry.hear_report(Report(1, 2, step=900, seconds_since_step=0.1), 700.5)
    assert entry.observe(705.5).seconds_since_step == 5.1


def test_reports_that_are_old_repeated_or_of_another_attempt_are_no_news() -> None:
    entry = make()
    entry.hear_state(State(2, ProgramState.RUNNING), THEN, 0.0)
    assert entry.hear_report(Report(2, 5, step=50), 0.0)
    for stale in (Report(2, 5, step=1), Report(2, 4, step=1), Report(1, 9, step=1), Report(3, 1, step=1)):
        assert not entry.hear_report(stale, 0.0)
    assert entry.observe(0.0).step == 50
    entry.hear_state(State(3, ProgramState.STARTING), THEN, 0.0)
    assert (entry.observe(0.0).step, entry.observe(0.0).reported) == (None, False)
    assert entry.hear_report(Report(3, 1, step=2), 0.0)
