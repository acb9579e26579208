"""The CRD: made from the types, structural, and as it lies in manifests/."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from msgspec import inspect

from orchestrator.api import crd, crd_rules, shape
from orchestrator.api.status import JobStatus
from orchestrator.api.types import JobSpec, RunPolicy
from orchestrator.api.update import MUTABLE

MANIFEST = Path(__file__).parents[3] / "manifests" / "crd.yaml"
LIMIT_OF_APPLY = 262_144
"""`kubectl apply` keeps the whole manifest in an annotation."""


def schema() -> dict[str, Any]:
    version = crd.manifest()["spec"]["versions"][0]
    found: dict[str, Any] = version["schema"]["openAPIV3Schema"]["properties"]
    return found


def walk(node: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, node
    for key, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{key}")
    if "items" in node:
        yield from walk(node["items"], f"{path}[]")
    if isinstance(node.get("additionalProperties"), dict):
        yield from walk(node["additionalProperties"], f"{path}.*")


def test_the_manifest_is_what_the_types_say() -> None:
    assert MANIFEST.read_text() == crd.render(), "run `make generate`"
    assert yaml.safe_load(MANIFEST.read_text()) == crd.manifest()


def test_it_fits_what_kubectl_apply_can_keep() -> None:
    assert len(MANIFEST.read_bytes()) < LIMIT_OF_APPLY / 2


def test_every_node_has_a_type_and_nothing_that_is_not_structural() -> None:
    for path, node in walk(schema()["spec"], "spec"):
        assert node["type"], path
        assert not {"$ref", "oneOf", "allOf", "anyOf"} & set(node), path


@pytest.mark.parametrize("part", ["spec", "status"])
def test_every_field_that_users_write_or_read_is_described(part: str) -> None:
    for path, node in walk(schema()[part], part):
        if path != part and not path.endswith(("[]", ".*")):
            assert node["description"], path


def test_static_defaults_and_bounds_are_those_of_the_types() -> None:
    policy = schema()["spec"]["properties"]["runPolicy"]
    limit = policy["properties"]["backoffLimit"]
    assert policy["default"] == {}
    assert (limit["default"], limit["minimum"], limit["maximum"]) == (RunPolicy().backoff_limit, 0, 10_000)
    assert "default" not in schema()["spec"]["properties"]["successPolicy"]


def test_everything_that_users_write_is_there() -> None:
    assert set(schema()["spec"]["properties"]) == set(shape.fields_of(JobSpec))
    assert set(schema()["status"]["properties"]) == set(shape.fields_of(JobStatus))


def test_conditions_have_the_words_that_tools_for_kubernetes_look_for() -> None:
    conditions = schema()["status"]["properties"]["conditions"]
    assert conditions["x-kubernetes-list-map-keys"] == ["type"]
    assert conditions["items"]["properties"]["status"]["enum"] == ["True", "False", "Unknown"]


def test_a_status_of_a_newer_controller_loses_nothing() -> None:
    for path, node in walk(schema()["status"], "status"):
        if "properties" in node:
            assert node["x-kubernetes-preserve-unknown-fields"], path


def test_no_rule_freezes_what_may_change() -> None:
    texts = [one.rule for rules in crd_rules.OF_STRUCTS.values() for one in rules if "oldSelf" in one.rule]
    for path in MUTABLE:
        name = f"self.{'.'.join(map(str, path[1:]))} == oldSelf"
        assert not [text for text in texts if name in text], path


def test_a_type_that_nobody_thought_of_is_an_error_and_not_silence() -> None:
    with pytest.raises(TypeError, match="no schema"):
        crd._scalar(inspect.NoneType())
