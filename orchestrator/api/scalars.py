"""What a plain YAML scalar means: YAML 1.2's core rules, read with an eye on the type that is wanted.

Used by `reader`, for values and for the words about wrong ones. YAML 1.1, which Kubernetes' tools speak, differs:
there `Off` is false, `010` is 8 and `1:30` is 90. Nothing here guesses: where the two disagree on a number, the
caller gets None and the user a message.
"""

import math
import re

from orchestrator.api.errors import quote

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})
_TRUE_1_1 = _TRUE | {"yes", "Yes", "YES", "on", "On", "ON"}
_FALSE_1_1 = _FALSE | {"no", "No", "NO", "off", "Off", "OFF"}
_DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_PREFIXED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_OCTAL_1_1 = re.compile(r"0[0-7]+")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_MAX_DIGITS = 400
MAX_INTEGER = 2**63 - 1
"""What JSON as Kubernetes reads it can hold."""

Scalar = None | bool | int | float | str


def is_null(text: str) -> bool:
    return text in _NULL


def parse_bool(text: str) -> bool | None:
    """Also yes/no/on/off: where a boolean is wanted they can mean nothing else."""
    if text in _TRUE_1_1:
        return True
    return False if text in _FALSE_1_1 else None


def parse_int(text: str) -> int | None:
    """A whole number, also written 2.0 or 1e3; None for anything else, numbers with leading zeros included."""
    number = None if len(text) > _MAX_DIGITS else _parse_int(text)
    return number if number is None or abs(number) <= MAX_INTEGER else None


def _parse_int(text: str) -> int | None:
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    number = None if _OCTAL_1_1.fullmatch(text) else parse_float(text)
    return int(number) if number is not None and number.is_integer() and abs(number) < 2**53 else None


def parse_float(text: str) -> float | None:
    """A finite number, or None."""
    if len(text) > _MAX_DIGITS or not _FLOAT.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def is_not_finite(text: str) -> bool:
    """An infinity or not-a-number, by name or because it is too large for a number."""
    if _NOT_FINITE.fullmatch(text):
        return True
    return len(text) <= _MAX_DIGITS and bool(_FLOAT.fullmatch(text)) and math.isinf(float(text))


def resolve(text: str) -> Scalar:
    """What a plain scalar is where any JSON value may stand. `0644` is octal, as kubectl reads it in a template."""
    if is_null(text):
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if len(text) > _MAX_DIGITS:
        return text
    if _OCTAL_1_1.fullmatch(text):
        return int(text, 8)
    if _DECIMAL.fullmatch(text):
        return int(text)
    if _PREFIXED.fullmatch(text):
        return int(text, 0)
    number = parse_float(text)
    return text if number is None else number


def describe(text: str) -> str:
    """What a plain scalar is, in words."""
    value = resolve(text)
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"the boolean {quote(text)}"
    return f"the {'text' if isinstance(value, str) else 'number'} {quote(text)}"


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])")
_LEADING_ZERO = re.compile(r"0[0-9]{1,30}")


def say_wrong_int(text: str, field: str) -> str:
    """Why `text` is no whole number, and what to write instead where that is known."""
    duration = _DURATION.fullmatch(text)
    if duration and "Seconds" in field:
        seconds = int(duration.group(1)) * _SECONDS[duration.group(2)]
        return f"expected a whole number of seconds, got {quote(text)}; write {seconds}"
    if _LEADING_ZERO.fullmatch(text):
        return f"expected a whole number, got {quote(text)}; write {int(text)} without the leading zero"
    if _DECIMAL.fullmatch(text):
        return f"the number {quote(text)} is too large"
    return f"expected a whole number, got {describe(text)}"
