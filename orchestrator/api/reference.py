"""docs/reference/job.md, rendered from the types and the catalog: `python -m orchestrator.api.reference > FILE`.

A test compares the file with what this renders. Reads the JSON Schema, which is made from the same types; pure but
for the print.
"""

import json
from collections.abc import Iterator

from orchestrator.api.catalog import WORKLOADS, Argument, Workload
from orchestrator.api.schema import json_schema
from orchestrator.api.status import Cause, Phase
from orchestrator.api.types import JsonObject

_INTRODUCTION = """# The job file

<!-- Generated: python -m orchestrator.api.reference > docs/reference/job.md -->

A TensorFlowJob, field by field. `tfo schema` prints the same as JSON Schema for editors, `tfo validate FILE` names
every mistake with its line. Times are in seconds. Templates are Kubernetes pod templates and stay untouched; on this
machine their `command`, `args`, `workingDir` and `env` count.

Put `"Off"` in quotes: `tfo` takes a bare `Off` for the word, but `kubectl` reads YAML 1.1, where it is `false`.
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
    return "\n".join((_INTRODUCTION, fields, f"## Built-in programs\n\n{programs}", _phases(), _causes()))


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
