"""The catalog of built-in programs is consistent in itself."""

import pytest

from orchestrator.api.arguments import WrongValue, read_text, read_value
from orchestrator.api.catalog import WORKLOADS, Argument, ArgumentType, Workload

ARGUMENTS = [(workload, argument) for workload in WORKLOADS.values() for argument in workload.arguments]
ids = [f"{workload.name}-{argument.name}" for workload, argument in ARGUMENTS]


def test_the_built_in_programs() -> None:
    assert list(WORKLOADS) == ["perceptron", "mlp", "cnn", "rnn"]
    assert [name for name, workload in WORKLOADS.items() if not workload.distributed] == ["perceptron"]
    assert all(name == workload.name for name, workload in WORKLOADS.items())


@pytest.mark.parametrize(("workload", "argument"), ARGUMENTS, ids=ids)
def test_every_default_is_a_value_that_may_be_given(workload: Workload, argument: Argument) -> None:
    assert read_value(argument, argument.default) == argument.default
    assert workload.find_argument(argument.name) is argument
    assert workload.defaults[argument.name] == argument.default


@pytest.mark.parametrize(("workload", "argument"), ARGUMENTS, ids=ids)
def test_every_argument_is_described_and_bounded(workload: Workload, argument: Argument) -> None:
    assert argument.description.endswith(".")
    if argument.type in (ArgumentType.INTEGER, ArgumentType.NUMBER, ArgumentType.INTEGERS):
        assert argument.minimum is not None
        assert argument.maximum is not None
    if argument.type is ArgumentType.INTEGERS:
        assert argument.max_items is not None
    if argument.type is ArgumentType.TEXT:
        assert argument.choices


def test_names_of_arguments_are_unique() -> None:
    for workload in WORKLOADS.values():
        assert len(workload.defaults) == len(workload.arguments)


@pytest.mark.parametrize(
    ("activation", "reason"), [("heaviside", "not trainable"), ("Step", "not trainable"), ("glu", "halves")]
)
def test_activations_that_cannot_train_are_refused_with_the_reason(activation: str, reason: str) -> None:
    argument = WORKLOADS["mlp"].find_argument("activation")
    assert argument is not None
    with pytest.raises(WrongValue, match=reason):
        read_text(argument, activation)


def test_rejected_values_are_no_choices() -> None:
    for _, argument in ARGUMENTS:
        assert not {name for name, _ in argument.rejected} & set(argument.choices)
