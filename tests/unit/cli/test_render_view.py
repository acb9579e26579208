"""collect_view: from status, agents and store to what a renderer shows."""

import pytest

from orchestrator.api.status import Cause, JobStatus, Side
from orchestrator.api.types import Role
from orchestrator.cli.view import ReplicaRow, RunInfo, RunView, attempt_number, collect_view
from orchestrator.core.observed import Agent
from orchestrator.metrics.store import Store
from orchestrator.protocol.messages import ProgramState
from tests.fixtures.training_reports import (
    NOW,
    RUNNING,
    build_attempt,
    build_ended,
    build_job,
    build_store,
    fold_training,
    later,
    replaced,
)


def build_agent(member: str, state: ProgramState = ProgramState.RUNNING, **changes: object) -> Agent:
    fields = {"uid": f"a-{member}", "connected": True, "attempt": 1, "state": state, "pid": 4121}
    return Agent(**{**fields, **changes})  # type: ignore[arg-type]  # the fields of a test's choice


def view_of(
    *agents: Agent, status: JobStatus = RUNNING, store: Store | None = None, evaluator: bool = False
) -> RunView:
    info = RunInfo(job=build_job(evaluator=evaluator), number=3, started=NOW)
    return collect_view(info, status, agents, store or Store(), later(15))


def row_of(agent: Agent, status: JobStatus = RUNNING) -> ReplicaRow:
    return next(row for row in view_of(agent, status=status).rows if agent.uid == f"a-{row.name}")


def test_every_replica_has_a_row_from_the_start() -> None:
    rows = view_of(status=JobStatus()).rows
    assert [(row.name, row.state) for row in rows] == [
        ("chief-0", "waiting"),
        ("worker-0", "waiting"),
        ("worker-1", "waiting"),
    ]


def test_reports_give_steps_and_speed() -> None:
    store = build_store()
    fold_training(store, 10)
    view = view_of(build_agent("chief-0"), build_agent("worker-0", attempt=2), store=store)
    chief = view.rows[0]
    assert (chief.name, chief.state, chief.pid, chief.step) == ("chief-0", "running", 4121, 101)
    assert chief.step_seconds == pytest.approx(0.04)
    assert view.rows[1].step is None, "its reports are of an attempt that is over"
    assert view.progress.step == 101
    assert view.metrics["val_accuracy"] == 0.9
    assert view.eta_seconds == pytest.approx(31.9)


@pytest.mark.parametrize(
    ("agent", "state", "pid"),
    [
        (build_agent("chief-0"), "running", 4121),
        (build_agent("chief-0", ProgramState.STARTING), "starting", 4121),
        (build_agent("chief-0", ProgramState.IDLE, pid=0), "idle", 0),
        (build_agent("chief-0", busy="saving"), "running, saving", 4121),
        (build_agent("chief-0", stopped=True), "running, stopped", 4121),
        (build_agent("chief-0", connected=False), "unreachable", 4121),
        (build_agent("chief-0", ProgramState.EXITED, exit_code=0), "done", 0),
        (build_agent("chief-0", ProgramState.EXITED, exit_code=3), "exited 3", 0),
        (build_agent("chief-0", ProgramState.EXITED, signal=9), "killed by SIGKILL", 0),
    ],
)
def test_states_in_words(agent: Agent, state: str, pid: int) -> None:
    row = row_of(agent)
    assert (row.state, row.pid) == (state, pid)
    assert row.is_running == state.startswith("running")


def test_a_replica_shows_how_often_it_was_the_cause_of_a_restart() -> None:
    ended = (build_ended(1), build_ended(2, Cause.NODE_LOST, "chief-0"), build_ended(3))
    side = Side(
        role=Role.EVALUATOR, index=0, uid="a-evaluator-0", run=3, restarts=2, cause=Cause.PROGRAM_EXIT
    )
    status = replaced(RUNNING, attempts=ended, sides=(side,))
    rows = view_of(build_agent("evaluator-0"), status=status, evaluator=True).rows
    assert {row.name: row.restarts for row in rows} == {
        "chief-0": 0,
        "worker-0": 0,
        "worker-1": 2,
        "evaluator-0": 2,
    }
    assert rows[-1].state == "running"


def test_a_side_replica_that_has_succeeded_is_done() -> None:
    side = Side(role=Role.EVALUATOR, index=0, uid="gone", run=1, succeeded=True)
    assert view_of(status=replaced(RUNNING, sides=(side,)), evaluator=True).rows[-1].state == "done"


def test_the_attempt_is_the_one_that_runs_else_the_last() -> None:
    assert attempt_number(JobStatus()) == 0
    assert attempt_number(RUNNING) == 1
    assert attempt_number(replaced(RUNNING, attempt=None, attempts=(build_ended(4),))) == 4


def test_the_last_restart_is_no_resize() -> None:
    ended = (build_ended(1), build_ended(2, Cause.RESIZE, ""))
    restart = view_of(status=replaced(RUNNING, attempt=build_attempt(3), attempts=ended)).last_restart
    assert restart is not None
    assert restart.number == 1
