"""The built-in programs: their names and arguments with types, bounds, defaults and descriptions.

Read by `validation` (a job's `workload.args`), `overrides` (`--set`), `schema`, the generated reference, and by the
programs themselves for their command lines, so an argument is described exactly once.
Only data and two look-ups: no checking here (`arguments.check` does that), and no knowledge of TensorFlow.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

import msgspec

from orchestrator.api.types import Strategy

ArgumentValue = int | float | str | bool | tuple[int, ...]


class ArgumentType(StrEnum):
    """What a value may be. In YAML and on the command line INTEGERS is a list: `[128, 64]`."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"
    INTEGERS = "list of integers"


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """One argument of a built-in program.

    `minimum` and `maximum` are inclusive and hold for each item of a list; `min_items`/`max_items` for its length.
    `choices`: the only values of a text, unless it ends in `suffix` (a path). `rejected`: values that a user may
    well try, each with the reason why they cannot work.
    """

    name: str
    type: ArgumentType
    default: ArgumentValue
    description: str
    minimum: float | None = None
    maximum: float | None = None
    min_items: int = 0
    max_items: int | None = None
    choices: tuple[str, ...] = ()
    suffix: str = ""
    rejected: tuple[tuple[str, str], ...] = ()


_DISTRIBUTED = (Strategy.MULTI_WORKER_MIRRORED, Strategy.PARAMETER_SERVER)


class Workload(msgspec.Struct, frozen=True, kw_only=True):
    """A built-in program. Not `distributed`: it is one process, whatever the job's roles."""

    name: str
    summary: str
    arguments: tuple[Argument, ...]
    distributed: bool = True
    strategies: tuple[Strategy, ...] = (Strategy.MULTI_WORKER_MIRRORED,)

    def find_argument(self, name: str) -> Argument | None:
        return next((argument for argument in self.arguments if argument.name == name), None)

    @property
    def defaults(self) -> dict[str, ArgumentValue]:
        return {argument.name: argument.default for argument in self.arguments}


ACTIVATIONS = (
    "linear",
    "sigmoid",
    "tanh",
    "relu",
    "softmax",
    "celu",
    "elu",
    "exponential",
    "gelu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_swish",
    "hard_tanh",
    "leaky_relu",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "relu6",
    "selu",
    "silu",
    "soft_shrink",
    "softplus",
    "softsign",
    "sparse_plus",
    "sparse_sigmoid",
    "sparsemax",
    "squareplus",
    "swish",
    "tanh_shrink",
)
_UNUSABLE_ACTIVATIONS = (
    (
        "heaviside",
        "is not trainable: its gradient is 0 everywhere (the perceptron learns with it by its own rule)",
    ),
    (
        "step",
        "is not trainable: its gradient is 0 everywhere (the perceptron learns with it by its own rule)",
    ),
    ("glu", "halves the width of its layer and cannot stand behind a dense layer"),
    ("threshold", "needs parameters of its own and cannot be chosen by name"),
)
OPTIMIZERS = (
    "adam",
    "sgd",
    "rmsprop",
    "adamw",
    "nadam",
    "adamax",
    "adagrad",
    "adadelta",
    "adafactor",
    "ftrl",
    "lion",
)
_MAX_UNITS = 65_536


def _activation(default: str) -> Argument:
    return Argument(
        name="activation",
        type=ArgumentType.TEXT,
        default=default,
        description="Activation function of the hidden layers.",
        choices=ACTIVATIONS,
        rejected=_UNUSABLE_ACTIVATIONS,
    )


def _dropout() -> Argument:
    return Argument(
        name="dropout",
        type=ArgumentType.NUMBER,
        default=0.0,
        description="Share of each hidden layer's outputs that is dropped while training; 0: none.",
        minimum=0.0,
        maximum=0.95,
    )


def _layers(default: tuple[int, ...], description: str) -> Argument:
    return Argument(
        name="layers",
        type=ArgumentType.INTEGERS,
        default=default,
        description=description,
        minimum=1,
        maximum=_MAX_UNITS,
        max_items=16,
    )


