"""The folder of one local run, `<runs>/<job>/<number>`: its layout, its lock, its state file.

Written by the local backend (the only writer), read by `tfo ps`, `logs`, `stop` and `rm` from other terminals.
The runner holds an exclusive lock on `runner.lock` as long as it lives; the kernel frees it however it ends, so an
unfinished state whose lock is free belongs to a runner that is gone. The state file is replaced by rename; room for
the last state is kept from the start, so that a disk which is full by then does not turn an end into a loss.
"""

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Phase
from orchestrator.api.types import TensorFlowJob
from orchestrator.backends.local.layout import Layout

RUNS_VARIABLE = "TFO_RUNS_DIR"
DEFAULT_RUNS = "tfo-runs"
RESERVED_BYTES = 256 * 1024


class Runner(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The process that runs the job."""

    pid: int
    start_time: datetime
    metrics_url: str = ""
    invocation: tuple[str, ...] = ()


class RunState(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """All that is persisted of a run: what was asked for and what came of it."""

    job: TensorFlowJob
    status: JobStatus
    runner: Runner
    version: int = 0


class RunFolder(Layout):
    """One run: its state file, whether it lives, how it goes."""

    @property
    def has_state(self) -> bool:
        return self.state_file.is_file()

    def read_state(self) -> RunState:
        """Raises OSError or msgspec.ValidationError when there is none that can be read."""
        return _decoded(self.state_file.read_bytes())

    def write_state(self, state: RunState) -> None:
        """A reader sees the old state or the new one, never half of one. Raises OSError; the old one then stands."""
        data = _encoded(state)
        if not state.status.phase.is_final:
            _replace(self.state_file, data)
            return
        try:
            _replace(self.state_file, data)
        except OSError:
            self._write_without_room(data)
        self.reserve_file.unlink(missing_ok=True)

    def _write_without_room(self, data: bytes) -> None:
        """What was kept is given free; if others took it, the old state is written over, on the blocks it has."""
        self.reserve_file.unlink(missing_ok=True)
        try:
            _replace(self.state_file, data)
        except OSError:
            _overwrite(self.state_file, data)

    def reserve(self) -> None:
        """Raises OSError when there is not even room for this."""
        fd = os.open(self.reserve_file, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.posix_fallocate(fd, 0, RESERVED_BYTES)
        finally:
            os.close(fd)

    def is_live(self) -> bool:
        """Whether some runner holds the lock."""
        try:
            with self.lock_file.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def phase(self) -> Phase:
        """The recorded phase; Lost when the runner is gone before the end."""
        recorded = self.read_state().status.phase
        return recorded if recorded.is_final or self.is_live() else Phase.LOST

    def remove(self) -> None:
        shutil.rmtree(self.path)
        if not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()


class RunLock:
    """Held by the runner for its whole life; never inherited by children."""

    def __init__(self, folder: RunFolder) -> None:
        self._fd = os.open(folder.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def release(self) -> None:
        os.close(self._fd)


def create(runs: Path, job: str) -> RunFolder:
    """A new folder with the next free number; two runs that start at once get two numbers."""
    parent = runs / job
    parent.mkdir(parents=True, exist_ok=True)
    number = max(_numbers(parent), default=0) + 1
    while True:
        try:
            (parent / str(number)).mkdir()
            break
        except FileExistsError:
            number += 1
    folder = RunFolder((parent / str(number)).resolve())
    for path in (folder.logs, folder.checkpoints, folder.model, folder.tensorboard):
        path.mkdir()
    return folder


def every(runs: Path) -> Iterator[RunFolder]:
    """All runs that have a state, by job and number."""
    return (folder for folder in every_folder(runs) if folder.has_state)


def every_folder(runs: Path) -> Iterator[RunFolder]:
    """Also those without a state: of a runner that has just begun, or that was killed before it had one."""
    if not runs.exists():
        return
    for parent in sorted(one for one in runs.iterdir() if one.is_dir()):
        yield from folders_of(parent)


def folders_of(parent: Path) -> list[RunFolder]:
    """Of one job, oldest first."""
    return [RunFolder((parent / str(number)).resolve()) for number in sorted(_numbers(parent))]


def _numbers(parent: Path) -> list[int]:
    if not parent.is_dir():
        return []
    names = [one.name for one in parent.iterdir() if one.is_dir()]
    return [int(name) for name in names if name.isdecimal() and name == str(int(name))]


def with_status(state: RunState, status: JobStatus) -> RunState:
    return replace(state, status=status, version=state.version + 1)


def _encoded(state: RunState) -> bytes:
    """ASCII: names of files and words of command lines may hold bytes that are no UTF-8."""
    return json.dumps(msgspec.to_builtins(state, str_keys=True), indent=1).encode("ascii")


def _decoded(data: bytes) -> RunState:
    try:
        return msgspec.convert(json.loads(data), RunState, str_keys=True)
    except (ValueError, RecursionError) as error:
        raise msgspec.ValidationError(str(error)) from None


def _replace(path: Path, data: bytes) -> None:
    beside = path.with_suffix(".json.tmp")
    try:
        beside.write_bytes(data)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _overwrite(path: Path, data: bytes) -> None:
    """Asks for all the room first, so that the old content is not lost for nothing."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.posix_fallocate(fd, 0, len(data))
        os.pwrite(fd, data, 0)
        os.ftruncate(fd, len(data))
    finally:
        os.close(fd)
