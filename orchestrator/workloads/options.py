"""The checked arguments of each built-in program as typed values; one Struct per program of `api.catalog`.

Made by `arguments.parse` from the catalog's names, types and defaults (a test holds the two together), read by the
programs. No defaults and no checking here.
"""

from __future__ import annotations

import msgspec


class PerceptronOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    epochs: int
    learning_rate: float
    threshold: float
    summaries: bool


class TrainingOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every distributed program understands."""

    data: str
    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: str
    seed: int
    summaries: bool
    export: bool


class MlpOptions(TrainingOptions, frozen=True, kw_only=True):
    layers: tuple[int, ...]
    activation: str
    dropout: float


class CnnOptions(TrainingOptions, frozen=True, kw_only=True):
    filters: tuple[int, int]
    layers: tuple[int, ...]
    activation: str
    dropout: float


class RnnOptions(TrainingOptions, frozen=True, kw_only=True):
    cell: str
    units: int
    dropout: float


Options = PerceptronOptions | MlpOptions | CnnOptions | RnnOptions
OPTIONS: dict[str, type[Options]] = {
    "perceptron": PerceptronOptions,
    "mlp": MlpOptions,
    "cnn": CnnOptions,
    "rnn": RnnOptions,
}
