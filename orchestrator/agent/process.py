"""The user's program: started in a process group of its own, ended with every descendant, its end told apart.

Owned by `agent.loop`, on the main thread only (the death signal follows the thread that starts the program). The
agent is a child subreaper and starts nothing else, so whatever is below it is the program's, and 'no children left'
means that nothing of the program is. Decides nothing. Python 3.9, standard library only.
"""

from __future__ import annotations

import errno
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from time import sleep
from typing import Dict, Optional, Tuple

from orchestrator.agent import linux
from orchestrator.agent.decide import ProgramView
from orchestrator.agent.memory import Kills, oom_kills

SWEEP_SECONDS = 0.05
"""Pause between two rounds of SIGKILL; only what cannot be killed (an uninterruptible sleep) needs a second."""
EXIT_NOT_FOUND = 127
EXIT_NOT_EXECUTABLE = 126
PROBABLY_MEMORY = "agent: probably out of memory: the kernel killed for want of it on this machine meanwhile"
"""Said where only the whole machine's count tells: it may have been somebody else's process."""
_LAST_ROUNDS = 20
_WANT = (errno.EAGAIN, errno.ENOMEM, errno.ENFILE, errno.EMFILE, errno.ENOSPC, errno.EDQUOT)
_PASSING = (*_WANT, errno.ETXTBSY)
"""Want of processes, memory, descriptors or room, or a file that is being written: it may be over at the next try."""
_ENDED = os.WNOHANG | os.WUNTRACED | os.WCONTINUED


@dataclass(frozen=True)
class Command:
    """What to start. `working_dir` None: the agent's own."""

    argv: Tuple[str, ...]
    env: Dict[str, str]
    working_dir: Optional[str] = None


class Program:
    """The program of the last started attempt. `view` is what `decide` needs to know."""

    def __init__(self) -> None:
        self.view = ProgramView()
        self.pid = 0
        self.asked = False
        self.stopped = False
        self.oom = False
        self.start_error = ""
        self.remark = ""
        self._kills_before: Optional[Kills] = None
        self._swept_at = 0.0

    @property
    def sweep_at(self) -> Optional[float]:
        """When `reap` has to be called again though nothing happened."""
        return self._swept_at + SWEEP_SECONDS if self.view.killing and self.view.alive else None

    def record(self, attempt: int) -> None:
        """This attempt is being started; whatever happens next, it is never started again."""
        self.view = ProgramView(attempt=attempt)
        self.pid, self.asked, self.stopped, self.oom, self.start_error = 0, False, False, False, ""
        self.remark = ""

    def start(self, command: Command, output: int, now: float) -> None:
        """Start it with stdout and stderr on this descriptor."""
        self._kills_before = oom_kills()
        try:
            self.pid = _spawn(command, output)
        except (OSError, subprocess.SubprocessError, ValueError) as error:
            why, code = _explain(error, command)
            self.give_up(error, why, code, now)
        else:
            self.view = replace(self.view, alive=True)

    def give_up(self, error: Exception, why: str, code: int, now: float) -> None:
        """It cannot be started: kept as `start_error`, or, if another try may succeed, as the remark on its end."""
        if isinstance(error, OSError) and error.errno in _PASSING:
            self.remark = f"agent: {why}"
        else:
            self.start_error = why
        self.view = replace(self.view, exit_code=code, ended_at=now, exited_at=now)

    def terminate(self, now: float, kill_at: float) -> None:
        """SIGTERM to the program's group, and SIGCONT, without which a stopped process would not see it."""
        self._reap(now)
        if not self.view.alive:
            return
        self._ask()
        for number in (signal.SIGTERM, signal.SIGCONT):
            self._send(number)
        self.view = replace(self.view, terminated_at=now, kill_at=kill_at)

    def kill(self, now: float) -> None:
        """SIGKILL all descendants, again and again (see `sweep_at`) until none is left."""
        self._reap(now)
        if self.view.alive:
            self._ask()
            self.view = replace(self.view, killing=True, kill_at=now)
            self._sweep(now)

    def reap(self, now: float) -> None:
        """Take note of whatever ended, stopped or continued; to be called on SIGCHLD and at `sweep_at`."""
        self._reap(now)
        if self.sweep_at is not None and now >= self.sweep_at:
            self._sweep(now)

    def look(self) -> None:
        """Look for a job-control stop, also of a shell's command, of which no signal tells us."""
        self.stopped = self.view.alive and self.view.ended_at is None and linux.is_stopped(self.pid)

    def _ask(self) -> None:
        """An end that comes from now on is our doing; one that came before is not."""
        self.asked = self.asked or self.view.ended_at is None

    def _send(self, number: int) -> None:
        if self.view.ended_at is None:
            _signal_group(self.pid, number)
        else:
            for pid in linux.descendants(os.getpid()):
                _signal(pid, number)

    def _sweep(self, now: float) -> None:
        self._swept_at = now
        for pid in linux.descendants(os.getpid()):
            _signal(pid, signal.SIGKILL)
        self._reap(now)

    def _reap(self, now: float) -> None:
        while self.view.alive:
            try:
                pid, status = os.waitpid(-1, _ENDED)
            except ChildProcessError:
                self.view = replace(self.view, alive=False, exited_at=now, group_alive=False)
                self.stopped = False
                return
            if pid == 0:
                break
            if pid == self.pid:
                self._note(status, now)
        if self.view.alive and self.view.ended_at is not None:
            self.view = replace(self.view, group_alive=_group_exists(self.pid))

    def _note(self, status: int, now: float) -> None:
        if os.WIFSTOPPED(status) or os.WIFCONTINUED(status):
            self.stopped = os.WIFSTOPPED(status)
            return
        self.stopped = False
        if os.WIFSIGNALED(status):
            self.view = replace(self.view, signal=os.WTERMSIG(status), ended_at=now)
            self._note_memory()
        else:
            self.view = replace(self.view, exit_code=os.WEXITSTATUS(status), ended_at=now)

    def _note_memory(self) -> None:
        """Whether the kernel killed it for want of memory: certain by our own count, probable by the machine's."""
        before = self._kills_before
        if self.asked or self.view.signal != signal.SIGKILL or before is None:
            return
        kills = oom_kills()
        if kills is None or kills.is_ours != before.is_ours or kills.number <= before.number:
            return
        if kills.is_ours:
            self.oom = True
        else:
            self.remark = PROBABLY_MEMORY


