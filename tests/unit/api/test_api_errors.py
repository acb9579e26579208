"""How errors look: paths, positions, quoting, and that no input can flood anybody."""

import pytest

from orchestrator.api.errors import (
    MAX_ERRORS,
    Errors,
    FieldError,
    Path,
    Position,
    format_path,
    is_near,
    quote,
)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("spec",), "spec"),
        (("spec", "template", "containers", 0, "name"), "spec.template.containers[0].name"),
        (("metadata", "labels", "a.b/c"), 'metadata.labels["a.b/c"]'),
        (("a", ""), 'a[""]'),
        (("a", 'x"\n'), 'a["x\\"\\n"]'),
        (("batch_size",), "batch_size"),
        (("a", "k" * 100), f'a["{"k" * 59}…"]'),
    ],
)
def test_paths(path: Path, text: str) -> None:
    assert format_path(path) == text


def test_an_error_is_a_line_with_place_path_and_message() -> None:
    error = FieldError(path=("spec", "x"), message="is wrong", position=Position("job.yaml", 7, 5))
    assert str(error) == "job.yaml:7:5: spec.x: is wrong"


def test_what_is_not_known_is_left_out_of_the_line() -> None:
    assert str(FieldError(path=(), message="is wrong", position=Position("job.yaml"))) == "job.yaml: is wrong"
    assert str(FieldError(path=("a",), message="is wrong")) == "a: is wrong"


def test_quoted_text_is_one_readable_line() -> None:
    assert quote("it's\x1b[31m") == "'it\\'s\\x1b[31m'"
    assert quote("a" * 1000) == f"'{'a' * 59}…'"
    assert quote("\\") == "'\\\\'"


def test_errors_beyond_the_limit_are_counted_only() -> None:
    errors = Errors()
    for number in range(MAX_ERRORS + 3):
        assert errors.is_full is (number >= MAX_ERRORS)
        errors.add((number,), "is wrong")
    assert (len(errors.items), errors.dropped) == (MAX_ERRORS, 3)


def test_paths_are_near_if_one_holds_the_other() -> None:
    assert is_near(("spec",), ("spec", "a"))
    assert is_near(("spec", "a"), ("spec",))
    assert is_near((), ("spec",))
    assert not is_near(("spec", "a"), ("spec", "b"))
