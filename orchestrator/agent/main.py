"""Entry of the agent: read the configuration, become the reaper of whatever the program leaves, run the loop.

Called by `python -m orchestrator.agent`. Returns the exit code: what Finish asked for, 143 after SIGTERM, the
program's own when no coordinator came back, 2 for a wrong configuration, 70 for an error of ours.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from contextlib import suppress
from typing import Dict, Optional, Sequence

from orchestrator.agent import linux
from orchestrator.agent.config import ConfigError, parse
from orchestrator.agent.loop import Loop
from orchestrator.agent.process import kill_everything
from orchestrator.protocol.agent_environment import SOCKET_DIR, TERMINATION_LOG
from orchestrator.protocol.termination import LastWords, encode

EXIT_WRONG_CONFIG = 2
EXIT_INTERNAL = 70


def main(environ: Dict[str, str], argv: Sequence[str] = ()) -> int:
    loop: Optional[Loop] = None
    try:
        config = parse(environ, argv)
        if config.parent_fd is not None:
            linux.set_death_signal(signal.SIGHUP)
        linux.become_subreaper()
        linux.leave_terminal()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        if config.socket_dir:
            _make(config.socket_dir)
        loop = Loop(config)
        code = loop.run()
        _leave(environ, loop.last_words())
        return code
    except ConfigError as error:
        print(f"agent: {error}", file=sys.stderr, flush=True)
        _leave(environ, LastWords(error=str(error)))
        return EXIT_WRONG_CONFIG
    except Exception as error:
        traceback.print_exc()
        kill_everything()
        sys.stderr.flush()
        _leave(environ, LastWords(error=f"{type(error).__name__}: {error}"))
        return EXIT_INTERNAL


def _make(folder: str) -> None:
    """For the agent's own user alone. Raises ConfigError."""
    try:
        os.mkdir(folder, 0o700)
    except FileExistsError:
        pass
    except OSError as error:
        raise ConfigError(f"{SOCKET_DIR} is {folder!r}, which cannot be made: {error}") from error


def _leave(environ: Dict[str, str], words: LastWords) -> None:
    """For whoever was not there to hear it; a place that cannot be written to costs only that."""
    path = environ.get(TERMINATION_LOG)
    if path:
        with suppress(OSError), open(path, "wb") as file:
            file.write(encode(words))
