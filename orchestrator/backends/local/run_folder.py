"""The folder of one local run, `<runs>/<job>/<number>`: its layout, its lock, its state file.

Written by the local backend (the only writer), read by `tfo ps`, `logs`, `stop` and `rm` from other terminals.
The runner holds an exclusive lock on `runner.lock` as long as it lives; the kernel frees it however it ends, so an
unfinished state whose lock is free belongs to a runner that is gone. The state file is replaced by rename.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Phase
from orchestrator.api.types import TensorFlowJob

RUNS_VARIABLE = "TFO_RUNS_DIR"
DEFAULT_RUNS = "tfo-runs"


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


class RunFolder:
    """Paths of one run and its state file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def job(self) -> str:
        return self.path.parent.name

    @property
    def number(self) -> int:
        return int(self.path.name)

    @property
    def state_file(self) -> Path:
        return self.path / "state.json"

    @property
    def lock_file(self) -> Path:
        return self.path / "runner.lock"

    @property
    def job_file(self) -> Path:
        return self.path / "job.yaml"

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def checkpoints(self) -> Path:
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        return self.path / "model"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    @property
    def events(self) -> Path:
        return self.path / "events.jsonl"

    @property
    def metrics_prom(self) -> Path:
        return self.path / "metrics.prom"

    @property
    def metrics_jsonl(self) -> Path:
        return self.path / "metrics.jsonl"

    def log_file(self, replica: str, attempt: int) -> Path:
        """Output of one program start, e.g. logs/worker-1.attempt-2.log."""
        return self.logs / f"{replica}.attempt-{attempt}.log"

    def read_state(self) -> RunState:
        """Raises OSError or msgspec.ValidationError when there is none that can be read."""
        return msgspec.json.decode(self.state_file.read_bytes(), type=RunState)

    def write_state(self, state: RunState) -> None:
        """Replaces the file by rename: a reader sees the old state or the new one, never half of one."""
        beside = self.state_file.with_suffix(".json.tmp")
        beside.write_bytes(msgspec.json.format(msgspec.json.encode(state), indent=1))
        beside.replace(self.state_file)

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


def find(runs: Path, reference: str) -> RunFolder | None:
    """JOB: its latest run; JOB/NUMBER: that one. None when there is none."""
    job, _, number = reference.partition("/")
    if not job or job in (".", "..") or (number and not number.isdecimal()):
        return None
    numbers = [int(number)] if number else [max(_numbers(runs / job), default=0)]
    path = runs / job / str(numbers[0])
    return RunFolder(path.resolve()) if (path / "state.json").is_file() else None


def every(runs: Path) -> Iterator[RunFolder]:
    """All runs that have a state, by job and number."""
    if not runs.is_dir():
        return
    for parent in sorted(one for one in runs.iterdir() if one.is_dir()):
        for number in sorted(_numbers(parent)):
            folder = RunFolder((parent / str(number)).resolve())
            if folder.state_file.is_file():
                yield folder


def _numbers(parent: Path) -> list[int]:
    if not parent.is_dir():
        return []
    return [int(one.name) for one in parent.iterdir() if one.name.isdecimal() and one.is_dir()]


def with_status(state: RunState, status: JobStatus) -> RunState:
    return replace(state, status=status, version=state.version + 1)
