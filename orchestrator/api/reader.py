"""Nodes -> values of the job's types, collecting every error instead of stopping at the first.

Called by `parse` for documents and by `overrides` for single values. Checks names and types only: bounds and
everything that takes more than one field to judge is `validation`'s, because not every job comes from a file.
A value that cannot be read is replaced by its default or a stand-in, so that the rest can still be judged.
"""

from collections.abc import Callable
from collections.abc import Mapping as AnyMapping
from functools import partial
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from orchestrator.api import scalars, shape, suggest
from orchestrator.api.errors import Errors, Path, Position, format_path, quote
from orchestrator.api.types import ReplicaSpecs
from orchestrator.api.yaml_nodes import Mapping, Node, Scalar, Sequence

StructT = TypeVar("StructT", bound=msgspec.Struct)
UNREADABLE = msgspec.UNSET
NO_VALUE = "has no value; remove the line, or give it one"
_ENUM_WORDS = {True: ("Auto", "Enabled"), False: ("Off", "Disabled")}
"""What users mean who write true or false where a word is wanted."""


class Reader:
    """Reads the nodes of one source; what is wrong goes to `errors`."""

    def __init__(self, file: str, errors: Errors) -> None:
        self._file = file
        self._errors = errors
        self._readers: AnyMapping[type[inspect.Type], Callable[[Any, Node, Path], object]] = {
            inspect.StructType: self._read_struct_type,
            inspect.DictType: self._read_dict,
            inspect.VarTupleType: self._read_list,
            inspect.EnumType: self._read_enum,
            inspect.LiteralType: self._read_literal,
            inspect.StrType: self._read_text,
            inspect.IntType: self._read_int,
            inspect.FloatType: self._read_float,
            inspect.BoolType: self._read_bool,
            inspect.AnyType: self._read_json,
        }

    def read(self, type_: inspect.Type, node: Node, path: Path) -> object:
        """The value, or UNREADABLE after saying why."""
        if node.tag:
            self.refuse_tag(node, path)
        if is_empty(node) and not isinstance(type_, inspect.AnyType):
            return self._refuse(path, _say_empty(type_), node)
        return self._readers[type(type_)](type_, node, path)

    def read_struct(self, cls: type[StructT], node: Mapping, path: Path) -> StructT:
        self._refuse_repeated(node, path)
        fields = shape.fields_of(cls)
        values: dict[str, object] = {}
        meant: set[str] = set()
        for key, entry in node.entries.items():
            if key in fields:
                value = self._read_field(cls, fields[key], entry.value, (*path, key))
                if value is not UNREADABLE:
                    values[fields[key].name] = value
            elif key not in shape.IGNORED.get(cls, ()):
                meant.add(self._refuse_unknown(cls, entry.key, node, path))
        for field in fields.values():
            if field.is_required and field.name not in values:
                if field.key not in node.entries and field.key not in meant:
                    self._refuse((*path, field.key), f"is missing: {field.description}", node)
                values[field.name] = shape.blank(field.type)
        return cls(**values)

    def _read_field(self, cls: type[msgspec.Struct], field: shape.Field, node: Node, path: Path) -> object:
        if is_empty(node) and shape.allows_null(cls, field):
            return UNREADABLE
        return self.read(field.type, node, path)

    def _refuse(self, path: Path, message: str | Callable[[], str], node: Node) -> object:
        if not isinstance(message, str):
            message = "" if self._errors.is_full else message()
        self._errors.add(path, message, Position(self._file, node.line, node.column))
        return UNREADABLE

    def _refuse_unknown(self, cls: type[msgspec.Struct], key: Scalar, node: Mapping, path: Path) -> str:
        """The field that is missing because this was written for it, or "": that it is missing needs no word then."""
        position = Position(self._file, key.line, key.column)
        if self._errors.is_full:
            self._errors.add((*path, key.text), "", position)
            return ""
        meant = find_meant(cls, key.text, path)
        if meant is None or meant in node.entries:
            meant = ""
        related = ((*path, meant),) if meant else ()
        self._errors.add((*path, key.text), say_unknown_field(cls, key.text, path), position, related)
        return meant

    def refuse_tag(self, node: Node, path: Path) -> None:
        """What has the tag is read as if it had none: there may be more to say about it."""
        self._refuse(path, f"unknown tag {quote(node.tag)}; write the value without a tag", node)

    def _refuse_repeated(self, node: Mapping, path: Path) -> None:
        for key in node.repeated:
            first = node.entries[key.text].key.line
            self._refuse(
                (*path, key.text), f"duplicate key {quote(key.text)}; it stands in line {first} already", key
            )

    def _read_struct_type(self, type_: inspect.StructType, node: Node, path: Path) -> object:
        if isinstance(node, Mapping):
            return self.read_struct(type_.cls, node, path)
        fields = ", ".join(shape.fields_of(type_.cls))
        return self._refuse(path, f"expected a mapping with the fields {fields}; got {describe(node)}", node)

    def _read_dict(self, type_: inspect.DictType, node: Node, path: Path) -> object:
        if not isinstance(node, Mapping):
            return self._refuse(path, f"expected a mapping, got {describe(node)}", node)
        self._refuse_repeated(node, path)
        values = {
            key: self.read(type_.value_type, entry.value, (*path, key)) for key, entry in node.entries.items()
        }
        return {key: value for key, value in values.items() if value is not UNREADABLE}

    def _read_list(self, type_: inspect.VarTupleType, node: Node, path: Path) -> object:
        if not isinstance(node, Sequence):
            hint = f"; write [{quote(node.text)[1:-1]}]" if isinstance(node, Scalar) else ""
            return self._refuse(path, f"expected a list, got {describe(node)}{hint}", node)
        items = (self.read(type_.item_type, item, (*path, index)) for index, item in enumerate(node.items))
        return tuple(shape.blank(type_.item_type) if item is UNREADABLE else item for item in items)

    def _read_enum(self, type_: inspect.EnumType, node: Node, path: Path) -> object:
        known = [str(member.value) for member in type_.cls]
        if not isinstance(node, Scalar):
            return self._refuse(path, f"expected one of {', '.join(known)}; got {describe(node)}", node)
        if node.text in known:
            return type_.cls(node.text)
        return self._refuse(path, partial(_say_unknown_word, node.text, known), node)

    def _read_literal(self, type_: inspect.LiteralType, node: Node, path: Path) -> object:
        if isinstance(node, Scalar) and node.text in type_.values:
            return node.text
        return self._refuse(path, f"expected {type_.values[0]}, got {describe(node)}", node)

    def _read_text(self, type_: inspect.StrType, node: Node, path: Path) -> object:
        if not isinstance(node, Scalar):
            return self._refuse(path, f"expected a text, got {describe(node)}", node)
        if node.plain and not isinstance(scalars.resolve(node.text), str):
            return self._refuse(
                path, f"expected a text, got {describe(node)}; put it in quotes: {quote(node.text)}", node
            )
        return node.text

    def _read_int(self, type_: inspect.IntType, node: Node, path: Path) -> object:
        if not isinstance(node, Scalar) or not node.plain:
            return self._refuse(path, f"expected a whole number, got {describe(node)}", node)
        number = scalars.parse_int(node.text)
        if number is None:
            return self._refuse(path, scalars.say_wrong_int(node.text, format_path(path[-1:])), node)
        return number

    def _read_float(self, type_: inspect.FloatType, node: Node, path: Path) -> object:
        if not isinstance(node, Scalar) or not node.plain:
            return self._refuse(path, f"expected a number, got {describe(node)}", node)
        number = scalars.parse_float(node.text)
        if number is None:
            return self._refuse(path, f"expected a finite number, got {quote(node.text)}", node)
        return number

    def _read_bool(self, type_: inspect.BoolType, node: Node, path: Path) -> object:
        value = scalars.parse_bool(node.text) if isinstance(node, Scalar) and node.plain else None
        if value is None:
            return self._refuse(path, f"expected true or false, got {describe(node)}", node)
        return value

    def _read_json(self, type_: inspect.AnyType, node: Node, path: Path) -> object:
        if isinstance(node, Mapping):
            self._refuse_repeated(node, path)
            pairs = ((key, self.read(type_, e.value, (*path, key))) for key, e in node.entries.items())
            return {key: value for key, value in pairs if value is not UNREADABLE}
        if isinstance(node, Sequence):
            items = (self.read(type_, item, (*path, index)) for index, item in enumerate(node.items))
            return [None if item is UNREADABLE else item for item in items]
        if not node.plain:
            return node.text
        value = scalars.resolve(node.text)
        if scalars.is_not_finite(node.text):
            return self._refuse(path, f"{quote(node.text)} is no number that JSON can hold", node)
        if isinstance(value, int) and abs(value) > scalars.MAX_INTEGER:
            return self._refuse(path, "the number is too large; put it in quotes if it is a text", node)
        return value


