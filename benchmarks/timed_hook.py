"""Prints as JSON the seconds that the start-up hook takes when a program imports Keras: its imports, and its changes.

Started by `cost` with the hook in PYTHONPATH; loading the hook itself comes before and is not in it.
"""

import importlib
import json
import sys
from types import ModuleType
from typing import Any

from benchmarks.timing import Timer


def main() -> None:
    hook: Any = sys.modules["sitecustomize"]
    timer = Timer()
    timer.wrap(hook, "_import_own")
    import_own = hook._import_own

    def and_instrument(name: str) -> ModuleType:
        module: ModuleType = import_own(name)
        timer.wrap(module, "instrument")
        return module

    hook._import_own = and_instrument
    importlib.import_module("keras")
    if timer.calls != 2:
        raise RuntimeError("the start-up hook did not do its work")
    print(json.dumps(timer.seconds))


if __name__ == "__main__":
    main()
