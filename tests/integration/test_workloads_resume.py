"""Stop and resume of the built-in programs: nothing repeated, nothing skipped, whoever goes on."""

import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from orchestrator.protocol.checkpoints import checkpoint_path, committed_steps
from tests.fixtures.workload_runs import (
    EVALUATOR,
    SEATS,
    digest,
    restored_step,
    run_to_end,
    wait_for_output,
    weights_of,
    workload,
)
from tests.integration.programs_train.members import Member

pytestmark = pytest.mark.tensorflow

# Shares of 100 examples for three members differ: 33, 33 and 34. Epochs of 14 steps are no multiple of anything.
WORDS = ["mlp", "--epochs=40", "--batch_size=100", "--layers=[32]", "--export=false", "--summaries=false"]
HALF, LAST = 287, 560  # half is inside an epoch
EXACT = {"TF_DETERMINISTIC_OPS": "1"}


def stop_on_the_way(words: list[str], folder: Path) -> int:
    """Starts alone, is told to stop, and exits 143; returns the step that it saved."""
    with workload(words, folder, env=EXACT) as run:
        run.wait_for_step(1)
        run.members[0].process.send_signal(signal.SIGTERM)
        assert run.wait() == [143], run.outputs()
    step = committed_steps(str(folder / "checkpoints"))[-1]
    assert 0 < step < LAST
    return step


def restoring(step: int) -> dict[str, str]:
    return {"TFO_RESTORE_STEP": str(step)}


def checkpoint(folder: Path, step: int) -> Path:
    return Path(checkpoint_path(str(folder / "checkpoints"), step))


def test_a_stopped_training_that_goes_on_ends_bit_for_bit_as_if_undisturbed(tmp_path: Path) -> None:
    """With dropout, whose random numbers go on too; also inside an epoch."""
    words = [*WORDS, "--dropout=0.3"]
    (undisturbed,) = run_to_end(words, tmp_path / "undisturbed", env=EXACT)
    step = stop_on_the_way(words, tmp_path)
    (resumed,) = run_to_end(words, tmp_path, env={**EXACT, **restoring(step)})
    assert restored_step(resumed) == step
    assert resumed.last_step() == LAST
    assert resumed.steps == LAST - step
    assert digest(resumed) == digest(undisturbed)
    before, after = (
        weights_of(checkpoint(tmp_path / "undisturbed", LAST)),
        weights_of(checkpoint(tmp_path, LAST)),
    )
    assert before.keys() == after.keys()
    assert all((before[name] == after[name]).all() for name in before)
    assert_only_judged_again(words, tmp_path, resumed)


def assert_only_judged_again(words: list[str], folder: Path, done: Member) -> None:
    """A training that was done is judged and exported once more; other arguments do not fit to its checkpoint."""
    with workload([*words, "--layers=[8]"], folder, env=restoring(LAST)) as other:
        (again,) = run_to_end(words, folder, env=restoring(LAST))
        assert other.wait() == [2]
    assert (again.output.splitlines()[-1], digest(again)) == (done.output.splitlines()[-1], digest(done))
    assert again.steps == 0
    assert f"all {LAST} steps had been done before: nothing was trained" in again.output
    assert "cannot be restored into this model" in other.members[0].output
    assert "was it made with other arguments?" in other.members[0].output


def test_other_members_go_on_where_one_was_and_take_the_same_way(tmp_path: Path) -> None:
    run_to_end(WORDS, tmp_path / "alone", env={"TFO_CHECKPOINT_EVERY_STEPS": str(HALF)})
    shutil.copytree(checkpoint(tmp_path / "alone", HALF), checkpoint(tmp_path, HALF))
    members = run_to_end(WORDS, tmp_path, SEATS, restoring(HALF))
    assert {restored_step(member) for member in members} == {HALF}
    assert {member.last_step() for member in members} == {LAST}
    assert len({digest(member) for member in members}) == 1
    alone, together = weights_of(checkpoint(tmp_path / "alone", LAST)), weights_of(checkpoint(tmp_path, LAST))
    assert alone.keys() == together.keys()
    for name in alone:
        # Only the order of additions differs. A batch lost or shown twice, or a wrong mean, would differ by far more.
        np.testing.assert_allclose(together[name], alone[name], atol=2e-3, err_msg=name)


def test_a_model_that_cannot_be_written_is_told_once_and_ends_with_a_code_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with workload([*WORDS, "--epochs=1"], tmp_path, env={"TFO_MODEL_DIR": str(tmp_path / "file")}) as run:
        assert run.wait() == [74]
    last = run.members[0].output.splitlines()[-1]
    assert last == f"error: the model cannot be written to {tmp_path / 'file'}: File exists"


def test_an_evaluator_that_is_told_to_stop_exits_143_at_once(tmp_path: Path) -> None:
    with workload(["mlp"], tmp_path, EVALUATOR) as run:
        wait_for_output(run.members[0], "judges the checkpoints in")
        run.members[0].process.send_signal(signal.SIGTERM)
        assert run.members[0].process.wait(timeout=20) == 143
