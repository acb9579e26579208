"""The built-in programs on a chief and two workers: how well they learn, that they agree, what they leave behind."""

import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.protocol.checkpoints import committed_steps
from tests.fixtures.workload_runs import (
    EVALUATOR,
    SEATS,
    digest,
    reported,
    run_to_end,
    val_accuracy,
    workload,
)
from tests.integration.programs_train.members import Member, base_environment

pytestmark = pytest.mark.tensorflow

EVALUATE = """
import sys
import numpy as np, keras, tensorflow as tf
from orchestrator.workloads.data import load
held_out = load("digits", seed=1).validation
model = keras.saving.load_model(sys.argv[1] + "/model.keras")
served = tf.saved_model.load(sys.argv[1] + "/saved_model/1")
for predicted in (model.predict(held_out.x, verbose=0), served.serve(held_out.x).numpy()):
    print("accuracy", np.mean(predicted.argmax(axis=1) == held_out.y))
"""


def assert_learned_together(members: list[Member], at_least: float) -> None:
    assert [val_accuracy(member) >= at_least for member in members] == [True] * 3, members[0].output
    assert len({digest(member) for member in members}) == 1
    assert len({val_accuracy(member) for member in members}) == 1
    for member in members:
        assert reported(member, "val_accuracy")[-1] == pytest.approx(val_accuracy(member), abs=1e-4)
        assert member.steps == member.last_step()


def test_cnn_learns_the_digits_with_an_evaluator_beside_it(tmp_path: Path) -> None:
    often = {"TFO_CHECKPOINT_EVERY_STEPS": "150"}
    with workload(["cnn"], tmp_path, EVALUATOR, often) as beside:
        members = run_to_end(["cnn"], tmp_path, SEATS, often)
        assert beside.wait() == [0], beside.outputs()
    assert_learned_together(members, at_least=0.98)
    assert {member.last_step() for member in members} == {900}
    # A third of the 96 examples of each step is each member's.
    assert {sum(each.examples for each in member.reports) for member in members} == {900 * 32}
    assert_judged(beside.members[0], members[0], tmp_path)
    assert_left_behind(tmp_path, members[0])


def assert_judged(evaluator: Member, chief: Member, folder: Path) -> None:
    """Each checkpoint that was not removed too early, the last one as the members judge it."""
    judged = [line.split() for line in evaluator.output.splitlines() if line.startswith("step ")]
    steps = [int(words[1].rstrip(":")) for words in judged]
    assert steps == sorted(set(steps))
    assert set(steps) <= set(range(150, 901, 150))
    assert set(committed_steps(str(folder / "checkpoints"))) <= set(steps)
    assert float(judged[-1][3]) == pytest.approx(val_accuracy(chief), abs=1e-4)
    assert reported(evaluator, "val_accuracy")[-1] == pytest.approx(val_accuracy(chief), abs=1e-4)


def assert_left_behind(folder: Path, chief: Member) -> None:
    assert committed_steps(str(folder / "checkpoints")) == [600, 750, 900]
    for name in ("train", "validation"):
        (events,) = (folder / "logs" / name).glob("events.out.tfevents.*")
        assert b"epoch_accuracy" in events.read_bytes()
    assert sorted(path.name for path in (folder / "models").iterdir()) == ["model.keras", "saved_model"]
    said = subprocess.run(
        [sys.executable, "-c", EVALUATE, str(folder / "models")],
        env={**base_environment(), "PYTHONPATH": ""},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert [float(value) for value in said[1::2]] == pytest.approx([val_accuracy(chief)] * 2, abs=1e-4)


@pytest.mark.parametrize("name", ["mlp", "rnn"])
def test_mlp_and_rnn_learn_the_digits(name: str, tmp_path: Path) -> None:
    members = run_to_end([name, "--export=false", "--summaries=false"], tmp_path, SEATS)
    assert_learned_together(members, at_least=0.95)
    assert not (tmp_path / "logs").exists()
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["model.keras"]
