"""What the start-up hook does to a Keras that a program imports: the multi-worker fix, and a callback in each `fit`.

Called by `hook/sitecustomize.py` with the trainer module, right after that was imported; which of the two is allowed
stands in TFO_INSTRUMENT. Programs that pass a ReportCallback themselves get no second one. It must never fail a
`fit`. Python 3.9 syntax.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any, Callable, Collection, Dict, Optional

from orchestrator.train import keras_fix
from orchestrator.train.batches import examples_per_step
from orchestrator.train.report_callback import ReportCallback
from orchestrator.train.reporter import current

METRICS = "metrics"
KERAS_FIX = "kerasFix"


def instrument(trainer: Any, class_name: str, allowed: Collection[str]) -> None:
    """`trainer`: the module that defines class `class_name` with `fit`."""
    if KERAS_FIX in allowed and trainer.__name__ == keras_fix.TRAINER:
        keras_fix.apply(trainer)
    if METRICS in allowed and current().is_active:
        cls = getattr(trainer, class_name)
        cls.fit = reporting_fit(cls.fit)


def reporting_fit(fit: Callable[..., Any]) -> Callable[..., Any]:
    """`fit` with one more callback."""
    signature = inspect.signature(fit)

    @functools.wraps(fit)
    def instrumented(self: Any, *arguments: Any, **named: Any) -> Any:
        try:
            bound = signature.bind(self, *arguments, **named)
            callbacks = _with_report(bound.arguments)
        except Exception:
            return fit(self, *arguments, **named)
        bound.arguments["callbacks"] = callbacks
        return fit(*bound.args, **bound.kwargs)

    return instrumented


def _with_report(arguments: Dict[str, Any]) -> Any:
    """The value of `callbacks`, with ours unless it holds one of its own."""
    given: Any = arguments.get("callbacks")
    listed = getattr(given, "callbacks", given)
    existing = list(listed) if isinstance(listed, (list, tuple)) else [] if listed is None else [listed]
    if any(hasattr(each, "tfo_reports") for each in existing):
        return given
    ours = _report_callback(arguments)
    if listed is given:
        return [*existing, ours]
    # A CallbackList was made by the program: it knows model and parameters, a callback added to it must learn them.
    ours.set_model(arguments["self"])
    ours.set_params(given.params)
    listed.append(ours)
    return given


def _report_callback(arguments: Dict[str, Any]) -> Any:
    model, x, size = arguments["self"], arguments.get("x"), arguments.get("batch_size")
    strategy: Optional[Any] = getattr(model, "distribute_strategy", None)
    return ReportCallback(examples_per_step=examples_per_step(strategy, x, size))
