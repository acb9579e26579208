"""What is said of a checkpoint that does not fit the model; TensorFlow is not the point."""

from typing import Any

import pytest

from orchestrator.train import Checkpointer
from orchestrator.workloads.restoring import RestoreError, restore

KERAS = """\
A total of 3 objects could not be loaded. Example error message for object <Dense name=dense, built=True>:
The shapes must match. variable.shape=(64, 128), Received: value.shape=(64, 16). Target variable: \
<Variable path=mlp/dense/kernel, shape=(64, 128), dtype=float32, value=[[-0.08520643  0.12814434 ...  0.08971588
  -0.0828685 ]
 ...
 [ 0.14887406  0.0778129   0.15153782 ... -0.00848286  0.11784266
   0.06803626]]>
List of objects that could not be loaded:
[<Dense name=dense, built=True>]"""


class Refusing(Checkpointer):
    def __init__(self) -> None:
        self.directory = "c"

    def restore(self, model: Any, step: int) -> dict[str, Any]:
        raise ValueError(KERAS)


def test_arrays_are_left_out_of_what_keras_says_about_a_checkpoint_that_does_not_fit() -> None:
    with pytest.raises(RestoreError) as caught:
        restore(Refusing(), object(), 15)
    assert str(caught.value) == (
        "the checkpoint of step 15 in c cannot be restored into this model; was it made with other arguments? "
        "(A total of 3 objects could not be loaded. Example error message for object <Dense name=dense, built=True>: "
        "The shapes must match. variable.shape=(64, 128), Received: value.shape=(64, 16). Target variable: "
        "<Variable path=mlp/dense/kernel, shape=(64, 128), dtype=float32> "
        "List of objects that could not be loaded: [<Dense name=dense, built=True>])"
    )
