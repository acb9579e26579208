"""`$(NAME)` in commands, after the kubelet's own table of cases."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.core.expansion import escape, expand, expand_all, merge

VARIABLES = {"VAR_A": "A", "VAR_B": "B", "VAR_REF": "$(VAR_A)", "VAR_EMPTY": "", "a(b": "odd"}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(VAR_A)", "A"),
        ("___$(VAR_B)___", "___B___"),
        ("$(VAR_A)_$(VAR_B)", "A_B"),
        ("$(VAR_A)$(VAR_A)", "AA"),
        ("f$(VAR_EMPTY)g", "fg"),
        ("$(VAR_REF)", "$(VAR_A)"),
        ("$$(VAR_A)", "$(VAR_A)"),
        ("$$$(VAR_A)", "$A"),
        ("$$$$(VAR_A)", "$$(VAR_A)"),
        ("$$$$$(VAR_A)", "$$A"),
        ("$VAR_A", "$VAR_A"),
        ("$(VAR_A", "$(VAR_A"),
        ("$$VAR_A", "$VAR_A"),
        ("$(MISSING)", "$(MISSING)"),
        ("$()", "$()"),
        ("$(a(b)", "odd"),
        ("foo$", "foo$"),
        ("$$", "$"),
        ("$", "$"),
        ("", ""),
        ("$?_boo", "$?_boo"),
        ("{$(VAR_A)}{$$}", "{A}{$}"),
        ("$(a\nb) $(VAR_A)", "$(a\nb) A"),
    ],
)
def test_as_the_kubelet_does_it(text: str, expanded: str) -> None:
    assert expand(text, VARIABLES) == expanded


@given(st.text("$()AB\n ", max_size=12))
def test_what_is_escaped_means_itself(text: str) -> None:
    assert expand(escape(text), {"A": "1", "B": "2", "AB": "3", "": "4"}) == text


def test_only_what_would_be_understood_is_escaped() -> None:
    assert escape("echo $HOME $(date) $$ 5$") == "echo $HOME $$(date) $$$ 5$"


def test_a_value_may_refer_to_the_variables_before_it() -> None:
    values = {"A": "1", "B": "$(A)2", "C": "$(B)3 $$(A) $(D) $(C)", "D": "$(C)", "A2": "$(A)$$"}
    assert expand_all(values) == {
        "A": "1",
        "B": "12",
        "C": "123 $(A) $(D) $(C)",
        "D": "123 $(A) $(D) $(C)",
        "A2": "1$",
    }


@pytest.mark.parametrize(
    ("pairs", "environment"),
    [
        ([("P", "/x"), ("P", "$(P):/y")], {"P": "/x:/y"}),
        ([("A", "1"), ("B", "$(A)"), ("A", "2"), ("C", "$(A)")], {"A": "2", "B": "1", "C": "2"}),
        ([("A", "1"), ("A", "$$(A)"), ("B", "$(A)$()")], {"A": "$(A)", "B": "$(A)$()"}),
        ([("A", "a"), ("P", "$(A)"), ("A", "b"), ("P", "$(P)$(A)")], {"A": "b", "P": "ab"}),
    ],
)
def test_of_a_name_that_is_given_twice_references_mean_what_was_said_before_them(
    pairs: list[tuple[str, str]], environment: dict[str, str]
) -> None:
    """A pod starts with the last value of each name, expanded in the order of its list."""
    assert expand_all(merge(pairs)) == environment
