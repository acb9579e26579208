"""What a command of the command line is made of: arguments, flags, help, and how values are read.

The tables `commands` and `cluster_commands` are made of it. Standard library only.
"""

from argparse import ArgumentTypeError
from collections.abc import Callable
from dataclasses import dataclass

MAX_REPLICAS = 3000
_MAX_SECONDS = 10 * 365 * 86400


@dataclass(frozen=True, kw_only=True)
class Flag:
    """An option. Without a metavar it is a switch; `optional`: its value may be left out."""

    names: tuple[str, ...]
    help: str
    metavar: str = ""
    choices: tuple[str, ...] = ()
    convert: Callable[[str], object] = str
    default: object = None
    repeat: bool = False
    optional: bool = False

    @property
    def key(self) -> str:
        """Its attribute among the parsed words."""
        return self.names[-1].lstrip("-").replace("-", "_")


@dataclass(frozen=True, kw_only=True)
class Word:
    """A positional argument. `count`: as argparse's nargs, "" for exactly one. `kind`: what completes it."""

    key: str
    metavar: str
    help: str
    count: str = ""
    kind: str = ""
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Command:
    """`entry`: module:function, imported only when the command is called."""

    name: str
    summary: str
    entry: str
    usage: tuple[str, ...]
    details: str = ""
    words: tuple[Word, ...] = ()
    flags: tuple[Flag, ...] = ()
    examples: tuple[str, ...] = ()
    takes_program: bool = False
    linux_only: bool = False


OUTPUT = Flag(
    names=("--output",),
    metavar="FORMAT",
    choices=("auto", "plain", "live", "json"),
    default="auto",
    help="live view, plain lines, one JSON event per line, or auto: live on a terminal, else plain.",
)
"""How a job is shown while it is followed."""


def whole(minimum: int, maximum: int) -> Callable[[str], int]:
    def convert(text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 12 and minimum <= int(text) <= maximum):
            raise ArgumentTypeError(f"must be a whole number from {minimum} to {maximum}, not {text!r}")
        return int(text)

    return convert


def seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= _MAX_SECONDS:
        raise ArgumentTypeError(f"must be seconds from 0 to {_MAX_SECONDS}, not {text!r}")
    return value
