"""`python -m orchestrator.workloads NAME [--argument value ...]`: runs one built-in program.

Started by the agent as any user's program, or by hand. Alone it is a single process; with TF_CONFIG and the TFO_
variables it is a member of a job. Exit codes: 0 done, 2 wrong input or something missing, 74 trained but the model
cannot be written, 143 told to stop.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NoReturn

from orchestrator.protocol.environment import TF_CONFIG
from orchestrator.train import Context, context, serve
from orchestrator.train.membership import EVALUATOR
from orchestrator.train.reporter import current
from orchestrator.train.server import PS, WORKER, read_task
from orchestrator.workloads.arguments import (
    MIRRORED,
    UsageError,
    parse,
    parse_strategy,
    render_help,
    wants_help,
)
from orchestrator.workloads.cluster import has_parameter_servers, prepare_server
from orchestrator.workloads.options import Options, PerceptronOptions

WRONG_INPUT = 2
CANNOT_WRITE = 74
"""EX_IOERR of sysexits.h."""
LOGS = "logs"


def main(words: Sequence[str]) -> int:
    if wants_help(words):
        print(render_help(words))
        return 0 if words else WRONG_INPUT
    try:
        options = parse(words)
        me = context()
        require_place(options, me)
        require_strategy(parse_strategy(words))
        require_modules()
    except UsageError as error:
        return _refuse(str(error))
    return perform(options, me)


def require_place(options: Options, me: Context) -> None:
    """Raises UsageError where this program cannot take this part in a job."""
    if isinstance(options, PerceptronOptions) and (me.world_size > 1 or me.role == EVALUATOR):
        raise UsageError(
            f"perceptron is one process, this is a job of {me.world_size} members; run it with the chief alone "
            "(no workers, no evaluator)"
        )
    if me.role == EVALUATOR and not me.checkpoint_dir:
        raise UsageError("an evaluator judges checkpoints, but TFO_CHECKPOINT_DIR is not set")
    if me.role == PS and read_task(os.environ) is None:
        raise UsageError("this is to be a parameter server, but TF_CONFIG has no cluster with one")


def require_strategy(wish: str) -> None:
    """Raises UsageError where the cluster is not the one that --strategy insists on."""
    is_served = has_parameter_servers(os.environ.get(TF_CONFIG, ""))
    if wish == PS and not is_served:
        raise UsageError(
            "--strategy ps needs a cluster with parameter servers in TF_CONFIG; tfo gives it one: "
            "tfo run mlp --strategy ps --workers 2"
        )
    if wish == MIRRORED and is_served:
        raise UsageError("--strategy mirrored has no use for the parameter servers in TF_CONFIG")


def require_modules() -> None:
    """Raises UsageError where TensorFlow is missing, without loading it."""
    missing = [name for name in ("tensorflow", "keras") if find_spec(name) is None]
    if missing:
        raise UsageError(f"{' and '.join(missing)} not installed: pip install 'tf-orchestrator[train]'")


def perform(options: Options, me: Context) -> int:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    log_dir = me.log_dir or LOGS
    if isinstance(options, PerceptronOptions):
        from orchestrator.workloads import perceptron

        return perceptron.run(options, log_dir)

    is_served = has_parameter_servers(os.environ.get(TF_CONFIG, ""))
    if is_served and me.role in (PS, WORKER):
        prepare_server(me.role)
        serve()
    from orchestrator.workloads import asynchronous, evaluator, training
    from orchestrator.workloads.export import ExportError
    from orchestrator.workloads.restoring import RestoreError
    from orchestrator.workloads.samples import DataError

    try:
        if me.role == EVALUATOR:
            return evaluator.run(options, me)
        folders = training.Folders(me.checkpoint_dir or "", log_dir, me.model_dir or os.curdir)
        if is_served:
            return asynchronous.run(options, me, folders)
        return training.run(options, me, folders)
    except (DataError, RestoreError) as error:
        return _refuse(str(error))
    except ExportError as error:
        return _refuse(str(error), CANNOT_WRITE)


def _refuse(message: str, code: int = WRONG_INPUT) -> int:
    print(f"error: {message}", file=sys.stderr, flush=True)
    return code


def leave(code: int) -> NoReturn:
    """Ends this process at once; everything is on disk by now.

    Why not sys.exit? With TensorFlow loaded, taking the interpreter apart costs a second of processor time in every
    member, on cores that they share.
    """
    current().close()
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(code)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
