"""The two Keras callbacks, driven as `fit` drives them, on a small class in Keras's place."""

import math
import os
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from orchestrator.protocol.checkpoints import committed_steps
from orchestrator.protocol.environment import STOP_FILE
from orchestrator.train import (
    CheckpointCallback,
    Checkpointer,
    ReportCallback,
    keras_base,
    model_state,
    sigterm,
    steps,
    stop,
)
from orchestrator.train.reporter import Reporter
from tests.unit.train.conftest import Listener


class Callback:
    """Keras's base class, as far as it matters here."""

    model: Any = None
    params: Any = None

    def on_train_batch_end(self, batch: int, logs: object = None) -> None: ...
    def on_test_begin(self, logs: object = None) -> None: ...
    def on_test_end(self, logs: object = None) -> None: ...


@pytest.fixture(autouse=True)
def keras(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    fake = SimpleNamespace(callbacks=SimpleNamespace(Callback=Callback))
    monkeypatch.setitem(sys.modules, "keras", cast("Any", fake))
    monkeypatch.setattr(keras_base, "_made", {})
    monkeypatch.setattr(steps, "_of_process", [0])
    monkeypatch.setattr(stop, "_sigterm", sigterm.SigtermFlag())
    monkeypatch.setattr(stop, "_all_reduce_of", lambda strategy: None)
    monkeypatch.setattr(
        model_state, "write_model", lambda model, folder: (folder / "weights").write_text("w")
    )
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


Logs = Mapping[str, Any]


def falling_loss(step: int) -> Logs:
    return {"loss": 1.0 / (step + 1)}


@dataclass
class Fit:
    """What Keras does with callbacks while it trains. known: it knows how many batches the data has."""

    epochs: int = 2
    batches: int = 4
    known: bool = True
    validate: bool = False
    iterations: int = 0
    logs: Callable[[int], Logs] = falling_loss

    def __call__(self, *callbacks: Any) -> None:
        self._callbacks = callbacks
        optimizer = SimpleNamespace(iterations=SimpleNamespace(numpy=lambda: self.iterations))
        model = SimpleNamespace(optimizer=optimizer, distribute_strategy=None, steps_per_execution=1)
        for each in callbacks:
            each.model = model
            each.params = {"epochs": self.epochs, "steps": self.batches if self.known else None}
        self._call("on_train_begin")
        for epoch in range(self.epochs):
            self._epoch(epoch)
        self._call("on_train_end")

    def _epoch(self, epoch: int) -> None:
        self._call("on_epoch_begin", epoch)
        for batch in range(self.batches):
            self._call("on_train_batch_begin", batch)
            self._call("on_train_batch_end", batch, self.logs(epoch * self.batches + batch))
        if not self.known:
            self._call("on_train_batch_begin", self.batches)  # the data runs out only now
        if self.validate:
            self._call("on_test_begin")
            self._call("on_test_end")
        self._call("on_epoch_end", epoch, {**self.logs((epoch + 1) * self.batches - 1), "val_loss": 0.25})

    def _call(self, name: str, *arguments: object) -> None:
        for each in self._callbacks:
            getattr(each, name)(*arguments)


def test_steps_epochs_metrics_and_what_fit_is_busy_with_are_reported(
    listener: Listener, reporter: Reporter
) -> None:
    Fit(validate=True)(ReportCallback(examples_per_step=8))
    heard = listener.heard()
    busy = [each.busy for each in heard]
    assert [one for one, before in zip(busy, [None, *busy], strict=False) if one != before] == [
        "compiling",
        "",
        "evaluating",
        "",
        "evaluating",
        "",
        "evaluating",
    ]
    assert [each.step for each in heard if each.steps] == list(range(1, 9))
    assert sum(each.examples for each in heard) == 64
    assert (heard[-1].step, heard[-1].total_steps, heard[-1].epoch, heard[-1].total_epochs) == (8, 8, 2, 2)
    assert [each.metrics for each in heard if each.metrics][-1] == {"loss": 0.125, "val_loss": 0.25}
    # The first step compiles, and how long the last one of an epoch takes nobody sees.
    assert sum(sum(each.step_seconds) for each in heard) == 8 - 1 - 2
    assert all(each.callback_seconds < 0.1 for each in heard)


def test_data_of_unknown_length_is_counted_right_and_its_length_learned(
    listener: Listener, reporter: Reporter
) -> None:
    Fit(epochs=3, known=False)(ReportCallback())
    heard = listener.heard()
    assert sum(each.steps for each in heard) == 12
    assert {each.total_steps for each in heard if each.epoch == 1} == {None}
    assert {each.total_steps for each in heard if each.epoch == 2} == {12}


def test_a_resumed_fit_counts_on(listener: Listener, reporter: Reporter) -> None:
    Fit(iterations=50)(ReportCallback(total_steps=100))
    heard = listener.heard()
    assert [each.step for each in heard if each.steps] == list(range(51, 59))
    assert {each.total_steps for each in heard if each.step} == {100}
    assert sum(each.steps for each in heard) == 8


def test_a_loss_that_is_not_finite_is_said_as_such(listener: Listener, reporter: Reporter) -> None:
    Fit(epochs=1, batches=2, logs=lambda step: {"loss": math.nan})(ReportCallback())
    heard = listener.heard()
    assert {each.metrics.get("loss") for each in heard} == {None}
    assert sum(each.non_finite for each in heard) >= 1


def test_the_time_of_a_save_is_no_step_time(listener: Listener, reporter: Reporter, tmp_path: Path) -> None:
    def slow(step: int) -> Mapping[str, object]:
        reporter.saving_seconds += 50.0  # as a save of so long would
        return {}

    Fit(epochs=1, batches=6)(CheckpointCallback(Checkpointer(tmp_path), 2, extra=slow), ReportCallback())
    assert sum(each.step_seconds_sum for each in listener.heard()) < 5.0


def test_nothing_is_looked_at_while_no_report_is_due(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Untouchable:
        def __float__(self) -> float:
            raise AssertionError("a device would have had to be waited for")

    quiet = Reporter("")
    monkeypatch.setattr("orchestrator.train.report_callback.current", lambda: quiet)
    Fit(logs=lambda step: {"loss": Untouchable()})(ReportCallback())
    assert not quiet.send()


def test_callbacks_belong_to_the_keras_of_the_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Legacy:
        pass

    fake = SimpleNamespace(callbacks=SimpleNamespace(Callback=Legacy))
    monkeypatch.setitem(sys.modules, "tf_keras", cast("Any", fake))
    for made in (ReportCallback(), CheckpointCallback(Checkpointer(tmp_path))):
        # Each of the two loads the other: which one trains is known only when it does.
        assert isinstance(made, Callback)
        assert isinstance(made, Legacy)
    monkeypatch.delitem(sys.modules, "tf_keras")
    alone = ReportCallback()
    assert isinstance(alone, Callback)
    assert not isinstance(alone, Legacy)
    assert isinstance(alone, ReportCallback)


def test_an_error_of_ours_ends_the_reports_and_not_the_training(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], listener: Listener
) -> None:
    def fail(*_: object) -> None:
        raise TypeError("only 0-dimensional arrays")

    reporter = Reporter(listener.path)
    monkeypatch.setattr("orchestrator.train.report_callback.current", lambda: reporter)
    callback = ReportCallback()
    monkeypatch.setattr(callback, "_add_steps", fail)
    Fit(epochs=2, batches=5)(callback)
    assert [each.busy for each in listener.heard()] == ["compiling", "unobserved"], "it is not known to hang"
    assert capsys.readouterr().err == "tfo: no more reports: TypeError: only 0-dimensional arrays\n"
    reporter.close()


def test_saves_happen_at_multiples_and_at_the_end(tmp_path: Path) -> None:
    checkpointer = Checkpointer(tmp_path, keep=10)
    extra = {"name": "mine"}
    callback = CheckpointCallback(checkpointer, 3, extra=lambda step: {**extra, "examples": step * 8})
    Fit(epochs=2, batches=5)(callback)
    assert committed_steps(str(tmp_path)) == [3, 6, 9, 10]
    text = (checkpointer.restore_path(9) / "extra.json").read_text()
    assert text == '{"name": "mine", "examples": 72}'


def test_every_steps_0_saves_only_at_the_end(tmp_path: Path) -> None:
    Fit()(CheckpointCallback(Checkpointer(tmp_path), 0))
    assert committed_steps(str(tmp_path)) == [8]


def test_a_fit_that_has_nothing_left_to_do_saves_nothing(tmp_path: Path) -> None:
    Fit(epochs=0, iterations=8)(CheckpointCallback(Checkpointer(tmp_path), 1))
    assert committed_steps(str(tmp_path)) == []


def test_steps_are_those_of_the_whole_training(tmp_path: Path) -> None:
    Fit(epochs=1, batches=15, iterations=8)(CheckpointCallback(Checkpointer(tmp_path, keep=10), 10))
    assert committed_steps(str(tmp_path)) == [10, 20, 23]


def test_sigterm_saves_once_calls_the_program_and_exits_143(
    tmp_path: Path, listener: Listener, reporter: Reporter
) -> None:
    flushed: list[str] = []

    def logs(step: int) -> Mapping[str, Any]:
        if step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return {}

    callback = CheckpointCallback(Checkpointer(tmp_path), 100, on_stop=lambda: flushed.append("flushed"))
    with pytest.raises(SystemExit) as stopped:
        Fit(logs=logs)(callback)
    assert stopped.value.code == 143
    assert committed_steps(str(tmp_path)) == [3]
    assert flushed == ["flushed"]
    assert [each.busy for each in listener.heard()] == ["stopping", "stopping"]


def test_who_listens_for_a_stop_or_saves_is_not_starting_any_more(
    tmp_path: Path, listener: Listener, reporter: Reporter
) -> None:
    """Else its agent would not ask it to stop, but end it in the midst of a save."""
    reporter.set_busy("starting")
    Fit()(CheckpointCallback(Checkpointer(tmp_path), 100))
    assert [each.busy for each in listener.heard()][:3] == ["starting", "", "saving"]
    reporter.set_busy("starting")
    Checkpointer(tmp_path).save_state(30, lambda folder: None)
    assert [each.busy for each in listener.heard()][-3:] == ["saving", "", ""]


def test_a_sigterm_that_nobody_heard_before_fit_stops_it_at_its_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hook's callback comes first: it leaves the signal to who saves."""
    (tmp_path / "stop").touch()
    monkeypatch.setenv(STOP_FILE, str(tmp_path / "stop"))
    with pytest.raises(SystemExit) as stopped:
        Fit()(ReportCallback(), CheckpointCallback(Checkpointer(tmp_path), 100))
    assert (stopped.value.code, committed_steps(str(tmp_path))) == (143, [])


def test_sigterm_in_the_last_step_still_stops(tmp_path: Path) -> None:
    def logs(step: int) -> Mapping[str, Any]:
        if step == 7:
            os.kill(os.getpid(), signal.SIGTERM)
        return {}

    with pytest.raises(SystemExit):
        Fit(logs=logs)(CheckpointCallback(Checkpointer(tmp_path), 100))
    assert committed_steps(str(tmp_path)) == [8]


def test_after_training_sigterm_is_the_programs_again(tmp_path: Path) -> None:
    calls: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    Fit()(CheckpointCallback(Checkpointer(tmp_path)))
    os.kill(os.getpid(), signal.SIGTERM)
    assert calls == [signal.SIGTERM]
