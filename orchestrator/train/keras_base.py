"""Which Keras a program uses, and callbacks that belong to it, found out only when one is made.

Called by the two callback classes. Keras 3 and tf_keras have different `Callback` classes, and importing either
loads TensorFlow, which `import orchestrator.train` must not do. Python 3.9 syntax.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Dict, Tuple, Type, TypeVar

T = TypeVar("T")
_made: Dict[Tuple[type, type], type] = {}


def keras_module() -> Any:
    """The Keras of this program: the one that TensorFlow is told to use, else the one that is loaded."""
    is_legacy = os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true")
    order = ("tf_keras", "keras") if is_legacy else ("keras", "tf_keras")
    for name in order:
        if name in sys.modules:
            return sys.modules[name]
    return importlib.import_module(order[0])


def with_keras_base(cls: Type[T]) -> Type[T]:
    """`cls` as a callback of this program's Keras."""
    base = keras_module().callbacks.Callback
    if issubclass(cls, base):
        return cls
    made = _made.get((cls, base))
    if made is None:
        made = _made[cls, base] = type(cls.__name__, (cls, base), {"__module__": cls.__module__})
    return made
