"""The JSON Schema of a TensorFlowJob, for editors: completion, descriptions, and most errors while typing.

Called by `tfo schema` and the generated reference; made from the same types, bounds and catalog as parsing and
validation, so it accepts whatever they accept. What one schema cannot say (sums, references) only `validation` says.
Draft 7, since that is what editors support for YAML.
"""

import msgspec
from msgspec import inspect

from orchestrator.api import shape
from orchestrator.api.catalog import WORKLOADS, Argument, ArgumentType, Workload
from orchestrator.api.scalars import MAX_INTEGER
from orchestrator.api.templates import CONTAINER
from orchestrator.api.types import (
    MAX_NAME_LENGTH,
    JobSpec,
    JsonObject,
    Metadata,
    ReplicaSpec,
    ReplicaSpecs,
    Strategy,
    SuccessPolicy,
    TensorFlowJob,
    WorkloadSpec,
)
from orchestrator.api.validation import NAME_PATTERN

DRAFT = "http://json-schema.org/draft-07/schema#"
_TEMPLATE = "PodTemplate"


def json_schema() -> JsonObject:
    definitions: JsonObject = {_TEMPLATE: _template_schema()}
    root = _struct_schema(TensorFlowJob, definitions)
    root["required"] = ["apiVersion", "kind", "metadata", "spec"]
    return {
        "$schema": DRAFT,
        "title": "TensorFlowJob",
        **root,
        "definitions": dict(sorted(definitions.items())),
    }


def _struct_schema(cls: type[msgspec.Struct], definitions: JsonObject) -> JsonObject:
    fields = shape.fields_of(cls)
    properties = {key: _field_schema(cls, field, definitions) for key, field in fields.items()}
    ignored: JsonObject = {key: {} for key in shape.IGNORED.get(cls, ())}
    schema: JsonObject = {
        "type": "object",
        "description": (cls.__doc__ or "").strip(),
        "properties": properties | ignored,
        "additionalProperties": False,
    }
    required = [key for key, field in fields.items() if field.is_required]
    if required:
        schema["required"] = required
    return schema | _RULES.get(cls, {})


def _field_schema(cls: type[msgspec.Struct], field: shape.Field, definitions: JsonObject) -> JsonObject:
    schema = {**_type_schema(field.type, definitions), "description": field.description}
    schema |= _FIELDS.get((cls, field.key), {})
    if shape.allows_null(cls, field):
        schema["type"] = [schema["type"], "null"]
    elif (
        not field.is_required and field.default is not None and not isinstance(field.default, msgspec.Struct)
    ):
        default = msgspec.to_builtins(field.default)
        schema["default"] = list(default) if isinstance(default, tuple) else default
    return schema


def _type_schema(type_: inspect.Type, definitions: JsonObject) -> JsonObject:
    if isinstance(type_, inspect.StructType):
        name = type_.cls.__name__
        if name not in definitions:
            definitions[name] = _struct_schema(type_.cls, definitions)
        return {"allOf": [_refer(name)]}
    if isinstance(type_, inspect.VarTupleType):
        items = _type_schema(shape.unwrap(type_.item_type)[0], definitions)
        limits = {"minItems": type_.min_length, "maxItems": type_.max_length}
        return {"type": "array", "items": items, **_given(limits)}
    if isinstance(type_, inspect.DictType):
        return _dict_schema(type_, definitions)
    return _scalar_schema(type_)


def _dict_schema(type_: inspect.DictType, definitions: JsonObject) -> JsonObject:
    schema: JsonObject = {"type": "object", **_given({"maxProperties": type_.max_length})}
    if not isinstance(type_.value_type, inspect.AnyType):
        schema["additionalProperties"] = _type_schema(type_.value_type, definitions)
    return schema


def _scalar_schema(type_: inspect.Type) -> JsonObject:
    if isinstance(type_, inspect.EnumType):
        return {"type": "string", "enum": [member.value for member in type_.cls]}
    if isinstance(type_, inspect.LiteralType):
        return {"type": "string", "enum": list(type_.values)}
    if isinstance(type_, inspect.IntType):
        maximum = MAX_INTEGER if type_.le is None else type_.le
        return {"type": "integer", **_given({"minimum": type_.ge, "maximum": maximum})}
    if isinstance(type_, inspect.FloatType):
        return {"type": "number", **_given({"minimum": type_.ge, "maximum": type_.le})}
    if isinstance(type_, inspect.StrType):
        return {"type": "string", **_given({"minLength": type_.min_length, "maxLength": type_.max_length})}
    return {"type": "boolean"}


def _given(schema: JsonObject) -> JsonObject:
    return {key: value for key, value in schema.items() if value is not None}


