"""Start-up hook: Python imports it before a program's first line, since this folder stands first in PYTHONPATH.

Put there by whoever starts the program (the agent's environment). It waits for the program to import Keras and then
hands Keras's trainer to `orchestrator.train.instrument`; a program that never does pays some microseconds. It hands
over to the sitecustomize that it hides, and never fails a program. TFO_INSTRUMENT says what it may do; nothing: off,
but for a TF_CONFIG that lies in a file. It imports nothing that Python's own start-up has not loaded already.
"""

import os
import sys

TYPE_CHECKING = False  # typing itself would be slow to import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any

_HOOK = os.path.dirname(os.path.abspath(__file__))
_PACKAGE = os.path.dirname(os.path.dirname(_HOOK))
_NAME = "orchestrator"
_TF_CONFIG = "TF_CONFIG"
_IN_FILE = "@"  # as in protocol.environment, which it would cost too much to import here
_TRAINERS = {
    "keras.src.backend.tensorflow.trainer": "TensorFlowTrainer",
    "tf_keras.src.engine.training": "Model",
}


class _KerasFinder:
    """First on sys.meta_path: lets the others find Keras's trainer, and adds a step after its import."""

    def __init__(self, allowed: "frozenset[str]") -> None:
        self._allowed = allowed

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if name not in _TRAINERS:
            return None
        for finder in sys.meta_path:
            found: Any = None if isinstance(finder, _KerasFinder) else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = None if found is None else found(name, path, target)
            if spec is not None:
                _instrument_after(spec, self._allowed)
                return spec
        return None


class _PackageFinder:
    """Last on sys.meta_path: finds our package where the program's own path does not, and so hides nothing."""

    def find_spec(
        self, name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> "ModuleSpec | None":
        if name != _NAME:
            return None
        from importlib.machinery import PathFinder

        return PathFinder.find_spec(name, [os.path.dirname(_PACKAGE)])


def _instrument_after(spec: "Any", allowed: "frozenset[str]") -> None:
    """Let the spec's loader instrument the module that it has loaded."""
    execute = getattr(spec.loader, "exec_module", None)
    if execute is None:
        return

    def exec_module(module: "ModuleType") -> None:
        execute(module)
        try:
            _import_own("orchestrator.train.instrument").instrument(module, _TRAINERS[spec.name], allowed)
        except Exception as error:
            print(f"tfo: start-up hook: {type(error).__name__}: {error}", file=sys.stderr)

    spec.loader.exec_module = exec_module


def _import_own(name: str) -> "Any":
    """A module of this package, also where the program has a package of the same name: that one stays its own."""
    import importlib

    if _is_own_found():
        return importlib.import_module(name)
    theirs = _take_modules()
    finder = _PackageFinder()
    sys.meta_path.insert(0, finder)
    try:
        return importlib.import_module(name)
    finally:
        sys.meta_path.remove(finder)
        _take_modules()
        sys.modules.update(theirs)


def _is_own_found() -> bool:
    from importlib.util import find_spec

    module = sys.modules.get(_NAME)
    spec = module.__spec__ if module is not None else find_spec(_NAME)
    origin = spec.origin if spec is not None else None
    return origin is not None and os.path.realpath(os.path.dirname(origin)) == os.path.realpath(_PACKAGE)


def _take_modules() -> "dict[str, ModuleType]":
    names = [name for name in sys.modules if name == _NAME or name.startswith(_NAME + ".")]
    return {name: sys.modules.pop(name) for name in names}


def _chain() -> None:
    """Import the sitecustomize that stands behind this one, in its own name."""
    sys.path[:] = [entry for entry in sys.path if entry != _HOOK]
    ours = sys.modules.pop(__name__)
    try:
        __import__(__name__)
    except ImportError as error:
        if error.name != __name__:
            raise
        sys.modules[__name__] = ours


def _read_tf_config() -> None:
    """One that is too long for a variable lies in a file, which the variable names."""
    value = os.environ.get(_TF_CONFIG, "")
    if not value.startswith(_IN_FILE):
        return
    try:
        with open(value[len(_IN_FILE) :], "rb") as file:
            text = file.read().decode()
        # For this process alone and past putenv: Linux starts no child that is given so long a variable (E2BIG). One
        # that is a Python finds the file's name and has this hook. No JSON, so that whoever cannot read it fails.
        environ: Any = os.environ
        environ._data[environ.encodekey(_TF_CONFIG)] = environ.encodevalue(text)
    except Exception as error:
        print(f"tfo: start-up hook: {_TF_CONFIG}: {type(error).__name__}: {error}", file=sys.stderr)


def _install() -> None:
    sys.meta_path.append(_PackageFinder())
    allowed = frozenset(filter(None, os.environ.get("TFO_INSTRUMENT", "").split(",")))
    if allowed:
        sys.meta_path.insert(0, _KerasFinder(allowed))


if __name__ == "sitecustomize":
    _read_tf_config()
    _install()
    _chain()