def kill_everything() -> None:
    """Last resort of an agent that cannot go on: SIGKILL all descendants, a few rounds, without looking at the ends."""
    for _ in range(_LAST_ROUNDS):
        left = linux.descendants(os.getpid())
        if not left:
            break
        for pid in left:
            _signal(pid, signal.SIGKILL)
        sleep(SWEEP_SECONDS)


def _spawn(command: Command, output: int) -> int:
    parent = os.getpid()

    def die_with_parent() -> None:
        # Between fork and exec of a process with threads: nothing here may take a lock or import.
        os.setpgid(0, 0)
        linux.set_death_signal(signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(EXIT_NOT_FOUND)

    process = subprocess.Popen(
        list(command.argv),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=command.working_dir,
        env=command.env,
        preexec_fn=die_with_parent,
    )
    # `_reap` waits for it; Popen must not, nor complain that nobody did.
    process.returncode = 0
    return process.pid


def _explain(error: Exception, command: Command) -> Tuple[str, int]:
    """Why it could not be started, and the exit code that a shell would give."""
    name, place = command.argv[0], command.working_dir
    if place is not None and not os.path.isdir(place):
        return readable(f"working directory {place} does not exist"), EXIT_NOT_FOUND
    if (
        isinstance(error, FileNotFoundError)
        and os.path.exists(os.path.join(place or "", name))
        and "/" in name
    ):
        return readable(f"command {name} cannot be started: its interpreter does not exist"), EXIT_NOT_FOUND
    if isinstance(error, FileNotFoundError):
        where = "" if "/" in name else f" on PATH {command.env.get('PATH', os.defpath)}"
        return readable(f"command {name} not found{where}"), EXIT_NOT_FOUND
    if isinstance(error, OSError):
        return readable(f"command {name} cannot be started: {error.strerror}"), EXIT_NOT_EXECUTABLE
    return readable(f"command {name} cannot be started: {error}"), EXIT_NOT_EXECUTABLE


def readable(text: str) -> str:
    """Bounded, and without the surrogates that stand for bytes which are not UTF-8."""
    return text.encode("utf-8", "replace").decode()[:1000]


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def _group_exists(leader: int) -> bool:
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody who has become another user
    return True


def _signal_group(leader: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(leader, number)
