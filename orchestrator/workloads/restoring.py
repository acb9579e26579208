"""Loads a committed checkpoint into a model, or says in the user's words why it does not fit.

Called by `training` with the step that the attempt restores, and by `evaluator` with each new one.
"""

from __future__ import annotations

import re
from typing import Any

from orchestrator.train import Checkpointer

_VALUES = re.compile(r", value=\[.*?\](?=>)", re.DOTALL)


class RestoreError(Exception):
    """The checkpoint cannot be used for this model."""


def restore(checkpointer: Checkpointer, model: Any, step: int) -> None:  # Keras has no types
    """Raises RestoreError."""
    try:
        checkpointer.restore(model, step)
    except (ValueError, OSError) as error:
        raise RestoreError(
            f"the checkpoint of step {step} in {checkpointer.directory} cannot be restored into this model; was it "
            f"made with other arguments? ({_without_values(str(error))})"
        ) from None
    set_dropout_position(model, step)


def _without_values(message: str) -> str:
    """On one line and without the arrays that Keras prints, which would push all else out of the last lines."""
    return " ".join(_VALUES.sub("", message).split())


def set_dropout_position(model: Any, step: int) -> None:
    """Goes on with the random numbers of this step: a dropout layer draws once per step, and Keras saves no place."""
    for layer in model.layers:
        generator = getattr(layer, "seed_generator", None)
        if generator is not None:
            seed = generator.state.numpy()[0]
            generator.state.assign([seed, step])
