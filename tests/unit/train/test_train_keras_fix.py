"""Which Keras gets the fix: by its version and by the shape of its functions; and what the wrapped ones do."""

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from orchestrator.train import keras_fix

REDUCES = """
def _collective_all_reduce_multi_worker(strategy):
    return strategy.is_multi_worker

def reduce_per_replica(values, strategy, reduction):
    if reduction == "auto":
        reduction = "mean"
    def _reduce(v):
        if _collective_all_reduce_multi_worker(strategy):
            if reduction == "mean":
                return strategy.reduce("MEAN", v, axis=0)
        if reduction == "first":
            return ("first", v)
        return (reduction, v)
    return _reduce(values)

class TensorFlowTrainer:
    _distribute_strategy = None
    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        if iterator is not None:
            data_batch = self._distribute_strategy.reduce("MEAN", next(iterator), axis=None)
        return data_batch
"""

MENDED = REDUCES.replace('strategy.reduce("MEAN", v, axis=0)', "v")


def trainer_from(source: str) -> Any:
    module = ModuleType(keras_fix.TRAINER)
    exec(source, module.__dict__)  # a trainer of our own, written above
    module.__dict__["tree"] = SimpleNamespace(map_structure=lambda function, value: function(value))
    return module


class Strategy:
    def __init__(self, is_multi_worker: bool) -> None:
        self.is_multi_worker = is_multi_worker

    def reduce(self, how: str, value: object, axis: int | None) -> str:
        return f"{how} {value} {axis}"

    def experimental_local_results(self, value: object) -> tuple[str]:
        return (f"local {value}",)


@pytest.mark.parametrize(
    ("version", "source", "verdict"),
    [
        ((3, 3), REDUCES, True),
        ((3, 15), REDUCES, True),
        ((3, 10), MENDED, False),
        ((3, 2), REDUCES, None),
        ((3, 16), REDUCES, None),
        ((4, 0), MENDED, None),
    ],
)
def test_version_and_structure_decide(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int], source: str, verdict: bool | None
) -> None:
    monkeypatch.setattr(keras_fix, "_version", lambda: version)
    assert keras_fix.needs_fix(trainer_from(source)) is verdict


def test_only_several_workers_get_the_other_behaviour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_fix, "_version", lambda: (3, 15))
    trainer = trainer_from(REDUCES)
    original = trainer.reduce_per_replica
    assert keras_fix.apply(trainer)
    one, several = Strategy(False), Strategy(True)
    assert trainer.reduce_per_replica("v", one, "auto") == original("v", one, "auto") == ("mean", "v")
    assert original("v", several, "auto") == "MEAN v 0"
    assert trainer.reduce_per_replica("v", several, "auto") == ("first", "v")
    assert trainer.reduce_per_replica("v", several, "sum") == "SUM v None"
    assert trainer.reduce_per_replica("v", several, "concat") == ("concat", "v")


def test_a_build_takes_one_replicas_batch_of_any_iterator(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_fix, "_version", lambda: (3, 15))
    trainer = trainer_from(REDUCES)
    keras_fix.apply(trainer)
    model = trainer.TensorFlowTrainer()
    assert model._maybe_symbolic_build(data_batch="given") == "given"
    model._distribute_strategy = Strategy(False)
    assert model._maybe_symbolic_build(iterator=iter(["batch"])) == "MEAN batch None"
    model._distribute_strategy = Strategy(True)
    newer = [(0, 1, iter(["batch"]))]
    older = SimpleNamespace(enumerate_epoch=lambda: iter([(0, iter(["batch"]))]))
    assert model._maybe_symbolic_build(iterator=newer) == "local batch"
    assert model._maybe_symbolic_build(iterator=older) == "local batch"


def test_it_is_applied_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_fix, "_version", lambda: (3, 15))
    trainer = trainer_from(REDUCES)
    assert keras_fix.apply(trainer)
    fixed = trainer.reduce_per_replica
    assert keras_fix.needs_fix(trainer) is False
    assert keras_fix.apply(trainer)
    assert trainer.reduce_per_replica is fixed


@pytest.mark.parametrize(("world_size", "warns"), [("1", False), ("2", True)])
def test_an_unknown_version_is_warned_about_where_it_matters(
    monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder, world_size: str, warns: bool
) -> None:
    monkeypatch.setattr(keras_fix, "_version", lambda: (3, 16))
    monkeypatch.setenv("TFO_WORLD_SIZE", world_size)
    trainer = trainer_from(REDUCES)
    original = trainer.reduce_per_replica
    assert not keras_fix.apply(trainer)
    assert trainer.reduce_per_replica is original
    assert [str(each.message).split(" is ")[0] for each in recwarn.list] == ["Keras 3.16"] * warns
