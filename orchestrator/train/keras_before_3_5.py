"""What Keras 3.3 and 3.4, those of TensorFlow 2.16, need besides to train on several workers; both as 3.5 does it.

Called by `keras_fix` for these versions only. Without the first, random layers cannot be made; without the second,
each worker trains a model of its own, silently. Python 3.9 syntax.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any, Sequence

from orchestrator.train.membership import context


def apply(trainer: Any) -> None:
    if context().world_size > 1:
        _sign_seeds()
    _reduce_gradients(trainer)


def _sign_seeds() -> None:
    """Keep the state of seeds as int64 where it was uint32, a type that workers cannot send each other."""
    seeds = importlib.import_module("keras.src.random.seed_generator")
    for function in (seeds.SeedGenerator.__init__, seeds.SeedGenerator.next, seeds.draw_seed):
        code = function.__code__
        signed = tuple("int64" if constant == "uint32" else constant for constant in code.co_consts)
        function.__code__ = code.replace(co_consts=signed)


def _reduce_gradients(trainer: Any) -> None:
    """Add up gradients where the replicas still are; Keras does it one call later, where they are gone already."""
    cls = importlib.import_module("keras.src.backend.tensorflow.optimizer").TFOptimizer
    original = cls._backend_update_step

    @functools.wraps(original)
    def _backend_update_step(
        self: Any, grads: Sequence[Any], variables: Sequence[Any], learning_rate: Any
    ) -> None:
        if trainer._collective_all_reduce_multi_worker(self._distribution_strategy):
            grads = [grad for grad, _ in self._all_reduce_sum_gradients(list(zip(grads, variables)))]
        original(self, grads, variables, learning_rate)

    cls._backend_update_step = _backend_update_step
