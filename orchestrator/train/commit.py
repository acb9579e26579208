"""Puts checkpoints on disk so that a half-written one is never seen: temporary folder, fsync, rename; and prunes.

Called by `checkpointer`; what a committed checkpoint is called stands in `protocol.checkpoints`. Knows nothing of
models. Raises OSError; what was begun is then removed. Python 3.9, standard library only.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Callable

from orchestrator.protocol.checkpoints import checkpoint_path, committed_steps

TEMPORARY = ".tmp-"

Writer = Callable[[Path], None]
"""Writes a checkpoint's files into the folder it is given."""


def write_committed(directory: str, step: int, writer: Writer) -> None:
    """Write a checkpoint and commit it; one that is there already is replaced."""
    os.makedirs(directory, exist_ok=True)
    folder = _temporary(directory)
    folder.mkdir()
    try:
        writer(folder)
        _sync_tree(folder)
        _move_into_place(folder, Path(checkpoint_path(directory, step)))
        _sync(Path(directory))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def write_discarded(directory: str, writer: Writer) -> None:
    """Do all that a save does, for its collectives, and throw the result away."""
    with tempfile.TemporaryDirectory(prefix="tfo-", dir=_scratch(directory)) as folder:
        writer(Path(folder))


def prune(directory: str, keep: int, newest: int) -> None:
    """Keep the checkpoint of step `newest` and the latest others, `keep` in all. What cannot be removed stays."""
    others = [step for step in committed_steps(directory) if step != newest]
    for step in others[: max(0, len(others) - keep + 1)]:
        remove(directory, step)


def remove(directory: str, step: int) -> None:
    """Remove a committed checkpoint: renamed away first, so that nobody restores half of it."""
    doomed = _temporary(directory)
    try:
        os.rename(checkpoint_path(directory, step), doomed)
    except OSError:
        return
    shutil.rmtree(doomed, ignore_errors=True)


def sweep(directory: str) -> None:
    """Remove what saves of dead processes left behind; only while nobody else saves here."""
    for leftover in Path(directory).glob(TEMPORARY + "*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _temporary(directory: str) -> Path:
    return Path(directory) / f"{TEMPORARY}{uuid.uuid4().hex}"


def _scratch(directory: str) -> str:
    """Where to write what nobody needs: local if possible, beside the checkpoints otherwise."""
    try:
        return tempfile.gettempdir()
    except FileNotFoundError:
        return directory


def _move_into_place(folder: Path, target: Path) -> None:
    try:
        os.rename(folder, target)
    except OSError:
        if not target.is_dir():
            raise
        replaced = _temporary(str(target.parent))
        os.rename(target, replaced)
        os.rename(folder, target)
        shutil.rmtree(replaced, ignore_errors=True)


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            _sync(Path(parent) / name)
        _sync(Path(parent))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
