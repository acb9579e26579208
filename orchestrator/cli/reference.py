"""docs/reference/cli.md, made from the table of commands.

`python -m orchestrator.cli.reference > docs/reference/cli.md` writes it anew; a test compares. Pure but for printing.
"""

from orchestrator.cli import exit_codes
from orchestrator.cli.arguments import DEFAULT_RUNS, RUNS_VARIABLE
from orchestrator.cli.commands import COMMANDS
from orchestrator.cli.dispatch import DEBUG_VARIABLE
from orchestrator.cli.parser import DESCRIPTION
from orchestrator.cli.words import Command, Flag, Word

PATH = "docs/reference/cli.md"
_EXIT_CODES = (
    (exit_codes.OK, "success"),
    (
        exit_codes.FAILED,
        "the job failed; `tfo stop` ran out of time; `tfo doctor` says that `tfo run` cannot work",
    ),
    (
        exit_codes.WRONG_INPUT,
        "wrong input: an unknown word, file, run or field, a file or folder that may not be read or written, or "
        "TensorFlow is missing",
    ),
    (exit_codes.ERROR, "an error of tfo itself; its traceback is in the file that is named"),
    (exit_codes.HANGUP, "ended by SIGHUP"),
    (exit_codes.INTERRUPTED, "ended by Ctrl-C or `tfo stop`"),
    (exit_codes.QUIT, "ended by Ctrl-\\"),
    (
        exit_codes.BROKEN_PIPE,
        "whoever read the output has gone, as in `tfo logs JOB | head`; `tfo run` goes on and ends as its job does",
    ),
    (exit_codes.TERMINATED, "ended by SIGTERM"),
)
_VARIABLES = (
    (RUNS_VARIABLE, f"Folder of all runs where `--runs-dir` says nothing; default: `./{DEFAULT_RUNS}`."),
    (DEBUG_VARIABLE, "Not empty: tracebacks of tfo's own errors are printed, not put into a file."),
    ("NO_COLOR", "Not empty: no colours."),
    ("TERM", "`dumb` or empty: `tfo run` prints plain lines, as on a terminal of fewer than 20 columns."),
)


def render() -> str:
    parts = [
        "# Command line",
        "<!-- Made by `python -m orchestrator.cli.reference` from the parser's own table; do not edit. -->",
        DESCRIPTION,
        "\n".join(f"- [`tfo {one.name}`](#tfo-{one.name}): {one.summary}" for one in COMMANDS),
        "`tfo --version` prints the version, `tfo COMMAND --help` what stands below.",
        *(part for one in COMMANDS for part in _command(one)),
        "## Exit codes",
        _table(("code", "meaning"), [(str(code), text) for code, text in _EXIT_CODES]),
        "## Environment variables",
        _table(("variable", "meaning"), [(f"`{name}`", text) for name, text in _VARIABLES]),
    ]
    return "\n\n".join(parts) + "\n"


def _command(command: Command) -> list[str]:
    """A section."""
    parts = [
        f"## tfo {command.name}",
        f"{command.summary} {command.details}".strip(),
        _block("text", command.usage),
    ]
    if command.words:
        parts.append(_table(("argument", "meaning"), [_word(one) for one in command.words]))
    if command.flags:
        parts.append(_table(("option", "meaning"), [_flag(one) for one in command.flags]))
    if command.examples:
        parts += ["For example:", _block("sh", command.examples)]
    return parts


def _block(language: str, lines: tuple[str, ...]) -> str:
    return "\n".join((f"```{language}", *lines, "```"))


def _word(word: Word) -> tuple[str, str]:
    return f"`{word.metavar}`", word.help


def _flag(flag: Flag) -> tuple[str, str]:
    value = f" {flag.metavar}" if flag.metavar else ""
    names = [f"`{name}{f' [{flag.metavar}]' if flag.optional else value}`" for name in flag.names]
    return ", ".join(names), flag.help


def _table(head: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [head, ("---", "---"), *rows]
    return "\n".join(f"| {_cell(left)} | {_cell(right)} |" for left, right in lines)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(render(), end="")
