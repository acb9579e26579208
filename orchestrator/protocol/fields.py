"""Checked conversion between frozen dataclasses and JSON objects, driven by their type hints.

Used by `codec` and `datagrams`. Tolerant of unknown fields, strict about types, sizes and finite numbers; every
refusal is a ProtocolError that names the field. Runs nothing that it reads. Python 3.9, standard library only.
"""

from __future__ import annotations

import json
import math
from dataclasses import MISSING, fields, is_dataclass
from enum import Enum
from typing import Any, Callable, Dict, NamedTuple, Tuple, Type, Union, get_type_hints

MAX_TEXT = 4096
MAX_LINES = 32
MAX_NUMBERS = 64
MAX_METRICS = 16
MAX_METRIC_NAME = 64
MAX_ENVIRONMENT = 1024
MAX_ENVIRONMENT_VALUE = 127 * 1024
"""Linux gives no process a variable of 128 KiB or more, its name counted in (MAX_ARG_STRLEN of execve(2))."""
MAX_INTEGER = 2**63 - 1

Check = Callable[[object, str], object]
"""Turns a JSON value into the field's value, or raises ProtocolError naming the path."""


class ProtocolError(ValueError):
    """A message that cannot be understood or must not be sent."""


class UnknownType(ProtocolError):
    """A message of a type that this version does not know: a newer peer's; it may be ignored."""


class Field(NamedTuple):
    """One field of a message: how it is checked, and whether it may be absent."""

    name: str
    check: Check
    required: bool


def text(value: object, path: str, limit: int = MAX_TEXT) -> str:
    if not isinstance(value, str):
        raise ProtocolError(f"{path} must be a string, not {_kind(value)}")
    if len(value) > limit:
        raise ProtocolError(f"{path} has {len(value)} characters, at most {limit} are allowed")
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        raise ProtocolError(f"{path} is not valid Unicode text")
    return value


def flag(value: object, path: str) -> bool:
    if not isinstance(value, bool):
        raise ProtocolError(f"{path} must be true or false, not {_kind(value)}")
    return value


def integer(value: object, path: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ProtocolError(f"{path} must be an integer, not {_kind(value)}")
    if abs(value) > MAX_INTEGER:
        raise ProtocolError(f"{path} is out of range")
    return value


def number(value: object, path: str) -> float:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise ProtocolError(f"{path} must be a number, not {_kind(value)}")
    if abs(value) > MAX_INTEGER and isinstance(value, int):
        raise ProtocolError(f"{path} is out of range")
    if not math.isfinite(value):
        raise ProtocolError(f"{path} must be a finite number")
    return float(value)


def optional(check: Check) -> Check:
    return lambda value, path: None if value is None else check(value, path)


def sequence(check: Check, limit: int) -> Check:
    def check_all(value: object, path: str) -> Tuple[object, ...]:
        if not isinstance(value, list):
            raise ProtocolError(f"{path} must be a list, not {_kind(value)}")
        if len(value) > limit:
            raise ProtocolError(f"{path} has {len(value)} entries, at most {limit} are allowed")
        return tuple(check(item, f"{path}[{index}]") for index, item in enumerate(value))

    return check_all


def mapping(check: Check, limit: int, name_limit: int) -> Check:
    def check_all(value: object, path: str) -> Dict[str, object]:
        if not isinstance(value, dict):
            raise ProtocolError(f"{path} must be an object, not {_kind(value)}")
        if len(value) > limit:
            raise ProtocolError(f"{path} has {len(value)} entries, at most {limit} are allowed")
        return {
            text(name, f"name in {path}", name_limit): check(item, f"{path}.{name[:name_limit]}")
            for name, item in value.items()
        }

    return check_all


def choice(kind: Type[Enum]) -> Check:
    def check(value: object, path: str) -> Enum:
        try:
            return kind(value)
        except ValueError:
            raise ProtocolError(
                f"{path} must be one of {', '.join(str(member.value) for member in kind)}"
            ) from None

    return check


def environment_value(value: object, path: str, limit: int = MAX_ENVIRONMENT_VALUE) -> str:
    checked = text(value, path, limit)
    if "\0" in checked:
        raise ProtocolError(f"{path} holds a NUL character")
    return checked


CHECKS: Dict[object, Check] = {
    str: text,
    bool: flag,
    int: integer,
    float: number,
    Union[int, None]: optional(integer),
    Union[float, None]: optional(number),
    Tuple[str, ...]: sequence(text, MAX_LINES),
    Tuple[int, ...]: sequence(integer, MAX_NUMBERS),
    Dict[str, Union[float, None]]: mapping(optional(number), MAX_METRICS, MAX_METRIC_NAME),
    Dict[str, str]: mapping(environment_value, MAX_ENVIRONMENT, MAX_TEXT),
}
"""How each type hint of a message is checked; a hint that is missing here is an error at import."""


def describe(kind: type, extra: Dict[object, Check]) -> Tuple[Field, ...]:
    """The fields of a message type; `extra` adds checks for hints of its own."""
    hints = get_type_hints(kind, include_extras=True)
    return tuple(
        Field(
            each.name,
            _check_of(hints[each.name], extra),
            each.default is MISSING and each.default_factory is MISSING,
        )
        for each in fields(kind)
    )


def _check_of(hint: Any, extra: Dict[object, Check]) -> Check:
    if isinstance(hint, type) and issubclass(hint, Enum):
        return choice(hint)
    return extra[hint] if hint in extra else CHECKS[hint]


def collect(value: object, description: Tuple[Field, ...], path: str) -> Dict[str, Any]:
    """The known fields of a JSON object, checked; unknown ones are ignored."""
    if not isinstance(value, dict):
        raise ProtocolError(f"{path} must be an object, not {_kind(value)}")
    found = {}
    for each in description:
        if each.name in value:
            found[each.name] = each.check(value[each.name], f"{path}.{each.name}")
        elif each.required:
            raise ProtocolError(f"{path}.{each.name} is missing")
    return found


def plain(value: object) -> object:
    """A message as JSON values; dataclasses carry their class name as `type`."""
    if is_dataclass(value) and not isinstance(value, type):
        named = {each.name: plain(getattr(value, each.name)) for each in fields(value)}
        return {"type": type(value).__name__, **named}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    return value


def render(value: object, limit: int) -> bytes:
    """JSON bytes of a value that was checked; refuses what is too long."""
    data = json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":")).encode()
    if len(data) > limit:
        raise ProtocolError(f"message of {len(data)} bytes, at most {limit} are allowed")
    return data


def parse(data: bytes, limit: int) -> object:
    """The JSON value in these bytes; refuses what is too long, malformed, too deep, or not finite."""
    if len(data) > limit:
        raise ProtocolError(f"message of {len(data)} bytes, at most {limit} are allowed")
    try:
        return json.loads(data.decode(), parse_constant=_refuse_constant)
    except RecursionError:
        raise ProtocolError("message is nested too deeply") from None
    except ProtocolError:
        raise
    except ValueError as error:
        raise ProtocolError(f"not JSON: {error}") from None


def _refuse_constant(name: str) -> object:
    raise ProtocolError(f"{name} is not a finite number")


def _kind(value: object) -> str:
    return "null" if value is None else type(value).__name__
