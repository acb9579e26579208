"""`report()`: what users' calls become, and that nothing a user passes can raise."""

import pytest

from orchestrator import train
from orchestrator.train import reporting
from orchestrator.train.reporter import Reporter
from orchestrator.train.reporting import Pace
from tests.unit.train.conftest import Listener


@pytest.fixture(autouse=True)
def fresh_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "_paces", [])
    monkeypatch.delenv("TFO_RESTORE_STEP", raising=False)


def test_a_report_carries_everything_it_is_given(listener: Listener, reporter: Reporter) -> None:
    train.report(step=1, total_steps=20, epoch=1, examples=32, loss=0.5, accuracy=0.9)
    train.report(step=4, examples=96, loss=0.4)
    first, second = listener.heard()
    assert (first.step, first.total_steps, first.epoch, first.examples, first.steps) == (1, 20, 1, 32, 1)
    assert first.metrics == {"loss": 0.5, "accuracy": 0.9}
    assert (second.step, second.steps, second.examples, sum(second.step_seconds)) == (4, 3, 96, 3)
    assert second.metrics == {"loss": 0.4}


def test_waiting_for_input_is_added_up_and_nonsense_is_not(listener: Listener, reporter: Reporter) -> None:
    train.report(step=1, input_wait_seconds=0.25)
    train.report(input_wait_seconds=-5.0)
    train.report(input_wait_seconds=float("nan"))
    train.report(step=2, input_wait_seconds=0.5)
    assert sum(each.input_wait_seconds for each in listener.heard()) == 0.75


def test_a_step_ends_whatever_the_program_was_busy_with(listener: Listener, reporter: Reporter) -> None:
    train.report(busy="evaluating")
    train.report(val_accuracy=0.8)
    train.report(step=1)
    train.report(step=2, busy="saving")
    heard = listener.heard()
    assert (heard[0].busy, heard[-1].busy) == ("evaluating", "saving")
    assert [each.busy for each in heard if each.step == 1] == ["", ""]


def test_nothing_a_user_passes_can_raise(listener: Listener, reporter: Reporter) -> None:
    train.report(step="many", loss=object())  # type: ignore[arg-type]  # the mistake under test
    train.report(step=-5, examples=-1, epoch="x")  # type: ignore[arg-type]  # the mistake under test
    train.report(step=3, loss=[1, 2])
    assert listener.heard()[-1].step == 3


def test_without_an_agent_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "current", lambda: Reporter(""))
    train.report(step=1, loss=0.5)


def test_steps_are_counted_from_the_one_that_was_restored() -> None:
    assert Pace(restored=100).advance(110, 0.0, is_working=True) == (10, None)
    assert Pace(restored=100).advance(100, 0.0, is_working=True) == (0, None)
    assert Pace(restored=100).advance(1, 0.0, is_working=True) == (1, None)
    assert Pace().advance(5000, 0.0, is_working=True) == (1, None)


def test_time_spent_otherwise_is_no_step_time() -> None:
    pace = Pace()
    pace.advance(1, 10.0, is_working=True)
    assert pace.advance(3, 11.0, is_working=True) == (2, 0.5)
    assert pace.advance(4, 99.0, is_working=False) == (1, None)
    assert pace.advance(4, 100.0, is_working=True) == (0, None)
    assert pace.advance(2, 101.0, is_working=True) == (1, None)
