"""Entry of the controller: options, log, signals, and what an end of it means to whoever watches the process.

Called by `tfo-controller` and `python -m orchestrator.controller`. Exit codes: 0 after SIGTERM, 1 when it does not lead
any more or something went wrong that only a new start can mend, 2 for wrong options or no cluster.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Sequence

from orchestrator.backends.kubernetes.transport import ConfigurationError
from orchestrator.controller.logs import LOGGER, say, set_up
from orchestrator.controller.options import EXIT_WRONG, PROGRAM, Options, WrongOption, parse
from orchestrator.controller.program import Lost, Program, connect
from orchestrator.version import __version__


def main(argv: Sequence[str] | None = None) -> int:
    try:
        options = parse(sys.argv[1:] if argv is None else argv, os.environ)
    except WrongOption as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return EXIT_WRONG
    set_up(options.log_format, options.log_level)
    # gRPC writes a line of its own for every stranger who knocks; refusals are counted, in metrics.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        asyncio.run(_run(options))
    except ConfigurationError as error:
        say(logging.ERROR, str(error))
        return EXIT_WRONG
    except Lost as error:
        say(logging.ERROR, f"not leading any more: {error}")
        return 1
    except OSError as error:
        say(logging.ERROR, str(error))
        return 1
    except Exception:
        LOGGER.error("an error of ours", exc_info=True)
        return 1
    say(logging.INFO, "ended")
    return 0


async def _run(options: Options) -> None:
    async with await connect(options) as api:
        say(logging.INFO, f"tf-orchestrator {__version__}", server=api.server)
        program = Program(options, api)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, _ask_to_stop, program)
        await program.run()


def _ask_to_stop(program: Program) -> None:
    """The second time at once."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.remove_signal_handler(number)
    program.stop()
