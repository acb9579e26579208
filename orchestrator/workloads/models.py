"""The networks of the built-in programs: dense, convolutional (LeNet-5 shaped), recurrent.

Called by `training` inside the strategy's scope and by `evaluator`. Each takes the program's options and the shape
of the data and returns a compiled Keras model; the same seed gives the same initial weights. Imports Keras, but only
inside functions.
"""

from __future__ import annotations

from typing import Any

from orchestrator.workloads.options import CnnOptions, MlpOptions, RnnOptions
from orchestrator.workloads.samples import Data, DataError

Trainable = MlpOptions | CnnOptions | RnnOptions
LONGEST_UNROLLED = 16
"""A loop over more rows of an image than this is left a loop: unrolling it makes the start slow."""


def build_model(options: Trainable, data: Data) -> Any:  # Keras has no types
    """A compiled model; accuracy and loss respect the weights of the examples."""
    import keras

    keras.utils.set_random_seed(options.seed)
    model = keras.Sequential(
        [
            keras.layers.Input(data.shape),
            *_hidden(options, data),
            keras.layers.Dense(data.classes, activation="softmax", name="probabilities"),
        ],
        name=_name(options),
    )
    optimizer = keras.optimizers.get(options.optimizer)
    optimizer.learning_rate = options.learning_rate
    model.compile(
        optimizer=optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(),
        weighted_metrics=["accuracy"],
        # Collectives between processes and XLA do not go together, and small models gain nothing.
        jit_compile=False,
    )
    return model


def require_shape(options: Trainable, data: Data) -> None:
    """Raises DataError where this program cannot read such inputs."""
    if not isinstance(options, MlpOptions) and len(data.shape) != 3:
        raise DataError(
            f"{_name(options)} needs images (rows, height, width) or (rows, height, width, channels), but one input "
            f"has shape {data.shape}; mlp takes plain features"
        )


def _name(options: Trainable) -> str:
    return {MlpOptions: "mlp", CnnOptions: "cnn", RnnOptions: "rnn"}[type(options)]


def _hidden(options: Trainable, data: Data) -> list[Any]:
    if isinstance(options, CnnOptions):
        return _cnn(options, data.shape)
    if isinstance(options, RnnOptions):
        return _rnn(options, data.shape)
    return _mlp(options)


def _mlp(options: MlpOptions) -> list[Any]:
    import keras

    return [keras.layers.Flatten(), *_dense(options)]


def _cnn(options: CnnOptions, shape: tuple[int, ...]) -> list[Any]:
    """As LeNet-5: convolution (same size), pool, convolution, pool, dense layers."""
    import keras

    layers: list[Any] = []
    sides = shape[:2]
    for filters, is_first in zip(options.filters, (True, False), strict=True):
        kernel, padding = fit_kernel(sides, is_first=is_first)
        layers.append(keras.layers.Conv2D(filters, kernel, padding=padding, activation=options.activation))
        if padding == "valid":
            sides = tuple(side - size + 1 for side, size in zip(sides, kernel, strict=True))
        pool = tuple(min(2, side) for side in sides)
        layers.append(keras.layers.MaxPooling2D(pool))
        sides = tuple(side // size for side, size in zip(sides, pool, strict=True))
    return [*layers, keras.layers.Flatten(), *_dense(options)]


def fit_kernel(sides: tuple[int, ...], *, is_first: bool) -> tuple[tuple[int, ...], str]:
    """Kernel size per axis, and the padding: 5 by 5 as in LeNet-5 where the image is large enough for it."""
    kernel = tuple(5 if side >= 12 else 3 if side >= 3 else 1 for side in sides)
    # Only LeNet-5's second convolution shrinks its image, and only if enough of it is left.
    is_large = all(side >= 12 for side in sides)
    return kernel, "valid" if is_large and not is_first else "same"


def _rnn(options: RnnOptions, shape: tuple[int, ...]) -> list[Any]:
    import keras

    cells = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "simple": keras.layers.SimpleRNN}
    height, width, channels = shape
    recurrent = cells[options.cell](options.units, unroll=height <= LONGEST_UNROLLED)
    return [keras.layers.Reshape((height, width * channels)), recurrent, *_dropout(options.dropout)]


def _dense(options: MlpOptions | CnnOptions) -> list[Any]:
    import keras

    layers: list[Any] = []
    for units in options.layers:
        layers.append(keras.layers.Dense(units, activation=options.activation))
        layers.extend(_dropout(options.dropout))
    return layers


def _dropout(rate: float) -> list[Any]:
    import keras

    return [keras.layers.Dropout(rate)] if rate > 0 else []
