"""The command line of the built-in programs: `NAME --argument value ...`, by the catalog's names, types and bounds.

Called by `__main__`. Text in, checked options out; every error is a UsageError with the words that validation has for
the same mistake in a YAML file. Knows nothing of TensorFlow, so that help and errors come at once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from orchestrator.api import suggest
from orchestrator.api.arguments import WrongValue, read_text, say_unknown_argument
from orchestrator.api.catalog import WORKLOADS, Argument, ArgumentType, ArgumentValue, Workload
from orchestrator.api.errors import quote
from orchestrator.workloads.options import OPTIONS, Options

PROGRAM = "python -m orchestrator.workloads"
HELP = ("-h", "--help")
_FLAG = "--"


_FOLDERS = """By hand, without tfo: TFO_CHECKPOINT_DIR=FOLDER saves checkpoints there and goes on from the newest
(without it nothing is saved on the way, also when it is told to stop), TFO_MODEL_DIR and TFO_LOG_DIR say where
the model and the files for TensorBoard go (default: the current folder, and logs in it)."""


AUTO, MIRRORED, PS = "auto", "mirrored", "ps"
STRATEGY = Argument(
    name="strategy",
    type=ArgumentType.TEXT,
    default=AUTO,
    description="auto: the one that the cluster in TF_CONFIG is made for; ps (ParameterServerStrategy) and mirrored "
    "insist on it.",
    choices=(AUTO, MIRRORED, PS),
)
"""Of the program alone, not of the catalog: in a job, spec.strategy decides what TF_CONFIG is."""


class UsageError(Exception):
    """The command line cannot be understood; the text says why and what would be right."""


def parse(words: Sequence[str]) -> Options:
    """The options that `words` (all behind the module's name) ask for. Raises UsageError."""
    workload = find_workload(words)
    values = workload.defaults | _read(workload, words[1:])
    values.pop(STRATEGY.name, None)
    return msgspec.convert(values, OPTIONS[workload.name])


def parse_strategy(words: Sequence[str]) -> str:
    """auto, or the one that `words` insist on. Raises UsageError."""
    return str(_read(find_workload(words), words[1:]).get(STRATEGY.name, AUTO))


def _read(workload: Workload, words: Sequence[str]) -> dict[str, ArgumentValue]:
    values: dict[str, ArgumentValue] = {}
    for name, text in _pairs(workload, words):
        argument = _find_argument(workload, name)
        try:
            values[argument.name] = read_text(argument, text)
        except WrongValue as error:
            raise UsageError(f"--{argument.name}: {error}") from None
    return values


def find_workload(words: Sequence[str]) -> Workload:
    """The program that the first word names."""
    names = tuple(WORKLOADS)
    if not words or words[0].startswith("-"):
        raise UsageError(f"which program? First comes its name: {', '.join(names)}")
    found = WORKLOADS.get(words[0])
    if found is None:
        raise UsageError(suggest.unknown("built-in program", words[0], names))
    return found


def wants_help(words: Sequence[str]) -> bool:
    return not words or any(word in HELP for word in words)


def render_help(words: Sequence[str]) -> str:
    """Of the named program, else of all."""
    named = [WORKLOADS[word] for word in words[:1] if word in WORKLOADS]
    if not named:
        listed = "\n".join(f"  {each.name:12}{each.summary}" for each in WORKLOADS.values())
        return f"usage: {PROGRAM} NAME [--argument value ...]\n\n{listed}\n\n{PROGRAM} NAME --help: its arguments"
    workload = named[0]
    arguments = (*workload.arguments, STRATEGY) if workload.distributed else workload.arguments
    lines = "\n".join(_render_argument(argument) for argument in arguments)
    return f"usage: {PROGRAM} {workload.name} [--argument value ...]\n\n{workload.summary}\n\n{lines}\n\n{_FOLDERS}"


def _pairs(workload: Workload, words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Name and text of each argument: `--name value`, `--name=value`, or `--name` alone for a boolean's true."""
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith(_FLAG) or word == _FLAG:
            raise UsageError(f"unexpected {quote(word)}; arguments are written --name value")
        name, equals, text = word.removeprefix(_FLAG).partition("=")
        if equals:
            yield name, text
        elif rest and not rest[0].startswith(_FLAG):
            yield name, rest.pop(0)
        elif _find_argument(workload, name).type is ArgumentType.BOOLEAN:
            yield name, "true"
        else:
            raise UsageError(f"--{name} needs a value")


def _find_argument(workload: Workload, name: str) -> Argument:
    """By its name; hyphens for underscores will do, as on other command lines."""
    is_strategy = workload.distributed and name == STRATEGY.name
    argument = STRATEGY if is_strategy else workload.find_argument(name.replace("-", "_"))
    if argument is None:
        raise UsageError(f"{workload.name}: {say_unknown_argument(workload, name)}")
    return argument


def _render_argument(argument: Argument) -> str:
    limits = _render_limits(argument)
    head = f"  --{argument.name} {argument.type.upper().replace(' ', '-')}"
    return f"{head}\n      {argument.description} {limits}Default: {render_value(argument.default)}."


def _render_limits(argument: Argument) -> str:
    if argument.choices:
        return (
            f"One of {', '.join(argument.choices)}{f' or PATH{argument.suffix}' if argument.suffix else ''}. "
        )
    if argument.minimum is not None and argument.maximum is not None:
        return f"{argument.minimum:g} to {argument.maximum:g}. "
    return ""


def render_value(value: ArgumentValue) -> str:
    """As it would be written on the command line."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{','.join(map(str, value))}]" if isinstance(value, tuple) else f"{value}"


def render_words(name: str, values: Mapping[str, ArgumentValue]) -> tuple[str, ...]:
    """The command line that `parse` reads back as these values."""
    return (name, *(f"--{key}={render_value(value)}" for key, value in values.items()))
