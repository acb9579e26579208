"""`tfo stop`: what Ctrl-C does in the runner's own terminal, from another one, and waits for the end.

Signals only a process that the run's state names while the run's lock is held: a number that belongs to somebody else
by now is left alone.
"""

import os
import signal
import sys
import time

from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli import exit_codes
from orchestrator.cli.arguments import StopOptions
from orchestrator.cli.errors import Refused
from orchestrator.cli.lookup import find_run, label, live_runs, phase_of, read_state

_POLL_SECONDS = 0.25
_BETWEEN_SIGNALS = 0.3
"""Two pending signals of one kind become one; the kernel has delivered the first long before this."""


def stop_command(options: StopOptions) -> int:
    folder = find_run(options.runs_dir, options.run)
    if not folder.is_live():
        print(f"{label(folder)} is not running: {phase_of(folder)}{_others(options, folder)}")
        return exit_codes.OK
    _interrupt(folder)
    if options.now and not _has_ended(folder, _BETWEEN_SIGNALS):
        _interrupt(folder)
    if not _has_ended(folder, options.timeout):
        _say_late(folder, options)
        return exit_codes.FAILED
    print(f"{label(folder)} has ended: {phase_of(folder)}")
    return exit_codes.OK


def _others(options: StopOptions, folder: RunFolder) -> str:
    """JOB means the latest run, and the user may have meant one that lives."""
    living = [label(one) for one in live_runs(options.runs_dir) if one.job == folder.job]
    return f" (running: {', '.join(living)})" if living else ""


def _interrupt(folder: RunFolder) -> None:
    state = read_state(folder)
    if state is None:
        raise Refused(f"{label(folder)}: its state cannot be read, so its process is not known")
    try:
        os.kill(state.runner.pid, signal.SIGINT)
    except ProcessLookupError:
        if folder.is_live():
            raise Refused(f"{label(folder)}: its process {state.runner.pid} is not of this machine") from None
    except PermissionError:
        raise Refused(f"{label(folder)}: its process {state.runner.pid} belongs to another user") from None


def _has_ended(folder: RunFolder, limit: float | None) -> bool:
    """Waits for the end of the runner, which is when the kernel frees its lock."""
    deadline = None if limit is None else time.monotonic() + limit
    while folder.is_live():
        left = _POLL_SECONDS if deadline is None else deadline - time.monotonic()
        if left <= 0:
            return False
        time.sleep(min(left, _POLL_SECONDS))
    return True


def _say_late(folder: RunFolder, options: StopOptions) -> None:
    cure = "" if options.now else f"; to kill its programs: tfo stop {label(folder)} --now"
    print(f"tfo stop: {label(folder)} has not ended within {options.timeout:g} s{cure}", file=sys.stderr)
