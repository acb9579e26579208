"""The agent's loop: gather a view, let `decide` choose, perform, tell the coordinator, wait for something to happen.

Called by `agent.main` on the main thread. It chooses nothing itself; whatever may have to wait for others (the log
file, the coordinator) is in threads of their own. Python 3.9.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from dataclasses import replace
from time import monotonic
from typing import Dict, Optional, Tuple

from orchestrator.agent.config import Config
from orchestrator.agent.connection import remove_socket
from orchestrator.agent.decide import (
    Action,
    AgentView,
    Exit,
    Kill,
    Nothing,
    Start,
    Terminate,
    decide,
    is_acceptable,
)
from orchestrator.agent.folder import Folder
from orchestrator.agent.logs import LogPump, log_path
from orchestrator.agent.process import EXIT_NOT_EXECUTABLE, Command, Program, readable
from orchestrator.agent.reporting import Reporting
from orchestrator.agent.session import Session
from orchestrator.agent.stop_notice import StopNotice
from orchestrator.agent.tf_config import TfConfig
from orchestrator.agent.wakeup import Wakeup
from orchestrator.protocol import checkpoints, environment
from orchestrator.protocol.messages import Hello, Order, ProgramState, Run, State
from orchestrator.protocol.termination import LastWords
from orchestrator.version import __version__

HEARTBEAT_SECONDS = 5.0
LAST_LINES_SECONDS = 2.0
FAREWELL_SECONDS = 2.0
"""How long the last State may take on its way to the coordinator when the agent ends."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Loop:
    """One agent, from its start to its end."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._wakeup = Wakeup(config.parent_fd)
        self._program = Program()
        self._pump: Optional[LogPump] = None
        self._order: Optional[Order] = None
        self._term = 0
        self._leaving = False
        self._last_lines: Tuple[str, ...] = ()
        self._checkpoint_dir = config.environment.get(environment.CHECKPOINT_DIR, "")
        self._checkpoint_step = self._scan()
        self._session = Session(config, _hello(config), self._wakeup.wake)
        self._folder = Folder(config.report_dir, config.name)
        self._tf_config = TfConfig(self._folder)
        self._stop_notice = StopNotice(self._folder)
        self._reporting = Reporting(config, self._folder, self._wakeup, self._session.say)
        self._said, self._said_at = self._state(), monotonic()
        self._say(self._said)

    def run(self) -> int:
        """Until there is nothing left to do here; returns the agent's exit code."""
        try:
            return self._run()
        finally:
            self._reporting.close()
            self._tf_config.close()
            self._stop_notice.close()
            self._folder.close()
            if self._wakeup.orphaned:
                remove_socket(self._config.address)

    def last_words(self) -> LastWords:
        """What became of the program, once nothing of it is left."""
        state = self._state()
        return LastWords(
            attempt=state.attempt,
            exit_code=state.exit_code,
            signal=state.signal,
            asked=state.asked,
            oom=state.oom,
            error=state.start_error,
            last_lines=state.last_lines,
        )

    def _run(self) -> int:
        self._session.start()
        code = None
        while code is None:
            code = self._turn(monotonic())
        self._say(self._state())
        self._session.close(0.0 if self._wakeup.orphaned else FAREWELL_SECONDS)
        return code

    def _turn(self, now: float) -> Optional[int]:
        self._gather(now)
        while True:
            action, look_again = decide(self._view(), now)
            if isinstance(action, Exit):
                return action.code
            if isinstance(action, Nothing):
                break
            self._perform(action, now)
        self._tell(now)
        self._wakeup.wait(self._pause(now, look_again))
        return None

    def _view(self) -> AgentView:
        return AgentView(
            program=self._program.view,
            order=self._order,
            lost_since=self._session.lost_since,
            leaving_grace=self._config.stop_grace_seconds if self._leaving else None,
            orphaned=self._wakeup.orphaned,
            starting=self._reporting.is_starting,
        )

    def _gather(self, now: float) -> None:
        received = self._wakeup.take_signals()
        self._leaving = self._leaving or bool(received & {signal.SIGTERM, signal.SIGINT})
        self._reporting.receive(now)
        was_alive = self._program.view.alive
        self._program.reap(now)
        if was_alive and not self._program.view.alive:
            self._conclude(now)
        for wanted in self._session.take():
            if is_acceptable(wanted, self._config.job_uid, self._term):
                self._order, self._term = wanted.order, wanted.term

    def _perform(self, action: Action, now: float) -> None:
        was_alive = self._program.view.alive
        if isinstance(action, Start):
            self._start(action.run, now)
        elif isinstance(action, Terminate):
            self._stop_notice.give()
            self._program.terminate(now, action.kill_at)
        elif isinstance(action, Kill):
            self._program.kill(now)
        if was_alive and not self._program.view.alive:
            self._conclude(now)

    def _start(self, run: Run, now: float) -> None:
        self._program.record(run.attempt)
        self._reporting.begin(run.attempt)
        self._last_lines = ()
        self._say(self._state())
        env = self._environment(run.env)
        self._checkpoint_dir = env.get(environment.CHECKPOINT_DIR, "")
        output, program_end = os.pipe()
        self._pump = LogPump(output, self._log_path(run.attempt))
        try:
            config = self._tf_config.give(run)
        except OSError as error:
            why = readable(f"TF_CONFIG is too long for a variable and cannot be written to a file: {error}")
            self._program.give_up(error, why, EXIT_NOT_EXECUTABLE, now)
        else:
            if config:
                env[environment.TF_CONFIG] = config
            command = Command(self._config.command, env, self._config.working_dir)
            self._program.start(command, program_end, now)
        if self._program.start_error:
            os.write(program_end, f"agent: {self._program.start_error}\n".encode())
        os.close(program_end)
        if not self._program.view.alive:
            self._conclude(now)

    def _environment(self, added: Dict[str, str]) -> Dict[str, str]:
        found = {environment.REPORT_SECONDS: f"{self._config.report_seconds:g}"}
        found.update(self._config.environment)
        found.update(added)
        for name in (environment.REPORT_SOCKET, environment.STOP_FILE):
            found.pop(name, None)
        if self._reporting.path is not None:
            found[environment.REPORT_SOCKET] = self._reporting.path
        with suppress(OSError):
            found[environment.STOP_FILE] = self._stop_notice.place()
        return found

    def _log_path(self, attempt: int) -> Optional[str]:
        directory = self._config.log_dir
        return log_path(directory, self._config.name, attempt) if directory else None

    def _conclude(self, now: float) -> None:
        """The program has ended and nothing of it is left: gather its last words."""
        if self._pump is not None:
            self._last_lines = self._pump.tail(LAST_LINES_SECONDS)
        if self._program.remark:
            self._last_lines = (*self._last_lines, self._program.remark)
        self._reporting.finish(now, self._pump)
        self._checkpoint_step = self._scan()

    def _scan(self) -> Optional[int]:
        return checkpoints.latest_step(self._checkpoint_dir) if self._checkpoint_dir else None

    def _newest_checkpoint(self) -> Optional[int]:
        """As last scanned, or as the program has told since."""
        reported = self._reporting.checkpoint_step
        steps = [step for step in (self._checkpoint_step, reported) if step is not None]
        return max(steps, default=None)

    def _tell(self, now: float) -> None:
        self._reporting.tell(now, self._pump)
        if now - self._said_at >= HEARTBEAT_SECONDS:
            self._program.look()
        state = self._state()
        if state != self._said or now - self._said_at >= HEARTBEAT_SECONDS:
            self._said, self._said_at = state, now
            self._say(state)

    def _say(self, state: State) -> None:
        """With what changes by time alone, as it is at this moment."""
        ended_at = self._program.view.ended_at
        ended_seconds = None if ended_at is None else monotonic() - ended_at
        self._session.say(_with_usage(replace(state, ended_seconds=ended_seconds)))

    def _state(self) -> State:
        program, view = self._program, self._program.view
        exited = view.exited_at is not None
        return State(
            attempt=view.attempt,
            state=_program_state(self._program),
            pid=program.pid if view.alive else 0,
            exit_code=view.exit_code if exited else None,
            signal=view.signal if exited else None,
            asked=program.asked,
            stopped=program.stopped,
            oom=program.oom,
            start_error=program.start_error,
            last_lines=self._last_lines if exited else (),
            checkpoint_step=self._newest_checkpoint(),
            term=self._term,
        )

    def _pause(self, now: float, look_again: Optional[float]) -> float:
        moments = [self._said_at + HEARTBEAT_SECONDS, self._reporting.next_at(now)]
        moments += [moment for moment in (look_again, self._program.sweep_at) if moment is not None]
        return max(0.0, min(moments) - now)


def _program_state(program: Program) -> ProgramState:
    view = program.view
    if view.attempt == 0:
        return ProgramState.IDLE
    if not view.alive:
        return ProgramState.EXITED if view.exited_at is not None else ProgramState.STARTING
    ending = view.terminated_at is not None or view.killing or view.ended_at is not None
    return ProgramState.STOPPING if ending else ProgramState.RUNNING


def _hello(config: Config) -> Hello:
    return Hello(
        job_uid=config.job_uid,
        role=config.role,
        index=config.index,
        uid=config.uid,
        version=__version__,
        host=socket.gethostname(),
        pid=os.getpid(),
    )


def _with_usage(state: State) -> State:
    """What the agent itself costs; apart, since it always changes."""
    times = os.times()
    try:
        with open("/proc/self/statm", "rb") as file:
            resident = int(file.read().split()[1]) * _PAGE_BYTES
    except OSError:
        resident = 0
    return replace(state, cpu_seconds=round(times.user + times.system, 3), rss_bytes=resident)