def is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.plain and scalars.is_null(node.text)


def describe(node: Node) -> str:
    """What stands there, in words."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    if not node.plain:
        return f"the text {quote(node.text)} in quotes"
    return scalars.describe(node.text)


def _say_empty(type_: inspect.Type) -> str:
    return f"{NO_VALUE} ({{}} for the defaults)" if isinstance(type_, inspect.StructType) else NO_VALUE


def _say_unknown_word(word: str, known: list[str]) -> str:
    meant = scalars.parse_bool(word)
    words = () if meant is None else _ENUM_WORDS[meant]
    nearest = next((candidate for candidate in words if candidate in known), None)
    return suggest.unknown("value", word, known, nearest)


def say_unknown_field(cls: type[msgspec.Struct], key: str, path: Path) -> str:
    """What is meant by a field that the struct at `path` does not have; dear, so only made when it will be shown."""
    known = list(shape.fields_of(cls))
    if cls is ReplicaSpecs:
        return suggest.unknown("role", key, known)
    if homes := _find_homes(key, path):
        places = " or ".join(format_path(home) or "the top level" for home in homes[:2])
        return f"unknown field {quote(key)} here; it belongs in {places}"
    return suggest.unknown("field", key, known)


def find_meant(cls: type[msgspec.Struct], key: str, path: Path) -> str | None:
    """The field of the struct at `path` that `key` is a misspelling of."""
    is_elsewhere = cls is not ReplicaSpecs and _find_homes(key, path)
    return None if is_elsewhere else suggest.find_nearest(key, shape.fields_of(cls))


def _find_homes(key: str, path: Path) -> list[Path]:
    """Other structs that have a field of this name."""
    return [home[:-1] for home in shape.find_homes(key) if home[:-1] != path]
