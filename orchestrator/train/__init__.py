"""What runs inside a training process: reports, checkpoints, the agreed stop, and the Keras 3 multi-worker fix.

For users' own programs and the built-in workloads; everything works, and does nothing surprising, without an
orchestrator around it. Importing it loads neither TensorFlow nor Keras, and of this package only what is asked for:
the start-up hook needs less than half of it in every program. Python 3.9, standard library only.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, List

if TYPE_CHECKING:
    from orchestrator.train.checkpoint_callback import CheckpointCallback
    from orchestrator.train.checkpointer import Checkpointer
    from orchestrator.train.membership import Context, context
    from orchestrator.train.report_callback import ReportCallback
    from orchestrator.train.reporting import report
    from orchestrator.train.server import serve
    from orchestrator.train.stop import STOPPED_EXIT_CODE, StopAgreement

__all__ = [
    "STOPPED_EXIT_CODE",
    "CheckpointCallback",
    "Checkpointer",
    "Context",
    "ReportCallback",
    "StopAgreement",
    "context",
    "report",
    "serve",
]

_MODULES = {
    "STOPPED_EXIT_CODE": "stop",
    "CheckpointCallback": "checkpoint_callback",
    "Checkpointer": "checkpointer",
    "Context": "membership",
    "ReportCallback": "report_callback",
    "StopAgreement": "stop",
    "context": "membership",
    "report": "reporting",
    "serve": "server",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = found
    return found


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
