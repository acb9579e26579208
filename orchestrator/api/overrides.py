"""`--set`: single values of a job by their dotted path, and arguments of a built-in program, from texts.

Called by `load` and the command line with a job before its defaults. Reads names and types as `parse` does, with the
same words; bounds and rules are judged afterwards by `validation`, on the changed job.
"""

import re
from collections.abc import Sequence
from typing import cast

import msgspec
from msgspec import inspect
from msgspec.structs import replace

from orchestrator.api import shape
from orchestrator.api.arguments import WrongValue, read_text, say_unknown_argument
from orchestrator.api.catalog import WORKLOADS, ArgumentValue
from orchestrator.api.errors import Errors, FieldError, Locator, Path, Position, format_path, is_utf8, quote
from orchestrator.api.reader import UNREADABLE, Reader, say_unknown_field
from orchestrator.api.types import JobSpec, JsonObject, TensorFlowJob
from orchestrator.api.yaml_nodes import Node, Refused, Scalar, compose

_PART = re.compile(r'([^.\[\]"]+)|\["([^"]*)"\]|\[([0-9]{1,6})\]')


class Overridden(msgspec.Struct, frozen=True):
    """The changed job, and for each path that was set the assignment as it was given.

    The path is that of the outermost thing which the assignment brought into being: what is missing in there is its
    fault too.
    """

    job: TensorFlowJob
    errors: tuple[FieldError, ...]
    origins: tuple[tuple[Path, str], ...]


