"""Entry of the agent: read the configuration, become the reaper of whatever the program leaves, run the loop.

Called by `python -m orchestrator.agent`. Returns the exit code: what Finish asked for, 143 after SIGTERM, the
program's own when no coordinator came back, 2 for a wrong configuration, 70 for an error of ours.
"""

from __future__ import annotations

import signal
import sys
import traceback
from typing import Dict

from orchestrator.agent import linux
from orchestrator.agent.config import ConfigError, parse
from orchestrator.agent.loop import Loop
from orchestrator.agent.process import kill_everything

EXIT_WRONG_CONFIG = 2
EXIT_INTERNAL = 70


def main(environ: Dict[str, str]) -> int:
    try:
        config = parse(environ)
        if config.parent_fd is not None:
            linux.set_death_signal(signal.SIGHUP)
        linux.become_subreaper()
        linux.leave_terminal()
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        return Loop(config).run()
    except ConfigError as error:
        print(f"agent: {error}", file=sys.stderr, flush=True)
        return EXIT_WRONG_CONFIG
    except Exception:
        traceback.print_exc()
        kill_everything()
        sys.stderr.flush()
        return EXIT_INTERNAL
