"""What holds for every valid job: text and back, defaults once are enough, schema and parser agree."""

import copy
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from orchestrator.api.defaults import default
from orchestrator.api.dump import dump, dump_yaml
from orchestrator.api.errors import format_path
from orchestrator.api.load import complete, load_text
from orchestrator.api.overrides import apply
from orchestrator.api.parse import parse_jobs
from orchestrator.api.schema import json_schema
from orchestrator.api.types import TensorFlowJob
from orchestrator.api.update import validate_update
from orchestrator.api.validation import validate
from tests.fixtures.job_strategies import jobs

VALIDATOR = Draft7Validator(json_schema())
OPEN = ("template", "labels", "annotations", "managedFields", "status")
"""Below these anything may stand."""


@given(jobs())
def test_valid_jobs_are_valid_for_everybody(job: TensorFlowJob) -> None:
    assert [str(error) for error in validate(default(job))] == []
    assert complete(job).errors == ()
    assert [error.message for error in VALIDATOR.iter_errors(dump(job))] == []


@given(jobs())
def test_what_is_dumped_is_read_again(job: TensorFlowJob) -> None:
    assert parse_jobs(dump_yaml(job), "f") == ((job,), ())
    assert parse_jobs(json.dumps(dump(job)), "f") == ((job,), ())
    assert parse_jobs(json.dumps(dump(job), ensure_ascii=False, indent="\t"), "f") == ((job,), ())


@given(jobs())
def test_defaulting_twice_is_defaulting_once(job: TensorFlowJob) -> None:
    once = default(job)
    assert default(once) == once


@given(jobs())
def test_a_job_may_always_stay_as_it_is(job: TensorFlowJob) -> None:
    assert validate_update(default(job), default(job)) == ()


@given(jobs())
def test_the_result_of_loading_is_the_defaulted_job(job: TensorFlowJob) -> None:
    result = load_text(dump_yaml(job), "f")
    assert (result.jobs, result.errors) == ((default(job),), ())


def _objects(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Paths of all objects of a document to which a field must not be added."""
    if isinstance(node, list):
        return [found for index, item in enumerate(node) for found in _objects(item, (*path, index))]
    if not isinstance(node, dict) or (path and path[-1] in OPEN):
        return []
    return [path, *(found for key, value in node.items() for found in _objects(value, (*path, key)))]


def _at(document: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        document = document[part]
    return document


@given(jobs(), st.data(), st.sampled_from(["x", "replica", "Spec", "spec.x", "backoffLimitt", "naem", ""]))
def test_unknown_fields_are_refused_by_both(job: TensorFlowJob, data: st.DataObject, name: str) -> None:
    document = copy.deepcopy(dump(job))
    path = data.draw(st.sampled_from(_objects(document)))
    _at(document, path)[name] = 1
    (error,) = load_text(json.dumps(document), "f").errors
    assert error.path == (*path, name)
    assert not VALIDATOR.is_valid(document)


def _leaves(node: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Paths of everything that has a type of its own."""
    if path and path[-1] in OPEN:
        return [path]
    inner: list[tuple[str | int, ...]] = [path] if path else []
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in pairs:
        inner += _leaves(value, (*path, key))
    return inner


WRONG = st.sampled_from([[], {}, "", "no such value", -1, 10**19, 1.5, True, None, [None], {"x": 1}])


@given(jobs(), st.data(), WRONG)
def test_what_the_parser_accepts_the_schema_accepts(
    job: TensorFlowJob, data: st.DataObject, wrong: object
) -> None:
    """Any value in any place: whatever passes all our checks is no error in an editor."""
    document = copy.deepcopy(dump(job))
    path = data.draw(st.sampled_from(_leaves(document)))
    _at(document, path[:-1])[path[-1]] = wrong
    result = load_text(json.dumps(document), "f")
    schema_errors = [error.message for error in VALIDATOR.iter_errors(document)]
    if not result.errors:
        assert schema_errors == []


@given(jobs(), st.data(), WRONG)
def test_what_the_schema_refuses_has_an_error_at_that_place(
    job: TensorFlowJob, data: st.DataObject, wrong: object
) -> None:
    document = copy.deepcopy(dump(job))
    path = data.draw(st.sampled_from(_leaves(document)))
    _at(document, path[:-1])[path[-1]] = wrong
    if not VALIDATOR.is_valid(document):
        errors = load_text(json.dumps(document), "f").errors
        assert errors
        assert all(error.position is not None for error in errors)


@given(
    jobs(),
    st.sampled_from(["spec.runPolicy.backoffLimit=7", "spec.checkpoint.keep=7", "metadata.labels.a=7"]),
)
def test_assignments_change_only_what_they_name(job: TensorFlowJob, assignment: str) -> None:
    result = apply(job, [assignment])
    assert result.errors == ()
    before, after = dump(job), dump(result.job)
    path = tuple(assignment.removesuffix("=7").split("."))
    [(origin, _)] = result.origins
    assert path[: len(origin)] == origin
    assert str(_at(after, path)) == "7"
    _at(after, path[:-1]).pop(path[-1])
    parent: Any = before
    for part in path[:-1]:
        parent = parent.get(part, {})
    parent.pop(path[-1], None)
    assert _without_empty(before) == _without_empty(after), format_path(path)


def _without_empty(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    return {key: _without_empty(value) for key, value in node.items() if value != {}}