def _refer(name: str) -> JsonObject:
    return {"$ref": f"#/definitions/{name}"}


def argument_schema(argument: Argument) -> JsonObject:
    default = list(argument.default) if isinstance(argument.default, tuple) else argument.default
    return {**_value_schema(argument), "description": argument.description, "default": default}


def _value_schema(argument: Argument) -> JsonObject:
    limits = _given({"minimum": argument.minimum, "maximum": argument.maximum})
    if argument.type is ArgumentType.BOOLEAN:
        return {"type": "boolean"}
    if argument.type is ArgumentType.INTEGER:
        return {"type": "integer", **limits}
    if argument.type is ArgumentType.NUMBER:
        return {"type": "number", **limits}
    if argument.type is ArgumentType.INTEGERS:
        sizes = _given({"minItems": argument.min_items, "maxItems": argument.max_items})
        return {"type": "array", "items": {"type": "integer", **limits}, **sizes}
    choices: JsonObject = {"enum": list(argument.choices)}
    if not argument.suffix:
        return {"type": "string", **choices}
    return {"type": "string", "anyOf": [choices, {"pattern": argument.suffix.replace(".", r"\.") + "$"}]}


def _workload_rules() -> JsonObject:
    """The arguments that may be given depend on the program's name."""
    return {"allOf": [_workload_rule(workload) for workload in WORKLOADS.values()]}


def _workload_rule(workload: Workload) -> JsonObject:
    arguments = {argument.name: argument_schema(argument) for argument in workload.arguments}
    return {
        "if": {"properties": {"name": {"const": workload.name}}, "required": ["name"]},
        "then": {"properties": {"args": {"properties": arguments, "additionalProperties": False}}},
    }


def _strategy_rules() -> JsonObject:
    servers = {"replicaSpecs": {"required": ["chief", "worker", "ps"]}}
    ends = {"successPolicy": {"not": {"const": SuccessPolicy.ALL_WORKERS.value}}}
    is_servers = {
        "properties": {"strategy": {"const": Strategy.PARAMETER_SERVER.value}},
        "required": ["strategy"],
    }
    no_servers = {"replicaSpecs": {"properties": {"ps": False}}}
    return {"if": is_servers, "then": {"properties": servers | ends}, "else": {"properties": no_servers}}


def _template_schema() -> JsonObject:
    """Open everywhere: only what we read ourselves has a type."""
    texts: JsonObject = {"type": ["array", "null"], "items": {"type": "string"}}
    variable: JsonObject = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string", "minLength": 1}, "value": {"type": ["string", "null"]}},
    }
    container: JsonObject = {
        "type": "object",
        "required": ["name"],
        "properties": {
            "name": {"type": "string", "description": f"The container that trains is named {CONTAINER}."},
            "command": {**texts, "description": "The program, such as [python, train.py]."},
            "args": {**texts, "description": "More arguments of the program."},
            "workingDir": {"type": "string"},
            "env": {"type": ["array", "null"], "items": variable},
            "ports": {"type": ["array", "null"], "items": {"type": "object"}},
        },
    }
    containers: JsonObject = {"type": "array", "minItems": 1, "items": container}
    pod: JsonObject = {"type": "object", "required": ["containers"], "properties": {"containers": containers}}
    return {"type": "object", "properties": {"spec": pod}}


_SINGLE: JsonObject = {"properties": {"replicas": {"maximum": 1}, "minReplicas": False}}
_FIELDS: dict[tuple[type[msgspec.Struct], str], JsonObject] = {
    (Metadata, "name"): {"pattern": f"^{NAME_PATTERN}$", "maxLength": MAX_NAME_LENGTH},
    (WorkloadSpec, "name"): {"enum": list(WORKLOADS)},
    (ReplicaSpecs, "chief"): {"allOf": [_refer("ReplicaSpec"), _SINGLE]},
    (ReplicaSpecs, "evaluator"): {"allOf": [_refer("ReplicaSpec"), _SINGLE]},
    (ReplicaSpecs, "ps"): {"allOf": [_refer("ReplicaSpec"), {"properties": {"minReplicas": False}}]},
    (JobSpec, "template"): {"allOf": [_refer(_TEMPLATE)]},
    (ReplicaSpec, "template"): {"allOf": [_refer(_TEMPLATE)]},
}
"""What validation says about single fields beyond their types."""
_RULES: dict[type[msgspec.Struct], JsonObject] = {
    WorkloadSpec: _workload_rules(),
    ReplicaSpecs: {"anyOf": [{"required": ["chief"]}, {"required": ["worker"]}]},
    JobSpec: _strategy_rules(),
}
