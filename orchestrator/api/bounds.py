"""Whether every single value of a job keeps the bounds that its type states: ranges, lengths, numbers of items.

Called by `validation`, for jobs from files and from flags alike. Judges one value at a time; what takes two is a rule
in `validation`.
"""

from collections.abc import Iterator
from typing import cast

import msgspec
from msgspec import inspect

from orchestrator.api import shape
from orchestrator.api.errors import FieldError, Path


def check_bounds(value: msgspec.Struct, path: Path = ()) -> Iterator[FieldError]:
    for key, field in shape.fields_of(type(value)).items():
        found = getattr(value, field.name)
        if found is not None:
            yield from _check(field.type, found, (*path, key))


def _check(type_: inspect.Type, value: object, path: Path) -> Iterator[FieldError]:
    if isinstance(value, msgspec.Struct):
        yield from check_bounds(value, path)
        return
    message = _judge(type_, value)
    if message:
        yield FieldError(path=path, message=message)
    if isinstance(type_, inspect.VarTupleType):
        for index, item in enumerate(cast("tuple[object, ...]", value)):
            yield from _check(shape.unwrap(type_.item_type)[0], item, (*path, index))


def _judge(type_: inspect.Type, value: object) -> str:
    if isinstance(type_, inspect.IntType | inspect.FloatType):
        return say_out_of_range(cast("float", value), type_.ge, type_.le)
    if isinstance(type_, inspect.StrType):
        return _say_wrong_length(len(cast("str", value)), type_.min_length, type_.max_length, "characters")
    if isinstance(type_, inspect.VarTupleType | inspect.DictType):
        size = len(cast("tuple[object, ...]", value))
        return _say_wrong_length(size, type_.min_length, type_.max_length, "entries")
    return ""


def say_out_of_range(value: float, minimum: float | None, maximum: float | None) -> str:
    """Empty if it is in range; the comparison is so written that a NaN is not."""
    if (minimum is None or value >= minimum) and (maximum is None or value <= maximum):
        return ""
    if maximum is None:
        return f"must be at least {minimum:,}, is {value:,}"
    return f"must be from {minimum or 0:,} to {maximum:,}, is {value:,}"


def _say_wrong_length(length: int, minimum: int | None, maximum: int | None, unit: str) -> str:
    if length < (minimum or 0):
        return "must not be empty"
    if maximum is not None and length > maximum:
        return f"must have at most {maximum:,} {unit}, has {length:,}"
    return ""
