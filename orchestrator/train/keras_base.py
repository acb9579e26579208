"""Callbacks that belong to whichever Keras a program uses, found out only when one is made.

Called by the two callback classes. Keras 3 and tf_keras have different `Callback` classes, and importing either
loads TensorFlow, which `import orchestrator.train` must not do. Python 3.9 syntax.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any, Dict, Tuple, Type, TypeVar

T = TypeVar("T")
_made: Dict[Tuple[type, ...], type] = {}
_NAMES = ("tf_keras", "keras")


def with_keras_base(cls: Type[T]) -> Type[T]:
    """`cls` as a callback of this program's Keras; where both are loaded, of both: each loads the other unasked."""
    bases = _bases()
    if issubclass(cls, bases):
        return cls
    made = _made.get((cls, *bases))
    if made is None:
        own: Dict[str, object] = {"__module__": cls.__module__}
        if len(bases) > 1:
            own["model"] = None  # tf_keras sets it, which is a property without a setter in Keras 3
        made = _made[(cls, *bases)] = type(cls.__name__, (cls, *bases), own)
    return made


def _bases() -> Tuple[type, ...]:
    loaded = [sys.modules[name] for name in _NAMES if name in sys.modules]
    is_legacy = os.environ.get("TF_USE_LEGACY_KERAS", "").lower() in ("1", "true")
    modules: Any = loaded or [importlib.import_module("tf_keras" if is_legacy else "keras")]
    return tuple(module.callbacks.Callback for module in modules)
