"""One process, one fit: says what the start-up hook did to Keras, and that a callback of one's own gets no twin."""

import json

import keras
import numpy as np
from keras.src.backend.tensorflow import trainer

from orchestrator.train import ReportCallback, keras_fix

seen: "list[list[str]]" = []


class Spy(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is untyped
    """Looks at the callbacks that this fit has."""

    def on_train_begin(self, logs: object = None) -> None:
        seen.append([type(each).__name__ for each in self.model.spied.callbacks])


def fit(*callbacks: keras.callbacks.Callback) -> "list[str]":
    model = keras.Sequential([keras.layers.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    original = trainer.callbacks_module.CallbackList

    class Spied(original):  # type: ignore[misc, valid-type]  # whatever class Keras has there
        def __init__(self, *arguments: object, **named: object) -> None:
            model.spied = self
            super().__init__(*arguments, **named)

    trainer.callbacks_module.CallbackList = Spied
    model.fit(np.zeros((4, 2)), np.zeros((4, 1)), verbose=0, callbacks=[Spy(), *callbacks])
    trainer.callbacks_module.CallbackList = original
    return seen[-1]


print(
    json.dumps(
        {
            "fixed": keras_fix.is_fixed(trainer),
            "reporting": "ReportCallback" in fit(),
            "own_callback_alone": fit(ReportCallback()).count("ReportCallback") == 1,
            "needs_fix": keras_fix.needs_fix(),
        }
    )
)
