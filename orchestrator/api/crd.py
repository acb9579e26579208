"""The CustomResourceDefinition: the types of a job as Kubernetes' schema, with its rules in CEL.

`python -m orchestrator.api.crd > manifests/crd.yaml` (part of `make generate`; a test compares). Made from the same
types and bounds as parsing and validation, so the API server accepts what they accept, outside pod templates and the
arguments of built-in programs, which only the controller judges. Pure but for the print.
Schema: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/
"""

import msgspec
import yaml
from msgspec import inspect

from orchestrator.api import crd_rules, shape
from orchestrator.api.catalog import WORKLOADS
from orchestrator.api.status import Condition, JobStatus
from orchestrator.api.types import (
    GROUP,
    KIND,
    VERSION,
    Checkpoint,
    JobSpec,
    JsonObject,
    Logs,
    WorkloadSpec,
)
from orchestrator.api.validation import SUBDOMAIN_PATTERN

PLURAL = "tensorflowjobs"
SHORT_NAME = "tfo"
_OPAQUE: JsonObject = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_MAX_NUMBER = 2**53


def render() -> str:
    """The manifest, as YAML."""
    header = "# Generated from the types: make generate\n"
    return header + yaml.safe_dump(manifest(), sort_keys=False, width=110, allow_unicode=True)


def manifest() -> JsonObject:
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{PLURAL}.{GROUP}",
            "labels": {"app.kubernetes.io/name": "tf-orchestrator"},
        },
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": [SHORT_NAME],
                "categories": ["all"],
            },
            "versions": [_version()],
        },
    }


def _version() -> JsonObject:
    return {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [_column(*one) for one in _COLUMNS],
        "subresources": {
            "status": {},
            "scale": {
                "specReplicasPath": ".spec.replicaSpecs.worker.replicas",
                "statusReplicasPath": ".status.replicaStatuses.worker.active",
                "labelSelectorPath": ".status.selector",
            },
        },
        "schema": {"openAPIV3Schema": root_schema()},
    }


_COLUMNS = (
    ("Phase", "string", ".status.phase", 0),
    ("Ready", "string", ".status.ready", 0),
    ("Step", "integer", ".status.progress.step", 0),
    ("Loss", "string", ".status.progress.loss", 0),
    ("Accuracy", "string", ".status.progress.accuracy", 0),
    ("Restarts", "integer", ".status.restarts", 0),
    ("Strategy", "string", ".spec.strategy", 1),
    ("Attempt", "integer", ".status.attempt.number", 1),
    ("Checkpoint", "integer", ".status.checkpoint.step", 1),
    ("Reason", "string", ".status.reason", 1),
    ("Message", "string", ".status.message", 1),
    ("Age", "date", ".metadata.creationTimestamp", 0),
)


def _column(name: str, kind: str, path: str, priority: int) -> JsonObject:
    found: JsonObject = {"name": name, "type": kind, "jsonPath": path}
    return found | ({"priority": priority} if priority else {})


def root_schema() -> JsonObject:
    return {
        "type": "object",
        "description": "One distributed TensorFlow training job.",
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _struct(JobSpec),
            "status": _status(JobStatus),
        },
        "x-kubernetes-validations": _rules(crd_rules.ROOT),
    }


def _rules(rules: tuple[crd_rules.Rule, ...]) -> list[JsonObject]:
    return [{"rule": one.rule, "message": one.message} for one in rules]


# --- what users write


def _struct(cls: type[msgspec.Struct]) -> JsonObject:
    fields = shape.fields_of(cls)
    schema: JsonObject = {
        "type": "object",
        "properties": {key: _field(cls, field) for key, field in fields.items()},
    }
    required = [key for key, field in fields.items() if field.is_required]
    if required:
        schema["required"] = required
    if cls in crd_rules.OF_STRUCTS:
        schema["x-kubernetes-validations"] = _rules(crd_rules.OF_STRUCTS[cls])
    return schema


