"""The JSON Schema for editors, in the eyes of an independent implementation."""

import json
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from orchestrator.api.schema import json_schema
from orchestrator.api.shape import fields_of
from orchestrator.api.types import JobSpec, Metadata
from tests.fixtures.job_texts import cnn, errors_in, job_text

SCHEMA = json_schema()
VALIDATOR = Draft7Validator(SCHEMA)


def test_it_is_a_schema_and_the_same_each_time() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert json.dumps(SCHEMA) == json.dumps(json_schema())


def _objects(node: Any) -> list[dict[str, Any]]:
    if isinstance(node, list):
        return [found for item in node for found in _objects(item)]
    if not isinstance(node, dict):
        return []
    return [node, *(found for value in node.values() for found in _objects(value))]


def test_every_field_is_described_and_every_reference_leads_somewhere() -> None:
    spec = SCHEMA["definitions"]["JobSpec"]["properties"]
    assert list(spec) == list(fields_of(JobSpec))
    for name, definition in SCHEMA["definitions"].items():
        if name != "PodTemplate":
            assert all(one.get("description") for one in definition["properties"].values() if one), name
    references = {one["$ref"] for one in _objects(SCHEMA) if "$ref" in one}
    assert references == {f"#/definitions/{name}" for name in SCHEMA["definitions"]}


def test_bounds_enums_and_defaults_are_those_of_the_types() -> None:
    definitions = SCHEMA["definitions"]
    assert definitions["RunPolicy"]["properties"]["backoffLimit"] == {
        "type": "integer",
        "minimum": 0,
        "maximum": 10_000,
        "description": "At most this many restarts (disruptions are not counted).",
        "default": 3,
    }
    assert definitions["Instrument"]["properties"]["metrics"]["enum"] == ["Auto", "Off"]
    assert definitions["Metadata"]["properties"]["generation"]["type"] == ["integer", "null"]
    assert set(fields_of(Metadata)) <= set(definitions["Metadata"]["properties"])


@pytest.mark.parametrize(
    "text",
    [
        cnn(),
        cnn("instrument: {metrics: Auto}\nrecovery: {exitCodes: [{codes: [1], action: Fail}]}"),
        cnn("workload: {name: mlp, args: {layers: [], data: x.npz, activation: relu}}").replace(
            "  workload: {name: cnn}\n", ""
        ),
        job_text(
            "strategy: ParameterServer\n"
            "template: {spec: {containers: [{name: tensorflow, command: [a], env: [{name: A, value: b}]}], "
            "x: {y: 1}}}\n"
            "replicaSpecs: {chief: {}, worker: {replicas: 2}, ps: {}}"
        ),
        job_text("workload: {name: cnn}\nreplicaSpecs: {worker: {replicas: 2.0}}").replace(
            "{name: digits}", "{name: a, creationTimestamp: null, managedFields: [], labels: null}"
        )
        + "status: {phase: Running}\n",
    ],
)
def test_what_both_accept(text: str) -> None:
    assert errors_in(text) == []
    assert [error.message for error in VALIDATOR.iter_errors(yaml.safe_load(text))] == []


@pytest.mark.parametrize(
    "text",
    [
        cnn().replace("kind:", "kinds:"),
        cnn().replace("TensorFlowJob", "TFJob"),
        cnn().replace("{name: digits}", "{name: Digits}"),
        cnn().replace("{name: digits}", "{}"),
        cnn("x: 1"),
        cnn(roles="{}"),
        cnn(roles="{evaluator: {}}"),
        cnn(roles="{chief: {replicas: 2}}"),
        cnn(roles="{chief: {minReplicas: 1}}"),
        cnn(roles="{chief: {}, evaluator: {replicas: 2}}"),
        cnn(roles="{chief: {}, wroker: {}}"),
        cnn(roles="{chief: }"),
        cnn(roles="{worker: {replicas: 0}}"),
        cnn(roles="{worker: {replicas: 1.5}}"),
        cnn(roles="{chief: {}, ps: {}}"),
        cnn("strategy: Mirrored"),
        cnn("logs: {directory: 5}"),
        cnn("runPolicy: {suspend: 1}"),
        cnn("telemetry: {everySeconds: 0}"),
        cnn("recovery: {exitCodes: [{codes: [], action: Fail}]}"),
        cnn("template: {spec: {containers: [{name: tensorflow, command: a b}]}}"),
        job_text("workload: {name: cn}\nreplicaSpecs: {chief: {}}"),
        job_text("workload: {name: cnn, args: {epoch: 3}}\nreplicaSpecs: {chief: {}}"),
        job_text("workload: {name: cnn, args: {epochs: 0}}\nreplicaSpecs: {chief: {}}"),
        job_text("workload: {name: cnn, args: {filters: [1]}}\nreplicaSpecs: {chief: {}}"),
        job_text("workload: {name: mlp, args: {activation: heaviside}}\nreplicaSpecs: {chief: {}}"),
        job_text("workload: {name: mlp, args: {data: x.csv}}\nreplicaSpecs: {chief: {}}"),
        job_text("workload: {name: mlp, args: {summaries: 5}}\nreplicaSpecs: {chief: {}}"),
        job_text("workload: {name: perceptron, args: {cell: gru}}\nreplicaSpecs: {chief: {}}"),
        job_text("strategy: ParameterServer\nreplicaSpecs: {chief: {}, worker: {}}"),
    ],
)
def test_what_both_refuse(text: str) -> None:
    assert errors_in(text) != []
    assert not VALIDATOR.is_valid(yaml.safe_load(text))