SUMMARIES = Argument(
    name="summaries",
    type=ArgumentType.BOOLEAN,
    default=True,
    description="Write files for TensorBoard.",
)
DATA_SUFFIX = ".npz"
"""Of data in a file, which a run on this machine looks for before it starts anything."""
_DATA = Argument(
    name="data",
    type=ArgumentType.TEXT,
    default="digits",
    description="digits (ships with scikit-learn), mnist (needs the internet), or PATH.npz with x_train, "
    "y_train and optionally x_test, y_test (pixels of type uint8 are scaled to 0…1, other numbers taken as they are).",
    choices=("digits", "mnist"),
    suffix=DATA_SUFFIX,
)
_BATCH_SIZE = Argument(
    name="batch_size",
    type=ArgumentType.INTEGER,
    default=96,
    description="Examples per step of all members together; it does not change with their number.",
    minimum=1,
    maximum=1_048_576,
)
_OPTIMIZER = Argument(
    name="optimizer",
    type=ArgumentType.TEXT,
    default="adam",
    description="Optimizer.",
    choices=OPTIMIZERS,
)
_SEED = Argument(
    name="seed",
    type=ArgumentType.INTEGER,
    default=1,
    description="Decides the initial weights, the split and the order of the data.",
    minimum=0,
    maximum=2_147_483_647,
)
_EXPORT = Argument(
    name="export",
    type=ArgumentType.BOOLEAN,
    default=True,
    description="Write a SavedModel for serving beside the .keras file at the end.",
)


def _training(epochs: int, learning_rate: float) -> tuple[Argument, ...]:
    """What every distributed program understands."""
    return (
        _DATA,
        Argument(
            name="epochs",
            type=ArgumentType.INTEGER,
            default=epochs,
            description="Passes over the training data.",
            minimum=1,
            maximum=1_000_000,
        ),
        _BATCH_SIZE,
        Argument(
            name="learning_rate",
            type=ArgumentType.NUMBER,
            default=learning_rate,
            description="Learning rate of the optimizer.",
            minimum=1e-9,
            maximum=100.0,
        ),
        _OPTIMIZER,
        _SEED,
        SUMMARIES,
        _EXPORT,
    )


_PERCEPTRON = Workload(
    name="perceptron",
    summary="The classic three-input perceptron as a table, one row per sample; one process.",
    distributed=False,
    arguments=(
        Argument(
            name="epochs",
            type=ArgumentType.INTEGER,
            default=100,
            description="Largest number of passes over the four samples; it stops after the first clean one.",
            minimum=1,
            maximum=10_000,
        ),
        Argument(
            name="learning_rate",
            type=ArgumentType.NUMBER,
            default=0.1,
            description="The rate r of the correction d = r (y - n).",
            minimum=1e-9,
            maximum=100.0,
        ),
        Argument(
            name="threshold",
            type=ArgumentType.NUMBER,
            default=0.5,
            description="The unit step is 1 where the weighted sum exceeds this.",
            minimum=-1000.0,
            maximum=1000.0,
        ),
        SUMMARIES,
    ),
)
_MLP = Workload(
    name="mlp",
    summary="Dense layers; with `layers: []` softmax regression.",
    strategies=_DISTRIBUTED,
    arguments=(
        _layers((128, 64), "Units of each hidden layer; [] is softmax regression."),
        _activation("relu"),
        _dropout(),
        *_training(epochs=30, learning_rate=0.001),
    ),
)
_CNN = Workload(
    name="cnn",
    summary="A convolutional network shaped like LeNet-5; kernel sizes fit to the image.",
    strategies=_DISTRIBUTED,
    arguments=(
        Argument(
            name="filters",
            type=ArgumentType.INTEGERS,
            default=(16, 32),
            description="Filters of the two convolutions.",
            minimum=1,
            maximum=4096,
            min_items=2,
            max_items=2,
        ),
        _layers((120, 84), "Units of each dense layer behind the convolutions."),
        _activation("relu"),
        _dropout(),
        *_training(epochs=60, learning_rate=0.001),
    ),
)
_RNN = Workload(
    name="rnn",
    summary="A recurrent network that reads an image row by row.",
    strategies=_DISTRIBUTED,
    arguments=(
        Argument(
            name="cell",
            type=ArgumentType.TEXT,
            default="lstm",
            description="Kind of recurrent cell.",
            choices=("lstm", "gru", "simple"),
        ),
        Argument(
            name="units",
            type=ArgumentType.INTEGER,
            default=64,
            description="Units of the recurrent cell.",
            minimum=1,
            maximum=_MAX_UNITS,
        ),
        _dropout(),
        *_training(epochs=60, learning_rate=0.003),
    ),
)

WORKLOADS: Mapping[str, Workload] = MappingProxyType(
    {workload.name: workload for workload in (_PERCEPTRON, _MLP, _CNN, _RNN)}
)
