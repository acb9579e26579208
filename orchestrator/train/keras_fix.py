"""Mends `model.fit` of Keras 3 on several workers (keras issue 20585), where the installed Keras needs it.

Called by the start-up hook, by the built-in workloads before they build a model, and by `tfo doctor` (`needs_fix`).
Two functions of Keras's TensorFlow trainer reduce values over workers in ways that MultiWorkerMirroredStrategy
cannot; both are wrapped, and behave as before under every other strategy. Versions before 3.5 need more
(`keras_before_3_5`). Unknown versions are left alone.
Python 3.9 syntax.
"""

from __future__ import annotations

import functools
import importlib
import warnings
from types import CodeType, FunctionType
from typing import Any, Optional, Set, Tuple

from orchestrator.train import keras_before_3_5
from orchestrator.train.membership import context

TRAINER = "keras.src.backend.tensorflow.trainer"
FIRST_KNOWN = (3, 3)
LAST_KNOWN = (3, 15)
"""Versions whose trainer was read and compared; 3.3 and 3.15 also run in the tests."""
_MARK = "_tfo_multi_worker"


def needs_fix(trainer: Optional[Any] = None) -> Optional[bool]:
    """Whether the Keras at hand fails on several workers; None if its version is unknown."""
    if trainer is None:
        trainer = _import_trainer()
    if trainer is None or is_fixed(trainer):
        return False
    if not FIRST_KNOWN <= _version() <= LAST_KNOWN:
        return None
    return _reduces_scalars_along_an_axis(trainer)


def apply(trainer: Optional[Any] = None) -> bool:
    """Fix the trainer module if it needs it. True if it is fixed now. Warns, in a job of several, if it cannot tell."""
    if trainer is None:
        trainer = _import_trainer()
    verdict = needs_fix(trainer)
    if verdict is None and context().world_size > 1:
        warnings.warn(
            f"Keras {_text(_version())} is not among the versions known to tf-orchestrator ({_text(FIRST_KNOWN)} to "
            f"{_text(LAST_KNOWN)}): its model.fit is left as it is, and may fail on several workers",
            RuntimeWarning,
            stacklevel=2,
        )
    if verdict and trainer is not None:
        _wrap_reduction(trainer)
        _wrap_symbolic_build(trainer)
        if _version() < (3, 5):
            keras_before_3_5.apply(trainer)
    return trainer is not None and is_fixed(trainer)


def is_fixed(trainer: Any) -> bool:
    """Whether this process's Keras carries the fix already."""
    return hasattr(trainer.reduce_per_replica, _MARK)


def _import_trainer() -> Optional[Any]:
    """The trainer of Keras 3 on TensorFlow, None where Keras is absent or runs on something else."""
    try:
        keras = importlib.import_module("keras")
        return importlib.import_module(TRAINER) if keras.config.backend() == "tensorflow" else None
    except (ImportError, AttributeError):
        return None


def _version() -> Tuple[int, int]:
    # Not keras.__version__: while the trainer is being imported, `keras` itself is not there yet.
    text = str(importlib.import_module("keras.src.version").__version__)
    major, minor = text.split(".")[:2]
    return int(major), int(minor)


def _text(version: Tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _reduces_scalars_along_an_axis(trainer: Any) -> bool:
    """The structure that fails: on several workers, mode "auto" becomes strategy.reduce("MEAN", v, axis=0)."""
    words = _words(trainer.reduce_per_replica)
    return {"_collective_all_reduce_multi_worker", "reduce", "MEAN", "auto", "first"} <= words


def _words(function: object) -> Set[str]:
    """Names and string constants in a function and the functions inside it."""
    found: Set[str] = set()
    todo = [function.__code__] if isinstance(function, FunctionType) else []
    while todo:
        code = todo.pop()
        found.update(code.co_names)
        for constant in code.co_consts:
            if isinstance(constant, str):
                found.add(constant)
            elif isinstance(constant, CodeType):
                todo.append(constant)
    return found


def _wrap_reduction(trainer: Any) -> None:
    original = trainer.reduce_per_replica

    @functools.wraps(original)
    def reduce_per_replica(values: Any, strategy: Any, reduction: str) -> Any:
        if trainer._collective_all_reduce_multi_worker(strategy):
            if reduction == "auto":
                # The results of metrics are what is reduced; those of the first replica stand for their worker.
                reduction = "first"
            elif reduction == "sum":
                return trainer.tree.map_structure(
                    lambda value: strategy.reduce("SUM", value, axis=None), values
                )
        return original(values, strategy, reduction)

    setattr(reduce_per_replica, _MARK, True)
    trainer.reduce_per_replica = reduce_per_replica


def _wrap_symbolic_build(trainer: Any) -> None:
    """A build needs one sample batch, and any replica's will do: nothing has to be reduced. Absent before 3.5."""
    cls = trainer.TensorFlowTrainer
    original = getattr(cls, "_maybe_symbolic_build", None)
    if original is None or "MEAN" not in _words(original):
        return

    @functools.wraps(original)
    def _maybe_symbolic_build(self: Any, iterator: Any = None, data_batch: Any = None) -> Any:
        strategy = self._distribute_strategy
        if (
            iterator is not None
            and strategy is not None
            and trainer._collective_all_reduce_multi_worker(strategy)
        ):
            return original(self, data_batch=_sample_batch(trainer, strategy, iterator))
        return original(self, iterator=iterator, data_batch=data_batch)

    cls._maybe_symbolic_build = _maybe_symbolic_build


def _sample_batch(trainer: Any, strategy: Any, iterator: Any) -> Any:
    # Keras 3.5 to 3.7 iterate through a method of the iterator, later ones through the iterator itself.
    steps = iterator.enumerate_epoch() if hasattr(iterator, "enumerate_epoch") else iterator
    batch = next(next(iter(steps))[-1])
    return trainer.tree.map_structure(lambda value: strategy.experimental_local_results(value)[0], batch)
