"""Saves and restores a training's state: every member takes part, the leader's files are the ones committed.

Called by `CheckpointCallback`, the built-in workloads and users' own loops. A save that the disk refuses is counted
and said, and training goes on. Which step is restored is decided outside (`Context.restore_step`).
Python 3.9 syntax; TensorFlow only through `model_state`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Union

from orchestrator.protocol.checkpoints import checkpoint_path, latest_step
from orchestrator.train import commit, model_state
from orchestrator.train.membership import context
from orchestrator.train.reporter import current
from orchestrator.train.steps import remember_step

EXTRA_FILE = "extra.json"


class Checkpointer:
    """Checkpoints in `directory`, the newest `keep` of them; by default where and as many as the job says.

    leader: whether this process's files are kept; by default the member of rank 0. Replicas that train
    independently of each other need a directory each, and leader=True.
    """

    def __init__(
        self,
        directory: Optional[Union[str, os.PathLike[str]]] = None,
        keep: Optional[int] = None,
        leader: Optional[bool] = None,
    ) -> None:
        me = context()
        chosen = directory or me.checkpoint_dir
        if not chosen:
            raise ValueError(
                "Checkpointer needs a directory: none was given and TFO_CHECKPOINT_DIR is not set"
            )
        if keep is not None and keep < 1:
            raise ValueError(f"keep must be at least 1, not {keep}")
        self.directory = os.path.abspath(os.fspath(chosen))
        self.keep = keep or me.checkpoint_keep
        self.is_leader = me.is_leader if leader is None else leader
        self._is_swept = False
        self._is_failing = False

    def save(self, model: Any, step: int, extra: Optional[Mapping[str, object]] = None) -> bool:
        """Save model and optimizer after `step` steps, with `extra` (JSON) beside them.

        Every member calls it at the same step. True unless the leader's save failed.
        """
        text = json.dumps(dict(extra or {}), default=_as_number, allow_nan=False)

        def write(folder: Path) -> None:
            model_state.write_model(model, folder)
            (folder / EXTRA_FILE).write_text(text, encoding="utf-8")

        return self.save_state(step, write)

    def restore(self, model: Any, step: int) -> Dict[str, Any]:
        """Load model and optimizer as they were after `step` steps; returns `extra`. Any number of workers will do."""
        folder = self.restore_path(step)
        model_state.read_model(model, folder)
        remember_step(model, step)
        found: Dict[str, Any] = json.loads((folder / EXTRA_FILE).read_text(encoding="utf-8"))
        return found

    def save_state(self, step: int, writer: commit.Writer) -> bool:
        """As `save`, for any format: `writer` is called with an empty folder on every member."""
        reporter = current()
        reporter.end_start()
        busy, begun = reporter.busy, time.monotonic()
        reporter.set_busy(busy or "saving")
        try:
            error = self._write(step, writer)
        finally:
            seconds = time.monotonic() - begun
            reporter.saving_seconds += seconds
            reporter.set_busy(busy)
        if self.is_leader:
            reporter.add_checkpoint(step, error is None, seconds)
        return error is None

    def restore_path(self, step: int) -> Path:
        """The folder of the committed checkpoint of this step. Raises FileNotFoundError."""
        folder = Path(checkpoint_path(self.directory, step))
        if not folder.is_dir():
            raise FileNotFoundError(f"there is no checkpoint of step {step} in {self.directory}")
        return folder

    def latest_step(self) -> Optional[int]:
        """Step of the newest committed checkpoint, None where there is none."""
        return latest_step(self.directory)

    def _write(self, step: int, writer: commit.Writer) -> Optional[OSError]:
        try:
            if self.is_leader:
                self._commit(step, writer)
            else:
                commit.write_discarded(self.directory, writer)
        except OSError as error:
            self._say(step, error)
            return error if self.is_leader else None
        self._is_failing = False
        return None

    def _commit(self, step: int, writer: commit.Writer) -> None:
        if not self._is_swept:
            commit.sweep(self.directory)
            self._is_swept = True
        commit.write_committed(self.directory, step, writer)
        commit.prune(self.directory, self.keep, newest=step)

    def _say(self, step: int, error: OSError) -> None:
        if self._is_failing or not self.is_leader:
            return
        self._is_failing = True  # the next one that fails says nothing new
        reason = (
            os.strerror(error.errno) if error.errno else " ".join(str(error).split())
        )  # HDF5 likes many words
        note = f"checkpoint of step {step} in {self.directory} failed ({reason}); training goes on"
        print(f"tfo: {note}", file=sys.stderr, flush=True)
        current().add_note(note)


def _as_number(value: Any) -> object:
    """NumPy's and TensorFlow's scalars as JSON has them."""
    return value.item() if hasattr(value, "item") else float(value)
