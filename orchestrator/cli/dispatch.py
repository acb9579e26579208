"""Parse the words, import the command's module, call it, give its exit code.

Called by `main`. The only place that catches everything: a wrong word is exit code 2, an error of ours 70 with its
traceback in a file. Imports no command and nothing heavy, so that `tfo --help` answers at once.
"""

import errno
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from orchestrator.cli import arguments, exit_codes, parser, signals, streams
from orchestrator.cli.arguments import Options
from orchestrator.cli.errors import PROGRAM, Refused, UsageError, WrongJob

DEBUG_VARIABLE = "TFO_DEBUG"
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_LET = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
)
"""What a file says to which its owner, its place or its name lets nobody."""


def dispatch(argv: Sequence[str]) -> int:
    """Flushes, so that a reader who has gone away is noticed here and not at exit."""
    streams.replace_unprintable()
    try:
        code = _call(argv)
        sys.stdout.flush()
    except BrokenPipeError:
        streams.silence(sys.stdout)
        return exit_codes.BROKEN_PIPE
    except KeyboardInterrupt:
        return exit_codes.INTERRUPTED
    except OSError as error:
        return _say_system_error(error)
    except Exception as error:
        return _report(error)
    return code


def _call(argv: Sequence[str]) -> int:
    if not argv:
        parser.build().print_help(sys.stderr)
        return exit_codes.WRONG_INPUT
    try:
        return _run(argv)
    except UsageError as error:
        return _refuse(f"{error}\nsee: {error.hint}", error.command)
    except WrongJob as error:
        print(error, file=sys.stderr)
        return exit_codes.WRONG_INPUT
    except Refused as error:
        return _refuse(str(error))
    except SystemExit as end:  # --help and --version, which argparse ends that way
        return end.code if isinstance(end.code, int) else exit_codes.OK


def _run(argv: Sequence[str]) -> int:
    command, options = arguments.parse(argv, os.environ)
    if command.linux_only and sys.platform != "linux":
        raise Refused(
            f"{PROGRAM} {command.name} needs Linux (WSL2 on Windows); validate, plan and schema work here"
        )
    call = find_entry(command.entry)
    signals.give_to(
        signals.exit_soon
    )  # not taken back: a run says for itself what signals mean after its end
    return call(options)


def find_entry(place: str) -> Callable[[Options], int]:
    module, _, function = place.partition(":")
    found: Callable[[Options], int] = getattr(importlib.import_module(module), function)
    return found


def _refuse(message: str, command: str = "") -> int:
    name = f"{PROGRAM} {command}".strip()
    print(f"{name}: {message}", file=sys.stderr)
    return exit_codes.WRONG_INPUT


def _say_system_error(error: OSError) -> int:
    """A full disk behind the output, a folder that is gone and a file that may not be touched are no error of ours;
    whatever else comes here is."""
    if error.errno in _DISK_FULL:
        streams.silence(sys.stdout)
        print(f"{PROGRAM}: cannot write: {error.strerror}", file=sys.stderr)
        return exit_codes.FAILED
    if isinstance(error, FileNotFoundError) and not _has_folder():
        return _refuse("the current folder has been removed; go to one that exists and call again")
    if error.filename is not None and error.errno in _NOT_LET:
        return _refuse(f"{os.fsdecode(error.filename)}: {error.strerror}")
    return _report(error)


def _has_folder() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True


def _report(error: Exception) -> int:
    """A short message; the traceback goes to a file, or with TFO_DEBUG=1 to the terminal."""
    import tempfile
    import traceback

    text = "".join(traceback.format_exception(error))
    print(f"{PROGRAM}: this is an error of {PROGRAM}: {type(error).__name__}: {error}", file=sys.stderr)
    if os.environ.get(DEBUG_VARIABLE):
        print(text, end="", file=sys.stderr)
        return exit_codes.ERROR
    try:
        with tempfile.NamedTemporaryFile("w", prefix="tfo-error-", suffix=".txt", delete=False) as file:
            file.write(text)
        print(f"{PROGRAM}: the traceback is in {file.name}; {DEBUG_VARIABLE}=1 prints it", file=sys.stderr)
    except OSError:
        print(text, end="", file=sys.stderr)
    return exit_codes.ERROR
