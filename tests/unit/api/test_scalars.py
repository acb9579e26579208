"""What plain YAML scalars mean, where YAML 1.1 and 1.2 differ and where a number is none."""

import pytest

from orchestrator.api import scalars


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0),
        ("42", 42),
        ("-7", -7),
        ("+7", 7),
        ("2.0", 2),
        ("1e3", 1000),
        ("0x1F", 31),
        ("0o17", 15),
        (str(2**63 - 1), 2**63 - 1),
    ],
)
def test_whole_numbers(text: str, number: int) -> None:
    assert scalars.parse_int(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "010",
        "1:30",
        "1_000",
        "1.5",
        "1e400",
        "",
        "x",
        "0x",
        "0o8",
        "٣",
        str(2**63),
        "1" * 10_000,
        ".inf",
        "1e300",
    ],
)
def test_no_whole_numbers(text: str) -> None:
    assert scalars.parse_int(text) is None


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1.0), ("1.5", 1.5), (".5", 0.5), ("5.", 5.0), ("-1e-3", -0.001)]
)
def test_numbers(text: str, number: float) -> None:
    assert scalars.parse_float(text) == number


@pytest.mark.parametrize("text", ["1e400", ".inf", ".nan", "nan", "inf", "1_0.5", "", "1" * 10_000])
def test_no_numbers(text: str) -> None:
    assert scalars.parse_float(text) is None


@pytest.mark.parametrize("text", ["true", "True", "yes", "On", "on"])
def test_what_means_true(text: str) -> None:
    assert scalars.parse_bool(text) is True


@pytest.mark.parametrize("text", ["false", "FALSE", "no", "Off", "off"])
def test_what_means_false(text: str) -> None:
    assert scalars.parse_bool(text) is False


@pytest.mark.parametrize("text", ["", "y", "1", "0", "None", "tRue"])
def test_what_is_no_boolean(text: str) -> None:
    assert scalars.parse_bool(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("None", "None"),
        ("true", True),
        ("off", "off"),
        ("5", 5),
        ("0644", 0o644),
        ("0x10", 16),
        ("0o10", 8),
        ("1.5", 1.5),
        ("1:30", "1:30"),
        ("2026-01-01", "2026-01-01"),
        ("a b", "a b"),
        ("1" * 401, "1" * 401),
    ],
)
def test_a_scalar_where_any_value_may_stand(text: str, value: scalars.Scalar) -> None:
    found = scalars.resolve(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "is_it"),
    [(".inf", True), ("-.Inf", True), (".NaN", True), ("1e999", True), ("1e9", False), ("inf", False)],
)
def test_infinities_and_nans(text: str, is_it: bool) -> None:
    assert scalars.is_not_finite(text) is is_it


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nothing"),
        ("true", "the boolean 'true'"),
        ("1.5", "the number '1.5'"),
        ("a\nb", "the text 'a\\nb'"),
    ],
)
def test_description(text: str, words: str) -> None:
    assert scalars.describe(text) == words


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("10m", "ttlSecondsAfterFinished", "expected a whole number of seconds, got '10m'; write 600"),
        ("1d", "activeDeadlineSeconds", "expected a whole number of seconds, got '1d'; write 86400"),
        ("10m", "replicas", "expected a whole number, got the text '10m'"),
        ("010", "replicas", "expected a whole number, got '010'; write 10 without the leading zero"),
        (str(2**63), "keep", f"the number '{2**63}' is too large"),
        ("9" * 99, "keep", f"the number '{'9' * 59}…' is too large"),
        ("1.5", "keep", "expected a whole number, got the number '1.5'"),
    ],
)
def test_what_is_said_about_wrong_whole_numbers(text: str, field: str, words: str) -> None:
    assert scalars.say_wrong_int(text, field) == words
