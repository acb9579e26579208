"""Looks at TensorFlow and Keras of this interpreter and prints what it found as one line of JSON.

Started by `doctor` as a process of its own (`python -m orchestrator.cli.probe`): importing TensorFlow takes seconds
and hundreds of megabytes, and a broken one may take the process down.
"""

import importlib
import importlib.util
import json
import os
import sys
from typing import Any


def main() -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    print(json.dumps(look()))
    return 0


def look() -> dict[str, Any]:
    """Versions are null where the package is not installed."""
    found: dict[str, Any] = {"scikitLearn": importlib.util.find_spec("sklearn") is not None}
    if importlib.util.find_spec("tensorflow") is None:
        return {**found, "tensorflow": None}
    tensorflow = importlib.import_module("tensorflow")
    found["tensorflow"] = tensorflow.__version__
    found["gpus"] = len(tensorflow.config.list_physical_devices("GPU"))
    found["keras"] = _keras_version()
    # By name: it belongs to what runs inside training processes, and so does this one.
    found["needsFix"] = importlib.import_module("orchestrator.train.keras_fix").needs_fix()
    return found


def _keras_version() -> str | None:
    if importlib.util.find_spec("keras") is None:
        return None
    return str(importlib.import_module("keras").__version__)


if __name__ == "__main__":
    sys.exit(main())
