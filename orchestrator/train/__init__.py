"""What runs inside a training process: reports, checkpoints, the agreed stop, and the Keras 3 multi-worker fix.

For users' own programs and the built-in workloads; everything works, and does nothing surprising, without an
orchestrator around it. Importing it loads neither TensorFlow nor Keras. Python 3.9, standard library only.
"""

from orchestrator.train.checkpoint_callback import CheckpointCallback
from orchestrator.train.checkpointer import Checkpointer
from orchestrator.train.membership import Context, context
from orchestrator.train.report_callback import ReportCallback
from orchestrator.train.reporting import report
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
]
