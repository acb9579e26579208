"""Standard input, output and error as `tfo` finds them: perhaps closed, perhaps unable to say what must be said.

`main` calls `open_closed` first; `dispatch` calls `silence` when nobody reads any more. Imports next to nothing.
"""

import os
import sys
from typing import TextIO


def open_closed() -> None:
    """A closed descriptor would be given to the next file that is opened, and what is printed would go into that."""
    for fd, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(fd)
        except OSError:
            # The lowest free number, which is this one; for our children too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(fd, mode, encoding="utf-8", errors="replace", closefd=False))


def replace_unprintable() -> None:
    """A path or a name that the encoding of the output does not have is printed with question marks."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="replace")


def silence(stream: TextIO) -> None:
    """Nobody reads any more: send the rest, and what is flushed at the interpreter's end, nowhere."""
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
    except (OSError, ValueError):
        return
