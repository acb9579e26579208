"""Names of the environment variables between us and the programs we start; the one list for agent, train and core.

Set by `core.plan` (job), `core.wanted` (attempt) and the agent (socket); read by `train` and the hook.
Python 3.9, standard library only.
"""

TF_CONFIG = "TF_CONFIG"
JOB = "TFO_JOB"
ROLE = "TFO_ROLE"
INDEX = "TFO_INDEX"
RANK = "TFO_RANK"
WORLD_SIZE = "TFO_WORLD_SIZE"
ATTEMPT = "TFO_ATTEMPT"
RESTORE_STEP = "TFO_RESTORE_STEP"
"""Step of the committed checkpoint to restore; empty: start fresh; not set: the newest in CHECKPOINT_DIR."""
CHECKPOINT_DIR = "TFO_CHECKPOINT_DIR"
CHECKPOINT_EVERY_STEPS = "TFO_CHECKPOINT_EVERY_STEPS"
CHECKPOINT_KEEP = "TFO_CHECKPOINT_KEEP"
DATA_DIR = "TFO_DATA_DIR"
LOG_DIR = "TFO_LOG_DIR"
MODEL_DIR = "TFO_MODEL_DIR"
"""Where the built-in programs put the final model."""
REPORT_SOCKET = "TFO_REPORT_SOCKET"
"""Path of the agent's UNIX datagram socket for reports."""
REPORT_SECONDS = "TFO_REPORT_SECONDS"
METRICS = "TFO_METRICS"
"""JSON list of the metrics that are reported beside the built-in ones."""
INSTRUMENT = "TFO_INSTRUMENT"
"""Comma-separated list of what the start-up hook may do: metrics, checkpoint, kerasFix."""