def _field(cls: type[msgspec.Struct], field: shape.Field) -> JsonObject:
    schema = {"description": field.description, **_type(field.type)}
    schema |= _FIELDS.get((cls, field.key), {})
    if isinstance(field.default, msgspec.Struct):
        schema["default"] = {}
    elif not field.is_required and field.default is not None and not isinstance(field.default, tuple | dict):
        schema["default"] = msgspec.to_builtins(field.default)
    return schema


def _type(type_: inspect.Type) -> JsonObject:
    if isinstance(type_, inspect.StructType):
        return _struct(type_.cls)
    if isinstance(type_, inspect.VarTupleType):
        items = _type(shape.unwrap(type_.item_type)[0])
        return {
            "type": "array",
            "items": items,
            **_given({"minItems": type_.min_length, "maxItems": type_.max_length}),
        }
    if isinstance(type_, inspect.DictType):
        return dict(_OPAQUE)
    return _scalar(type_)


def _scalar(type_: inspect.Type) -> JsonObject:
    if isinstance(type_, inspect.EnumType):
        return {"type": "string", "enum": [member.value for member in type_.cls]}
    if isinstance(type_, inspect.StrType):
        return {"type": "string", **_given({"minLength": type_.min_length, "maxLength": type_.max_length})}
    if isinstance(type_, inspect.BoolType):
        return {"type": "boolean"}
    if isinstance(type_, inspect.IntType | inspect.FloatType):
        kind: JsonObject = (
            {"type": "integer", "format": "int64"}
            if isinstance(type_, inspect.IntType)
            else {"type": "number"}
        )
        return {**kind, **_given({"minimum": type_.ge, "maximum": type_.le})}
    raise TypeError(f"no schema for {type_}")


def _given(limits: dict[str, int | float | None]) -> JsonObject:
    return {name: value for name, value in limits.items() if value is not None}


_SUBDOMAIN: JsonObject = {"pattern": f"^{SUBDOMAIN_PATTERN}$"}
_SINGLE: JsonObject = {"maximum": 1}
_FIELDS: dict[tuple[type[msgspec.Struct], str], JsonObject] = {
    (WorkloadSpec, "name"): {"enum": list(WORKLOADS)},
    (Checkpoint, "volumeClaim"): _SUBDOMAIN,
    (Checkpoint, "from"): _SUBDOMAIN,
    (Logs, "volumeClaim"): _SUBDOMAIN,
}
"""What validation says about single fields beyond their types."""


# --- what we write back


def _status(cls: type[msgspec.Struct]) -> JsonObject:
    """Unknown fields stay: whoever is newer than this definition loses nothing."""
    fields = shape.fields_of(cls)
    properties = {
        key: {"description": field.description, **_status_type(field.type)} for key, field in fields.items()
    }
    if cls is Condition:
        properties["status"] |= {"type": "string", "enum": ["True", "False", "Unknown"]}
    schema: JsonObject = {**_OPAQUE, "properties": properties}
    required = [key for key, field in fields.items() if field.is_required]
    return schema | ({"required": required} if required else {})


def _status_type(type_: inspect.Type) -> JsonObject:
    if isinstance(type_, inspect.StructType):
        return _status(type_.cls)
    if isinstance(type_, inspect.VarTupleType):
        item = shape.unwrap(type_.item_type)[0]
        found: JsonObject = {"type": "array", "items": _status_type(item)}
        is_condition = isinstance(item, inspect.StructType) and item.cls is Condition
        return found | (
            {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]} if is_condition else {}
        )
    if isinstance(type_, inspect.DictType):
        return {"type": "object", "additionalProperties": _status_type(shape.unwrap(type_.value_type)[0])}
    if isinstance(type_, inspect.DateTimeType):
        return {"type": "string", "format": "date-time"}
    return _scalar(type_)


if __name__ == "__main__":
    print(render(), end="")
