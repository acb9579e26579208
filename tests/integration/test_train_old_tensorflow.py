"""TensorFlow 2.16 with the Keras of its time: the same unchanged script runs there too."""

import pytest

from tests.integration.programs_train.members import cluster
from tests.integration.programs_train.old_tensorflow import python_with_tensorflow_216


@pytest.mark.tensorflow
@pytest.mark.timeout(1200)  # the first run on a machine installs it
def test_the_script_trains_together_and_reports_on_tensorflow_2_16() -> None:
    with cluster(
        ["plain_fit.py"], env={"SCRIPT_VALIDATE": "1"}, python=str(python_with_tensorflow_216())
    ) as run:
        assert run.wait() == [0, 0, 0], run.outputs()
        assert {str(member.result["keras"]) for member in run.members} == {"3.3.3"}
        # Not only runs: before 3.5 Keras does not add up the gradients, and each member trains a model of its own.
        assert len({str(member.result["trainable"]) for member in run.members}) == 1
        for member in run.members:
            assert member.steps == 30
            assert member.result["predicted_in_order"] is True
            assert any(each.metrics.get("val_accuracy") is not None for each in member.reports)
