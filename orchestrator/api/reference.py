"""docs/reference/job.md, rendered from the types and the catalog: `python -m orchestrator.api.reference > FILE`.

A test compares the file with what this renders. What users write is read in the JSON Schema, which is made from the
same types; the status in the types themselves. Pure but for the print.
"""

import json
from collections.abc import Iterator

import msgspec
from msgspec import inspect

from orchestrator.api import shape
from orchestrator.api.catalog import WORKLOADS, Argument, Workload
from orchestrator.api.schema import json_schema
from orchestrator.api.status import Cause, Condition, JobStatus, Phase
from orchestrator.api.types import JsonObject

_INTRODUCTION = """# The job file

<!-- Generated: python -m orchestrator.api.reference > docs/reference/job.md -->

A TensorFlowJob, field by field. `tfo schema` prints the same as JSON Schema for editors, `tfo validate FILE` names
every mistake with its line. Times are in seconds. Templates are Kubernetes pod templates and stay untouched; on this
machine their `command`, `args`, `workingDir` and `env` count.

Put `"Off"` in quotes: `tfo` takes a bare `Off` for the word, but `kubectl` reads YAML 1.1, where it is `false`.
"""
_STATUS = """## Status

What is written back, on a cluster and into a run's folder: `kubectl get tfo JOB -o yaml`, `kubectl explain tfo.status`.
What has nothing to say is left out.

| Field | Type | Meaning |
|---|---|---|
"""
_CAUSES = """## Causes

What ended an attempt: one cause each, counted once. A *restart* counts against `runPolicy.backoffLimit`, a
*disruption* does not, the others are counted nowhere or as a resize.

| Cause | Counts as |
|---|---|
"""


def render_reference() -> str:
    schema = json_schema()
    rows = "\n".join(_rows(schema, schema["definitions"], ""))
    fields = f"## Fields\n\n| Field | Type | Default | Meaning |\n|---|---|---|---|\n{rows}\n"
    programs = "\n".join(_workload(one) for one in WORKLOADS.values())
    return "\n".join(
        (_INTRODUCTION, fields, f"## Built-in programs\n\n{programs}", _status(), _phases(), _causes())
    )


def _rows(schema: JsonObject, definitions: JsonObject, parent: str) -> Iterator[str]:
    for name, field in sorted(schema.get("properties", {}).items()):
        if not field:
            continue
        path = f"{parent}.{name}" if parent else name
        below = _referred(field, definitions)
        yield f"| `{path}` | {_type(field, below)} | {_default(field)} | {_cell(field.get('description', ''))} |"
        if below.get("additionalProperties") is False and path != "spec.workload":
            yield from _rows(below, definitions, path)
        yield from _rows(_referred(field.get("items", {}), definitions), definitions, f"{path}[]")


def _referred(field: JsonObject, definitions: JsonObject) -> JsonObject:
    """What the field's type says, where that stands among the definitions."""
    references = [part["$ref"] for part in field.get("allOf", ()) if "$ref" in part]
    found: JsonObject = definitions[references[0].rpartition("/")[2]] if references else {}
    return found


def _type(field: JsonObject, below: JsonObject) -> str:
    if "enum" in field:
        return " \\| ".join(f"`{one}`" for one in field["enum"])
    if "items" in field:
        return f"array of {_type(field['items'], {})}"
    kind = field.get("type") or below.get("type", "object")
    name = " or ".join(kind) if isinstance(kind, list) else str(kind)
    return f"{name} {_range(field)}".strip()


def _range(field: JsonObject) -> str:
    low, high = field.get("minimum"), field.get("maximum")
    if low is None and high is None:
        return ""
    return f"{'' if low is None else low}…{'' if high is None else high}"


def _default(field: JsonObject) -> str:
    return f"`{json.dumps(field['default'])}`" if "default" in field else ""


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _workload(workload: Workload) -> str:
    rows = "\n".join(_argument(one) for one in workload.arguments)
    head = f"### {workload.name}\n\n{workload.summary}\n\n| Argument | Type | Default | Meaning |\n|---|---|---|---|"
    return f"{head}\n{rows}\n"


def _argument(argument: Argument) -> str:
    default = f"`{json.dumps(argument.default)}`"
    return f"| `{argument.name}` | {argument.type.value} | {default} | {_cell(argument.description)} |"


def _status() -> str:
    return _STATUS + "\n".join(_status_rows(JobStatus, "status", {})) + "\n"


def _status_rows(
    cls: type[msgspec.Struct], parent: str, shown: dict[type[msgspec.Struct], str]
) -> Iterator[str]:
    """`shown`: where the fields of a type stand already."""
    for key, field in sorted(shape.fields_of(cls).items()):
        path = f"{parent}.{key}"
        kind = "`True` \\| `False`" if (cls, key) == (Condition, "status") else _status_type(field.type)
        below, suffix = _below(field.type)
        as_there = f" Its fields are those of `{shown[below]}`." if below in shown else ""
        yield f"| `{path}` | {kind} | {_cell(field.description)}{as_there} |"
        if below is not None and below not in shown:
            shown[below] = path + suffix
            yield from _status_rows(below, path + suffix, shown)


def _below(type_: inspect.Type) -> tuple[type[msgspec.Struct] | None, str]:
    """Of which fields it consists, and how they are reached."""
    if isinstance(type_, inspect.VarTupleType):
        return _below(shape.unwrap(type_.item_type)[0])[0], "[]"
    if isinstance(type_, inspect.DictType):
        return _below(shape.unwrap(type_.value_type)[0])[0], ".ROLE"
    return (type_.cls, "") if isinstance(type_, inspect.StructType) else (None, "")


_WORDS: dict[type[inspect.Type], str] = {
    inspect.StructType: "object",
    inspect.DictType: "object",
    inspect.DateTimeType: "time",
    inspect.IntType: "integer",
    inspect.FloatType: "number",
    inspect.BoolType: "boolean",
    inspect.StrType: "string",
}


def _status_type(type_: inspect.Type) -> str:
    if isinstance(type_, inspect.VarTupleType):
        return f"array of {_status_type(shape.unwrap(type_.item_type)[0])}"
    if isinstance(type_, inspect.EnumType) and type_.cls is Cause:
        return "[cause](#causes)"
    if isinstance(type_, inspect.EnumType):
        return " \\| ".join(f"`{one.value}`" for one in type_.cls)
    return _WORDS[type(type_)]


def _phases() -> str:
    return f"## Phases\n\n{(Phase.__doc__ or '').strip()}\n"


def _causes() -> str:
    return _CAUSES + "\n".join(f"| `{one.value}` | {_counts(one)} |" for one in Cause) + "\n"


def _counts(cause: Cause) -> str:
    if cause.is_restart:
        return "restart"
    if cause.is_disruption:
        return "disruption"
    return "resize" if cause is Cause.RESIZE else "nothing"


if __name__ == "__main__":
    print(render_reference(), end="")
