"""An agent's last words: they fit, they survive, and nobody else's are taken for them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.protocol.termination import MAX_BYTES, LastWords, decode, encode

WORDS = st.builds(
    LastWords,
    attempt=st.integers(0, 10_000),
    exit_code=st.none() | st.integers(0, 255),
    signal=st.none() | st.integers(1, 64),
    asked=st.booleans(),
    oom=st.booleans(),
    error=st.text(max_size=400),
    last_lines=st.lists(st.text(max_size=400), max_size=20).map(tuple),
)


@given(WORDS)
def test_they_fit_whatever_the_program_said_and_the_facts_survive(words: LastWords) -> None:
    data = encode(words)
    assert len(data) <= MAX_BYTES
    found = decode(data.decode("utf-8", "replace"))
    assert found is not None
    assert (found.attempt, found.exit_code, found.signal) == (words.attempt, words.exit_code, words.signal)
    assert (found.asked, found.oom) == (words.asked, words.oom)


def test_lines_that_fit_survive_and_the_oldest_go_first() -> None:
    lines = tuple(f"line {number}" for number in range(5))
    assert decode(encode(LastWords(attempt=1, last_lines=lines)).decode()) == LastWords(
        attempt=1, last_lines=lines
    )
    many = tuple(f"{number} " + "x" * 200 for number in range(50))
    found = decode(encode(LastWords(attempt=1, last_lines=many)).decode())
    assert found is not None
    assert found.last_lines[-1] == many[-1]


@pytest.mark.parametrize(
    "message",
    ["", "Traceback (most recent call last):", "{}", "[1]", '{"tfo": true}', '{"tfo": -1}', '{"tfo": "1"}'],
)
def test_what_somebody_else_said_is_not_taken_for_them(message: str) -> None:
    assert decode(message) is None


def test_nonsense_in_a_field_is_left_out() -> None:
    found = decode('{"tfo": 3, "exitCode": "x", "signal": -2, "lastLines": "no list"}')
    assert found == LastWords(attempt=3)
