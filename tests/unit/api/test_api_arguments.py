"""Arguments of built-in programs: from YAML's values and from texts, with the same words for what is wrong."""

import math

import pytest

from orchestrator.api.arguments import WrongValue, check_args, normalise_args, read_text, read_value
from orchestrator.api.catalog import WORKLOADS, Argument, ArgumentType

INTEGER = Argument(name="n", type=ArgumentType.INTEGER, default=1, description="", minimum=1, maximum=1000)
NUMBER = Argument(name="x", type=ArgumentType.NUMBER, default=0.5, description="", minimum=0, maximum=1)
FREE = Argument(name="f", type=ArgumentType.NUMBER, default=0.5, description="")
FLAG = Argument(name="b", type=ArgumentType.BOOLEAN, default=True, description="")
SIZES = Argument(
    name="l", type=ArgumentType.INTEGERS, default=(), description="", minimum=1, maximum=9, max_items=3
)
SOME = Argument(
    name="s", type=ArgumentType.INTEGERS, default=(1,), description="", minimum=1, min_items=1, max_items=3
)
PAIR = Argument(
    name="p", type=ArgumentType.INTEGERS, default=(1, 1), description="", minimum=1, min_items=2, max_items=2
)
CHOICE = Argument(name="c", type=ArgumentType.TEXT, default="gru", description="", choices=("gru", "lstm"))
DATA = Argument(
    name="d", type=ArgumentType.TEXT, default="digits", description="", choices=("digits",), suffix=".npz"
)


@pytest.mark.parametrize(
    ("argument", "value", "read"),
    [
        (INTEGER, 5, 5),
        (INTEGER, 5.0, 5),
        (NUMBER, 0.5, 0.5),
        (NUMBER, 1, 1),
        (FREE, -1e9, -1e9),
        (FLAG, False, False),
        (SIZES, [], ()),
        (SIZES, [1, 2.0], (1, 2)),
        (SIZES, (3,), (3,)),
        (CHOICE, "lstm", "lstm"),
        (DATA, "my/file.npz", "my/file.npz"),
    ],
)
def test_values_as_yaml_gives_them(argument: Argument, value: object, read: object) -> None:
    assert read_value(argument, value) == read


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        (INTEGER, 0, "must be from 1 to 1,000, is 0"),
        (INTEGER, 1.5, "expected a whole number from 1 to 1,000, got 1.5"),
        (INTEGER, True, "expected a whole number from 1 to 1,000, got true"),
        (INTEGER, "5", "expected a whole number from 1 to 1,000, got the text '5'"),
        (INTEGER, None, "expected a whole number from 1 to 1,000, got nothing"),
        (INTEGER, math.inf, "expected a whole number from 1 to 1,000, got inf"),
        (NUMBER, math.nan, "must be from 0 to 1, is nan"),
        (NUMBER, False, "expected a number from 0 to 1, got false"),
        (NUMBER, {}, "expected a number from 0 to 1, got a mapping"),
        (FREE, [], "expected a number, got a list"),
        (FLAG, "off", "expected true or false, got the text 'off'"),
        (FLAG, 1, "expected true or false, got 1"),
        (SIZES, 64, "expected a list of whole numbers, got 64; write [64]"),
        (SIZES, "64", "expected a list of whole numbers, got the text '64'"),
        (SIZES, [1, 2, 3, 4], "must have at most 3 entries, has 4"),
        (SIZES, [0], "[0] must be from 1 to 9, is 0"),
        (
            SIZES,
            [1, 10, "x"],
            "[1] must be from 1 to 9, is 10; [2] expected a whole number from 1 to 9, got the text 'x'",
        ),
        (SOME, [], "must have 1 to 3 entries, has 0"),
        (PAIR, [1], "must have 2 entries, has 1"),
        (PAIR, [1, 0], "[1] must be at least 1, is 0"),
        (CHOICE, 5, "expected a text, got 5"),
        (CHOICE, "GRU", "unknown value 'GRU'; did you mean 'gru'? (values: gru, lstm)"),
        (
            DATA,
            "digit",
            "unknown value 'digit'; did you mean 'digits'? (values: digits), or a path that ends in .npz",
        ),
    ],
)
def test_wrong_values(argument: Argument, value: object, words: str) -> None:
    with pytest.raises(WrongValue) as wrong:
        read_value(argument, value)
    assert str(wrong.value) == words


@pytest.mark.parametrize(
    ("argument", "text", "read"),
    [
        (INTEGER, "5", 5),
        (NUMBER, "1e-3", 0.001),
        (FLAG, "off", False),
        (FLAG, "TRUE", True),
        (SIZES, "1,2", (1, 2)),
        (SIZES, "[1, 2]", (1, 2)),
        (SIZES, "5", (5,)),
        (SIZES, "[]", ()),
        (SIZES, "", ()),
        (CHOICE, "gru", "gru"),
        (DATA, "1.npz", "1.npz"),
    ],
)
def test_values_as_a_command_line_gives_them(argument: Argument, text: str, read: object) -> None:
    assert read_text(argument, text) == read


@pytest.mark.parametrize(
    ("argument", "text", "words"),
    [
        (INTEGER, "five", "got the text 'five'"),
        (FLAG, "maybe", "got the text 'maybe'"),
        (SIZES, "1,,2", "got nothing"),
        (INTEGER, "", "got nothing"),
    ],
)
def test_wrong_texts(argument: Argument, text: str, words: str) -> None:
    with pytest.raises(WrongValue, match=words):
        read_text(argument, text)


def test_every_wrong_argument_is_named_with_its_path() -> None:
    found = list(check_args(WORKLOADS["cnn"], {"epoch": 3, "seed": -1, "epochs": 3}, ("spec", "args")))
    assert [error.path for error in found] == [("spec", "args", "epoch"), ("spec", "args", "seed")]
    assert found[0].message.startswith(
        "unknown argument 'epoch'; did you mean 'epochs'? (arguments: filters,"
    )


def test_normalising_gives_each_value_the_form_of_its_type_and_leaves_what_is_wrong() -> None:
    args = {"epochs": 5.0, "layers": [64.0], "seed": "x", "unknown": 1.0}
    assert normalise_args(WORKLOADS["mlp"], args) == {
        "epochs": 5,
        "layers": [64],
        "seed": "x",
        "unknown": 1.0,
    }


@pytest.mark.parametrize("text", ["[1", "1]", "[1,"])
def test_half_a_list_is_none(text: str) -> None:
    with pytest.raises(WrongValue, match=r"expected a list such as 128,64 or \[128,64\], got the text"):
        read_text(SIZES, text)


def test_a_strategy_is_the_jobs_and_no_argument_of_its_program() -> None:
    (error,) = check_args(WORKLOADS["mlp"], {"strategy": "ps"}, ("args",))
    assert error.message.startswith("the strategy is the job's")
    (error,) = check_args(WORKLOADS["perceptron"], {"strategy": "ps"}, ("args",))
    assert error.message.startswith("unknown argument 'strategy'")
