"""What the types of a job look like, for walking them: each struct's fields by the names that users write.

A thin reading of `msgspec.inspect` shared by `reader`, `bounds`, `overrides` and `schema`, so that parser, validation
and schema cannot disagree about the types. Cached; no I/O.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import cast

import msgspec
from msgspec import inspect

from orchestrator.api.errors import Path
from orchestrator.api.types import Metadata, TensorFlowJob

IGNORED: Mapping[type[msgspec.Struct], tuple[str, ...]] = {
    TensorFlowJob: ("status",),
    Metadata: (
        "finalizers",
        "generateName",
        "managedFields",
        "ownerReferences",
        "selfLink",
        "deletionGracePeriodSeconds",
    ),
}
"""What an API server adds to an object: accepted, so that `kubectl get -o yaml` can be read back, and not used."""


class Field(msgspec.Struct, frozen=True):
    """`name` in Python, `key` in YAML; `type` without the wrappings of Annotated and Optional."""

    name: str
    key: str
    type: inspect.Type
    is_required: bool
    default: object
    description: str


@cache
def fields_of(cls: type[msgspec.Struct]) -> Mapping[str, Field]:
    """The fields by key, in the order of the types."""
    info = cast("inspect.StructType", inspect.type_info(cls))
    return {field.encode_name: _read_field(field) for field in info.fields}


def _read_field(field: inspect.Field) -> Field:
    type_, description = unwrap(field.type)
    default = None if field.default is msgspec.NODEFAULT else field.default
    if field.default_factory is not msgspec.NODEFAULT:
        default = field.default_factory()
    return Field(field.name, field.encode_name, type_, field.required, default, description)


def unwrap(type_: inspect.Type) -> tuple[inspect.Type, str]:
    """The type that a value has when it is given, and its description."""
    if isinstance(type_, inspect.UnionType):
        return unwrap(next(one for one in type_.types if not isinstance(one, inspect.NoneType)))
    if isinstance(type_, inspect.Metadata):
        return type_.type, str((type_.extra_json_schema or {}).get("description", ""))
    return type_, ""


def allows_null(cls: type[msgspec.Struct], field: Field) -> bool:
    """Tools write `creationTimestamp: null`; elsewhere a key without a value is a slip that would change the job."""
    return cls is Metadata and not field.is_required


_BLANKS: Mapping[type[inspect.Type], object] = {
    inspect.IntType: 0,
    inspect.FloatType: 0.0,
    inspect.BoolType: False,
    inspect.VarTupleType: (),
}


def blank(type_: inspect.Type) -> object:
    """A stand-in for a value that could not be read, so that everything else can still be judged."""
    if isinstance(type_, inspect.StructType):
        return blank_struct(type_.cls)
    if isinstance(type_, inspect.EnumType):
        first: Enum = next(iter(type_.cls))
        return first
    return _BLANKS.get(type(type_), "")


def blank_struct(cls: type[msgspec.Struct]) -> msgspec.Struct:
    return cls(**{field.name: blank(field.type) for field in fields_of(cls).values() if field.is_required})


@cache
def find_homes(key: str) -> tuple[Path, ...]:
    """Where in a job a field of this name belongs; for users who put it into the wrong place."""
    return tuple(path for path in _walk(TensorFlowJob, ()) if path[-1] == key)


def _walk(cls: type[msgspec.Struct], path: Path) -> Iterator[Path]:
    for key, field in fields_of(cls).items():
        yield (*path, key)
        if isinstance(field.type, inspect.StructType):
            yield from _walk(field.type.cls, (*path, key))
