"""Arguments of the built-in programs against the catalog: from a job's YAML, and from texts of a command line.

Called by `validation` and `defaults` (values as YAML gives them), `overrides` (`--set epochs=5`) and the programs
themselves (`--epochs=5`), so that a wrong argument gets the same words everywhere.
"""

from collections.abc import Iterator, Mapping

from orchestrator.api import scalars, suggest
from orchestrator.api.bounds import say_out_of_range
from orchestrator.api.catalog import Argument, ArgumentType, ArgumentValue, Workload
from orchestrator.api.errors import FieldError, Path, quote


class WrongValue(Exception):
    """Why a value is none that the argument can have; the message also says what would be right."""


def check_args(workload: Workload, args: Mapping[str, object], path: Path) -> Iterator[FieldError]:
    """What is wrong with `args`, which stand at `path`."""
    for name, value in args.items():
        message = _judge(workload, name, value)
        if message:
            yield FieldError(path=(*path, name), message=message)


def _judge(workload: Workload, name: str, value: object) -> str:
    argument = workload.find_argument(name)
    if argument is None:
        return say_unknown_argument(workload, name)
    try:
        read_value(argument, value)
    except WrongValue as wrong:
        return str(wrong)
    return ""


def say_unknown_argument(workload: Workload, name: str) -> str:
    if name == "strategy" and workload.distributed:
        return "the strategy is the job's and not the program's: write it as spec.strategy, or --strategy"
    return suggest.unknown("argument", name, [argument.name for argument in workload.arguments])


def normalise_args(workload: Workload, args: Mapping[str, object]) -> dict[str, object]:
    """Each value in the form of its type (5.0 -> 5); what is wrong stays as it is, for validation to name."""
    return {name: _normalise(workload.find_argument(name), value) for name, value in args.items()}


def _normalise(argument: Argument | None, value: object) -> object:
    if argument is None:
        return value
    try:
        found = read_value(argument, value)
    except WrongValue:
        return value
    return list(found) if isinstance(found, tuple) else found


def read_value(argument: Argument, value: object) -> ArgumentValue:
    """A value from YAML or JSON. Raises WrongValue."""
    if argument.type is ArgumentType.BOOLEAN:
        if not isinstance(value, bool):
            raise WrongValue(f"expected true or false, got {_describe(value)}")
        return value
    if argument.type is ArgumentType.TEXT:
        return _check_text(argument, value)
    if argument.type is ArgumentType.INTEGERS:
        return _check_list(argument, value)
    if argument.type is ArgumentType.INTEGER:
        return _check_integer(argument, value)
    return _check_number(argument, value)


def read_text(argument: Argument, text: str) -> ArgumentValue:
    """A value from a command line; a list is `128,64` or `[128,64]`. Raises WrongValue."""
    if argument.type is ArgumentType.BOOLEAN:
        found = scalars.parse_bool(text.casefold())
        return read_value(argument, text if found is None else found)
    if argument.type is ArgumentType.INTEGERS:
        return read_value(argument, _split_list(text.strip()))
    return read_value(argument, text if argument.type is ArgumentType.TEXT else scalars.resolve(text))


def _split_list(text: str) -> list[object]:
    if text.startswith("[") != text.endswith("]"):
        raise WrongValue(f"expected a list such as 128,64 or [128,64], got {_describe(text)}")
    inner = text.removeprefix("[").removesuffix("]").strip()
    return [scalars.resolve(item.strip()) for item in inner.split(",")] if inner else []


def _check_integer(argument: Argument, value: object) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise WrongValue(f"expected a whole number{_range(argument)}, got {_describe(value)}")
    _check_range(argument, value)
    return value


def _check_number(argument: Argument, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise WrongValue(f"expected a number{_range(argument)}, got {_describe(value)}")
    _check_range(argument, value)
    return value


def _check_range(argument: Argument, value: float) -> None:
    message = say_out_of_range(value, argument.minimum, argument.maximum)
    if message:
        raise WrongValue(message)


def _check_list(argument: Argument, value: object) -> tuple[int, ...]:
    if not isinstance(value, list | tuple):
        hint = f"; write [{value}]" if isinstance(value, int) else ""
        raise WrongValue(f"expected a list of whole numbers, got {_describe(value)}{hint}")
    if argument.max_items is not None and not argument.min_items <= len(value) <= argument.max_items:
        raise WrongValue(f"must have {_say_size(argument)} entries, has {len(value)}")
    found, wrong = [], []
    for place, item in enumerate(value):
        try:
            found.append(_check_integer(argument, item))
        except WrongValue as error:
            wrong.append(f"[{place}] {error}")
    if wrong:
        raise WrongValue("; ".join(wrong))
    return tuple(found)


def _say_size(argument: Argument) -> str:
    if argument.min_items == argument.max_items:
        return str(argument.max_items)
    return (
        f"{argument.min_items} to {argument.max_items}"
        if argument.min_items
        else f"at most {argument.max_items}"
    )


def _check_text(argument: Argument, value: object) -> str:
    if not isinstance(value, str):
        raise WrongValue(f"expected a text, got {_describe(value)}")
    if value in argument.choices or (argument.suffix and value.endswith(argument.suffix)):
        return value
    for rejected, reason in argument.rejected:
        if value.casefold() == rejected:
            raise WrongValue(f"{quote(value)} {reason}")
    path = f", or a path that ends in {argument.suffix}" if argument.suffix else ""
    raise WrongValue(suggest.unknown("value", value, argument.choices) + path)


def _range(argument: Argument) -> str:
    if argument.minimum is None or argument.maximum is None:
        return ""
    return f" from {argument.minimum:,} to {argument.maximum:,}"


def _describe(value: object) -> str:
    if isinstance(value, str):
        return f"the text {quote(value)}"
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    return "nothing" if value is None else str(value).lower()[:60]