class _Misplaced(Exception):
    """A path leads nowhere; the message says from where on."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def apply(job: TensorFlowJob, assignments: Sequence[str]) -> Overridden:
    """Each assignment is PATH=VALUE; a path without `spec` or `metadata` at its head is one below `spec`."""
    errors: list[FieldError] = []
    origins: list[tuple[Path, str]] = []
    for assignment in assignments:
        position = locate_assignment(assignment)
        found = Errors()
        try:
            path, value = _split(assignment)
            one = _Assignment(value, position, found)
            job = cast("TensorFlowJob", one.set(job, path))
            origins.append((one.origin or path, position.file))
        except _Misplaced as misplaced:
            found.add(misplaced.path, misplaced.message, position)
        except _Unreadable:
            pass  # and `found` says why
        errors.extend(replace(error, position=position) for error in found.items)
    return Overridden(job, tuple(errors), tuple(origins))


def overlay(locate: Locator, changed: Overridden) -> Locator:
    """Points at the assignment for what was assigned, the last one as it won, and at the source for the rest."""

    def find(path: Path) -> Position:
        for origin, assignment in reversed(changed.origins):
            if path[: len(origin)] == origin:
                return Position(assignment)
        return locate(path)

    return find


def locate_assignment(assignment: str) -> Position:
    return Position(f"--set {quote(assignment)[1:-1]}")


def workload_args(
    name: str, assignments: Sequence[str]
) -> tuple[dict[str, ArgumentValue], tuple[FieldError, ...]]:
    """NAME=VALUE of a built-in program that exists; later ones win."""
    workload = WORKLOADS[name]
    values: dict[str, ArgumentValue] = {}
    errors = Errors()
    for assignment in assignments:
        position = locate_assignment(assignment)
        key, separator, text = assignment.partition("=")
        argument = workload.find_argument(key.strip())
        try:
            if not is_utf8(assignment):
                raise WrongValue("is not UTF-8")
            if not separator:
                raise WrongValue("expected NAME=VALUE")
            if argument is None:
                raise WrongValue(say_unknown_argument(workload, key.strip()))
            values[argument.name] = read_text(argument, text.strip())
        except WrongValue as wrong:
            errors.add((), str(wrong), position)
    return values, tuple(errors.items)


def _split(assignment: str) -> tuple[Path, str]:
    text, separator, value = assignment.partition("=")
    if not separator:
        raise _Misplaced((), "expected PATH=VALUE, such as spec.runPolicy.backoffLimit=5")
    if not is_utf8(assignment):
        raise _Misplaced((), "is not UTF-8")
    path = _parse_path(text.strip())
    return (path if path[0] in ("spec", "metadata") else ("spec", *path)), value.strip()


def _parse_path(text: str) -> Path:
    parts: list[str | int] = []
    place = 0
    while place < len(text):
        match = _PART.match(text, place + (text[place] == "." and place > 0))
        if match is None:
            break
        word, key, index = match.groups()
        parts.append(int(index) if index is not None else word if word is not None else key)
        place = match.end()
    if place < len(text) or not parts:
        raise _Misplaced((), f"{quote(text)} is no path, such as spec.runPolicy.backoffLimit")
    return tuple(parts)


class _Unreadable(Exception):
    """The value is none of its type; the reader has said why."""


class _Assignment:
    """One value on its way into the job. `origin`: see Overridden; empty where only a value changed."""

    def __init__(self, text: str, position: Position, errors: Errors) -> None:
        self._text = text
        self._errors = errors
        self._reader = Reader(position.file, errors)
        self.origin: Path = ()

    def set(self, job: TensorFlowJob, path: Path) -> msgspec.Struct:
        return self._set_field(job, path, ())

    def _set_field(self, struct: msgspec.Struct, rest: Path, path: Path) -> msgspec.Struct:
        key = rest[0]
        fields = shape.fields_of(type(struct))
        if not isinstance(key, str) or key not in fields:
            raise _Misplaced((*path, key), _say_unknown(struct, str(key), path))
        field = fields[key]
        current = getattr(struct, field.name)
        if current == field.default:
            self._begin((*path, key))
        value = self._set(field.type, current, rest[1:], (*path, key))
        return replace(struct, **{field.name: value})

    def _set(self, type_: inspect.Type, current: object, rest: Path, path: Path) -> object:
        """The new value in place of `current`."""
        if not rest:
            return self._read(type_, path)
        if isinstance(type_, inspect.StructType):
            struct = current if isinstance(current, msgspec.Struct) else shape.blank_struct(type_.cls)
            return self._set_field(struct, rest, path)
        if isinstance(type_, inspect.DictType):
            return self._set_entry(type_.value_type, cast("JsonObject", current or {}), rest, path)
        if isinstance(type_, inspect.VarTupleType):
            items = list(cast("tuple[object, ...]", current))
            return tuple(self._set_item(type_.item_type, items, rest, path))
        if isinstance(type_, inspect.AnyType):
            if not isinstance(current, list if isinstance(rest[0], int) else dict):
                self._begin(path)
            if isinstance(rest[0], int):
                return self._set_item(type_, current if isinstance(current, list) else [], rest, path)
            return self._set_entry(type_, current if isinstance(current, dict) else {}, rest, path)
        raise _Misplaced((*path, *rest), f"{format_path(path)} is a single value and has no fields")

    def _set_entry(self, type_: inspect.Type, current: JsonObject, rest: Path, path: Path) -> object:
        key = str(rest[0])
        if key not in current:
            self._begin((*path, key))
        value = self._set(type_, current.get(key), rest[1:], (*path, key))
        return {**current, key: value}

    def _set_item(self, type_: inspect.Type, items: list[object], rest: Path, path: Path) -> list[object]:
        """Changes an item, or adds one right behind the last."""
        index = rest[0]
        if not isinstance(index, int) or index > len(items):
            raise _Misplaced(
                (*path, index), f"{format_path(path)} is a list of {len(items)}; write [0] and so on"
            )
        if index == len(items):
            self._begin((*path, index))
        current = items[index] if index < len(items) else None
        value = self._set(type_, current, rest[1:], (*path, index))
        return [*items[:index], value, *items[index + 1 :]]

    def _begin(self, path: Path) -> None:
        """Nothing stood at `path` before."""
        self.origin = self.origin or path

    def _read(self, type_: inspect.Type, path: Path) -> object:
        value = self._reader.read(type_, self._compose(type_, path), path)
        if value is UNREADABLE:
            raise _Unreadable
        return value

    def _compose(self, type_: inspect.Type, path: Path) -> Node:
        """A text is taken as it is, without YAML's quotes: the shell has its own."""
        text = self._text
        if isinstance(type_, inspect.StrType) or not text:
            return Scalar(line=0, column=0, text=text, plain=not text)
        try:
            return next(compose(text), Scalar(line=0, column=0, text="", plain=True))
        except Refused as refused:
            raise _Misplaced(path, refused.message) from None


def _say_unknown(struct: msgspec.Struct, key: str, path: Path) -> str:
    workload = (
        WORKLOADS.get(struct.workload.name) if isinstance(struct, JobSpec) and struct.workload else None
    )
    if workload and workload.find_argument(key):
        return f"is an argument of {workload.name}; write spec.workload.args.{key}"
    return say_unknown_field(type(struct), key, path)
