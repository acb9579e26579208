"""The program `tfo`: what has to be in order before anything else is imported, then `dispatch`.

The first thing that the console script calls. Imports next to nothing, so that a Ctrl-C in the first moment is as
silent as any other; all the rest is imported when signals and standard streams are safe.
"""

from __future__ import annotations

import os
import signal
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """argv None: as the program itself, which owns the process: its signals and its standard streams."""
    if argv is not None:
        return _dispatch(argv)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))
    from orchestrator.cli import signals

    signals.catch()
    from orchestrator.cli import streams

    streams.open_closed()
    try:
        code = _dispatch(sys.argv[1:])
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 0
    signals.ignore()
    return code


def _dispatch(argv: Sequence[str]) -> int:
    # Imported here: it takes a tenth of a second, in which signals must already be caught.
    from orchestrator.cli.dispatch import dispatch

    return dispatch(argv)


if __name__ == "__main__":
    sys.exit(main())
