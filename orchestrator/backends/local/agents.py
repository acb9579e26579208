"""Agents as child processes: started with everything they need in their environment, watched until they end.

Called by the local backend. Each agent holds the read end of a pipe whose write end only this process has: however
this process dies, the agents see it and kill their programs. Nothing here knows about jobs or attempts.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestrator.protocol import agent_environment as names

AGENT_MODULE = "orchestrator.agent"
_GONE_SECONDS = 5.0
_TAIL_BYTES = 4096
_LAST_LINES = 10


@dataclass(frozen=True)
class AgentSpec:
    """What one agent is told; see agent.config for the variables."""

    address: str
    token: str
    job_uid: str
    role: str
    index: int
    uid: str
    argv: tuple[str, ...]
    working_dir: Path
    environ: Mapping[str, str]
    log_dir: Path
    report_seconds: float

    def variables(self, parent_fd: int) -> dict[str, str]:
        """What says how a Python has to start (PYTHONHOME, say) is the program's; the agent could not start with it."""
        of_python = {name: value for name, value in self.environ.items() if name.startswith("PYTHON")}
        return {name: value for name, value in self.environ.items() if name not in of_python} | {
            names.ADDRESS: self.address,
            names.TOKEN: self.token,
            names.JOB_UID: self.job_uid,
            names.ROLE: self.role,
            names.INDEX: str(self.index),
            names.UID: self.uid,
            names.COMMAND: json.dumps(self.argv),
            names.WORKING_DIR: str(self.working_dir),
            names.ENVIRONMENT: json.dumps({"PYTHONPATH": None} | of_python),
            names.LOG_DIR: str(self.log_dir),
            names.PARENT_FD: str(parent_fd),
            names.REPORT_SECONDS: f"{self.report_seconds:g}",
            "PYTHONPATH": _import_path(),
        }


def _import_path() -> str:
    """The agent itself is imported from here, and must not run the program's start-up hook."""
    return str(Path(__file__).resolve().parents[3])


class AgentProcess:
    """One running agent."""

    def __init__(self, spec: AgentSpec, errors: Path, on_end: Callable[["AgentProcess"], None]) -> None:
        self.spec = spec
        self._on_end = on_end
        self._errors = errors
        read_end, self._write_end = os.pipe2(os.O_CLOEXEC)
        try:
            with errors.open("ab") as file:
                self._said_before = file.tell()
                self._process = subprocess.Popen(
                    [sys.executable, "-P", "-m", AGENT_MODULE],
                    stdin=subprocess.DEVNULL,
                    stdout=file,
                    stderr=file,
                    env=spec.variables(read_end),
                    pass_fds=(read_end,),
                    process_group=0,  # the terminal's Ctrl-C is for `tfo run` alone
                )
        finally:
            os.close(read_end)
        self._pidfd = os.pidfd_open(self._process.pid)
        asyncio.get_running_loop().add_reader(self._pidfd, self._ended)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """As subprocess has it: negative for a signal; None while it runs."""
        return self._process.returncode

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    def last_lines(self) -> tuple[str, ...]:
        """What this agent said last; the file is shared with earlier ones of its place."""
        try:
            with self._errors.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._said_before, size - _TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError:
            return ()
        return tuple(text.splitlines()[-_LAST_LINES:])

    def _ended(self) -> None:
        self._process.wait()
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)
        self.hang_up()
        self._on_end(self)

    def hang_up(self) -> None:
        """Closes the pipe: a living agent kills everything it started, then ends."""
        if self._write_end >= 0:
            os.close(self._write_end)
            self._write_end = -1

    async def end(self) -> None:
        """Hangs up, waits, and kills the agent if it does not end by itself."""
        self.hang_up()
        limit = asyncio.get_running_loop().time() + _GONE_SECONDS
        while self.is_alive:
            if asyncio.get_running_loop().time() > limit:
                self._process.send_signal(signal.SIGKILL)
            await asyncio.sleep(0.01)
