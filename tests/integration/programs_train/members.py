"""Starts the members of a training cluster as an agent would, with hand-written TF_CONFIG, and hears their reports.

Used by tests/integration/test_train_*.py. It is the agent's half of the contract: environment, hook, datagram socket.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from orchestrator.protocol.datagrams import Datagram, decode

ROOT = Path(__file__).resolve().parents[3]
PROGRAMS = Path(__file__).resolve().parent
HOOK = ROOT / "orchestrator" / "train" / "hook"
TIMEOUT = 240.0


@dataclass
class Member:
    """One program and everything it said."""

    role: str
    index: int
    process: subprocess.Popen[str]
    reports: list[Datagram] = field(default_factory=list)
    output: str = ""

    @property
    def name(self) -> str:
        return f"{self.role}-{self.index}"

    @property
    def result(self) -> dict[str, object]:
        """The line of JSON that the program printed."""
        lines = [line for line in self.output.splitlines() if line.startswith("{")]
        assert lines, f"{self.name} printed no result:\n{self.output}"
        found = json.loads(lines[-1])
        assert isinstance(found, dict)
        return found

    @property
    def steps(self) -> int:
        return sum(each.steps for each in self.reports)

    def last_step(self) -> int:
        return max((each.step for each in self.reports if each.step is not None), default=0)


class Cluster:
    """The members of one start."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.members: list[Member] = []
        self._changed = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self, command: Sequence[str], seats: Sequence[tuple[str, int]], env: Mapping[str, str]) -> None:
        sockets = [socket.socket() for _ in seats]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
        for each in sockets:
            each.close()
        for rank, (role, index) in enumerate(seats):
            place = {"TFO_ROLE": role, "TFO_INDEX": str(index), "TFO_RANK": str(rank)}
            place["TFO_WORLD_SIZE"] = str(len(seats))
            if len(seats) > 1:
                place["TF_CONFIG"] = tf_config(seats, addresses, rank)
            self._start_member(command, role, index, {**place, **env})

    def _start_member(self, command: Sequence[str], role: str, index: int, env: Mapping[str, str]) -> None:
        path = self.folder / f"{role}-{index}.sock"
        path.unlink(missing_ok=True)
        receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        receiver.bind(str(path))
        receiver.settimeout(0.2)
        process = subprocess.Popen(
            command,
            env={**base_environment(), "TFO_REPORT_SOCKET": str(path), **env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        member = Member(role, index, process)
        self.members.append(member)
        for target in (self._hear, self._read):
            thread = threading.Thread(target=target, args=(member, receiver), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _hear(self, member: Member, receiver: socket.socket) -> None:
        with receiver:
            while True:
                try:
                    data = receiver.recv(65536)
                except TimeoutError:
                    if member.process.poll() is not None:
                        return
                    continue
                with self._changed:
                    member.reports.append(decode(data))
                    self._changed.notify_all()

    def _read(self, member: Member, receiver: socket.socket) -> None:
        assert member.process.stdout is not None
        with member.process.stdout as lines:
            for line in lines:
                member.output += line

    def wait_for_step(self, step: int) -> None:
        """Until every member has reported this step."""
        deadline = time.monotonic() + TIMEOUT
        with self._changed:
            while any(member.last_step() < step for member in self.members):
                dead = [member for member in self.members if member.process.poll() is not None]
                assert not dead, f"{dead[0].name} ended early:\n{dead[0].output}"
                assert self._changed.wait(1.0) or time.monotonic() < deadline, "no progress"

    def wait(self) -> list[int]:
        """Exit codes, when all have ended and everything they said is heard."""
        deadline = time.monotonic() + TIMEOUT
        codes = [member.process.wait(max(1.0, deadline - time.monotonic())) for member in self.members]
        for thread in self._threads:
            thread.join(10)
        return codes

    def outputs(self) -> str:
        return "\n".join(f"--- {member.name}\n{member.output}" for member in self.members)

    def kill(self) -> None:
        for member in self.members:
            try:
                os.killpg(member.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
            member.process.wait()


@contextmanager
def cluster(
    command: Sequence[str],
    workers: int = 2,
    env: Mapping[str, str] | None = None,
    python: str = sys.executable,
) -> Iterator[Cluster]:
    """A chief and `workers` workers running `python PROGRAM ARGUMENTS`."""
    folder = Path(tempfile.mkdtemp(prefix="tfo-test-"))  # short: a socket's path has at most 107 characters
    started = Cluster(folder)
    seats = [("chief", 0), *(("worker", index) for index in range(workers))]
    try:
        started.start([python, str(PROGRAMS / command[0]), *command[1:]], seats, env or {})
        yield started
    finally:
        started.kill()
        shutil.rmtree(folder)


def tf_config(seats: Sequence[tuple[str, int]], addresses: Sequence[str], rank: int) -> str:
    shape: dict[str, list[str]] = {}
    for (role, _), address in zip(seats, addresses, strict=True):
        shape.setdefault(role, []).append(address)
    role, index = seats[rank]
    return json.dumps({"cluster": shape, "task": {"type": role, "index": index}})


def base_environment() -> dict[str, str]:
    """What the agent's environment would hold besides the attempt."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TFO_", "TF_"))}
    return {
        **kept,
        "PYTHONPATH": str(HOOK),
        "PYTHONUNBUFFERED": "1",
        "TF_CPP_MIN_LOG_LEVEL": "1",
        "CUDA_VISIBLE_DEVICES": "",
        "TFO_JOB": "test",
        "TFO_ATTEMPT": "1",
        "TFO_RESTORE_STEP": "",
        "TFO_REPORT_SECONDS": "0.2",
        "TFO_INSTRUMENT": "metrics,kerasFix",
    }
