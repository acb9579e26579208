"""Scripts that know nothing of us, on a chief and two workers, with nothing but the start-up hook around them."""

import json
import subprocess
import sys

import pytest

from tests.integration.programs_train.members import PROGRAMS, Cluster, Member, base_environment, cluster

pytestmark = pytest.mark.tensorflow


def history(member: Member, name: str) -> list[float]:
    found = member.result["history"]
    assert isinstance(found, dict)
    return [float(value) for value in found[name]]


def last_metric(member: Member, name: str) -> float | None:
    return [each.metrics[name] for each in member.reports if name in each.metrics][-1]


def assert_trained_together(run: Cluster) -> None:
    assert run.wait() == [0, 0, 0], run.outputs()
    assert len({str(member.result["trainable"]) for member in run.members}) == 1
    assert all(history(member, "loss")[-1] < history(member, "loss")[0] for member in run.members)


def assert_reported(member: Member, steps: int) -> None:
    assert member.steps == steps
    assert member.last_step() == steps
    assert [each.total_steps for each in member.reports if each.step][-1] == steps
    assert {each.pid for each in member.reports} == {member.process.pid}
    assert member.reports[0].busy == "compiling"
    timed = [sum(each.step_seconds) for each in member.reports]
    # Neither the first step, which compiles, nor the last of each of the three epochs says how long a step takes.
    assert sum(timed) == steps - 4
    assert last_metric(member, "loss") == pytest.approx(history(member, "loss")[-1])
    assert last_metric(member, "accuracy") == pytest.approx(history(member, "accuracy")[-1])


def test_fit_with_batch_normalization_dropout_and_validation_data_trains_together_and_reports() -> None:
    with cluster(["plain_fit.py"], env={"SCRIPT_VALIDATE": "1"}) as run:
        assert_trained_together(run)
        for member in run.members:
            assert_reported(member, steps=30)
            assert sum(each.examples for each in member.reports) == 240
            assert last_metric(member, "val_accuracy") == pytest.approx(history(member, "val_accuracy")[-1])
            assert "evaluating" in [each.busy for each in member.reports]
            assert member.result["predicted_in_order"] is True
            assert member.result["evaluated"] == run.members[0].result["evaluated"]
        # Each member keeps moving statistics of its own: only the trainable weights are the same.
        assert len({str(member.result["moving"]) for member in run.members}) == 3


def test_without_the_fix_the_same_script_fails_on_every_member() -> None:
    """So the fix is still needed; once Keras mends it, `needs_fix` has to learn that version."""
    with cluster(["plain_fit.py"], env={"TFO_INSTRUMENT": "metrics"}) as run:
        assert all(code != 0 for code in run.wait())
        assert "PerReplica" in run.members[0].output


def test_a_custom_loop_runs_and_nobody_reports_for_it() -> None:
    with cluster(["custom_loop.py"]) as run:
        assert run.wait() == [0, 0, 0], run.outputs()
        assert len({json.dumps(member.result) for member in run.members}) == 1
        assert [member.reports for member in run.members] == [[], [], []]


@pytest.mark.parametrize("is_said", ["1", "0"], ids=["TF_USE_LEGACY_KERAS", "both Keras loaded"])
def test_tf_keras_reports_true_means_of_all_members(is_said: str) -> None:
    """Whoever imports tf_keras without saying so to TensorFlow has Keras 3 loaded too."""
    with cluster(["legacy_fit.py"], env={"SCRIPT_LEGACY": is_said}) as run:
        assert_trained_together(run)
        for member in run.members:
            assert_reported(member, steps=12)
            accuracies = [each.metrics["accuracy"] for each in member.reports if "accuracy" in each.metrics]
            # tf_keras itself adds the members' batch results up: 1.75 is not an accuracy.
            assert all(value is not None and 0.0 <= value <= 1.0 for value in accuracies)


def test_a_single_process_with_everything_off_is_left_alone() -> None:
    program = PROGRAMS / "single_fit.py"
    for allowed, is_instrumented in (("metrics,kerasFix", True), ("", False)):
        environment = {
            **base_environment(),
            "TFO_INSTRUMENT": allowed,
            "TFO_REPORT_SOCKET": "/nonexistent/socket",
        }
        ended = subprocess.run(
            [sys.executable, str(program)],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert json.loads(ended.stdout.splitlines()[-1]) == {
            "fixed": is_instrumented,
            "reporting": is_instrumented,
            "own_callback_alone": True,
            "needs_fix": not is_instrumented,
        }
