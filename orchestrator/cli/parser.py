"""argparse built from the table in `commands`, with errors that name the nearest known word.

Called by `arguments.parse`. Prints only --help and --version; what is wrong in the words is raised as UsageError.
"""

import argparse
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import NoReturn

from orchestrator.cli.commands import COMMANDS, find
from orchestrator.cli.errors import PROGRAM, UsageError
from orchestrator.cli.words import Command, Flag, Word
from orchestrator.version import __version__

DESCRIPTION = "Distributed TensorFlow training, run as easily as one process."
ROOT_OPTIONS = ("-h", "--help", "--version")


class _Parser(argparse.ArgumentParser):
    """Raises where argparse would print its usage and exit."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(message, self.prog.removeprefix(PROGRAM).strip())


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Raises UsageError; --help and --version print and raise SystemExit."""
    _refuse_unknown(argv)
    words, extra = build().parse_known_args(_with_flags_first(argv))
    if extra:
        raise UsageError(_say_unexpected(extra, words), words.command or "")
    return words


def _with_flags_first(argv: Sequence[str]) -> Sequence[str]:
    """argparse takes a second word for missing when a flag stands before it: `tfo logs JOB -f worker-0`."""
    command = find(argv[0]) if argv else None
    if command is None or len(command.words) < 2:
        return argv
    valued = {name for flag in command.flags if flag.metavar for name in flag.names}
    flags: list[str] = []
    words: list[str] = []
    left = iter(argv[1:])
    for one in left:
        (flags if one.startswith("-") and one != "-" else words).append(one)
        if one in valued:
            flags.extend(islice(left, 1))
    return [argv[0], *flags, *words]


def _say_unexpected(extra: Sequence[str], words: argparse.Namespace) -> str:
    flags = [one for one in extra if one.startswith("-")]
    said = f"unexpected argument {(flags or extra)[0]!r}"
    if not flags and getattr(words, "resume", None) == "":
        return f"{said}; a run to resume stands behind '=': --resume={extra[0]}"
    command = find(words.command or "")
    if flags or command is None or not command.takes_program:
        return said
    return (
        f"{said}; a program stands behind '--': {PROGRAM} {command.name} -- {words.target} {' '.join(extra)}"
    )


def build() -> argparse.ArgumentParser:
    root = _Parser(
        prog=PROGRAM,
        description=DESCRIPTION,
        usage=f"{PROGRAM} COMMAND [options]",
        epilog=f"{PROGRAM} COMMAND --help tells more.",
        allow_abbrev=False,
    )
    root.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    chosen = root.add_subparsers(dest="command", metavar="COMMAND", title="commands", parser_class=_Parser)
    for command in COMMANDS:
        _add(command, chosen)
    return root


def _add(command: Command, chosen: "argparse._SubParsersAction[_Parser]") -> None:
    examples = "".join(f"\n  {one}" for one in command.examples)
    made = chosen.add_parser(
        command.name,
        prog=f"{PROGRAM} {command.name}",
        help=command.summary,
        description=f"{command.summary} {command.details}".strip(),
        usage="\n       ".join(command.usage),
        epilog=f"examples:{examples}" if examples else None,
        formatter_class=_Formatter,
        allow_abbrev=False,
    )
    for word in command.words:
        _add_word(word, made)
    for flag in command.flags:
        _add_flag(flag, made)


class _Formatter(argparse.HelpFormatter):
    """Wraps the description, keeps the lines of the examples."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return text
        return super()._fill_text(text, width, indent)


def _add_word(word: Word, made: argparse.ArgumentParser) -> None:
    made.add_argument(
        word.key,
        metavar=word.metavar,
        nargs=word.count or None,
        choices=word.choices or None,
        help=word.help,
    )


def _add_flag(flag: Flag, made: argparse.ArgumentParser) -> None:
    if not flag.metavar:
        made.add_argument(*flag.names, dest=flag.key, action="store_true", help=flag.help)
        return
    made.add_argument(
        *flag.names,
        dest=flag.key,
        metavar=flag.metavar,
        type=flag.convert,
        choices=flag.choices or None,
        default=[] if flag.repeat else flag.default,
        action="append" if flag.repeat else "store",
        nargs="?" if flag.optional else None,
        const="" if flag.optional else None,
        help=flag.help,
    )


def _refuse_unknown(argv: Sequence[str]) -> None:
    """Before argparse, whose words for these are unkind: an unknown command or option, with the nearest known."""
    first = argv[0] if argv else ""
    if first.startswith("-") and first not in ROOT_OPTIONS:
        raise UsageError(_misplaced_option(first.partition("=")[0]))
    name = next((one for one in argv if not one.startswith("-")), None)
    command = find(name) if name is not None else None
    if name is not None and command is None:
        raise UsageError(_unknown_command(name))
    known = [*ROOT_OPTIONS, *(option for flag in (command.flags if command else ()) for option in flag.names)]
    for option in _long_options(argv):
        if option not in known:
            raise UsageError(_unknown_option(option, known), command.name if command else "")


def _long_options(argv: Iterable[str]) -> list[str]:
    return [one.partition("=")[0] for one in argv if one.startswith("--")]


def _misplaced_option(option: str) -> str:
    owner = next((one for one in COMMANDS for flag in one.flags if option in flag.names), None)
    if owner is None:
        return _unknown_option(option, ROOT_OPTIONS)
    return f"option {option!r} stands behind its command: {PROGRAM} {owner.name} ... {option}"


def _unknown_command(name: str) -> str:
    # Imported here: needed only for a mistake, and it costs what `tfo --help` has not got.
    from orchestrator.api.catalog import WORKLOADS
    from orchestrator.api.suggest import unknown

    if name in WORKLOADS or name.endswith((".yaml", ".yml", ".json")):
        return f"unknown command {name!r}; did you mean: {PROGRAM} run {name}?"
    if name.endswith(".py") and Path(name).exists():
        return f"unknown command {name!r}; did you mean: {PROGRAM} run -- python {name}?"
    return unknown("command", name, [one.name for one in COMMANDS])


def _unknown_option(option: str, known: Sequence[str]) -> str:
    from orchestrator.api.suggest import find_nearest

    nearest = find_nearest(option, known)
    return f"unknown option {option!r}" + (f"; did you mean {nearest!r}?" if nearest else "")
