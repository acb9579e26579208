"""The closing summary: what it says, what it leaves out, and commands that a shell understands."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from orchestrator.api.status import Cause, JobStatus, Phase, Progress
from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli import outputs
from orchestrator.cli.summary import Ending, RunPaths, collect_summary, render_summary
from orchestrator.core.actions import Reason
from orchestrator.core.plan import Folders
from orchestrator.metrics.store import FinalMetrics
from tests.fixtures.run_views import build_failure, build_summary
from tests.fixtures.training_reports import NOW, RUNNING, build_ended, later, replaced

ENDING = Ending(exit_code=1, started=NOW, now=later(72), paths=RunPaths(run="tfo-runs/digits-cnn/3"))


def test_a_success_says_where_everything_is_and_how_to_go_on() -> None:
    assert render_summary(build_summary()).splitlines() == [
        "digits-cnn/3 succeeded after 1:12   val_accuracy 0.981   accuracy 0.987   loss 0.042   "
        "1 restart (worker-1 was killed by SIGKILL)   14 steps lost",
        "",
        "model        tfo-runs/digits-cnn/3/model/model.keras",
        "checkpoints  tfo-runs/digits-cnn/3/checkpoints",
        "TensorBoard  tfo-runs/digits-cnn/3/tensorboard",
        "logs         tfo-runs/digits-cnn/3/logs",
        "metrics      tfo-runs/digits-cnn/3/metrics.prom",
        "",
        "next:",
        "  tensorboard --logdir tfo-runs/digits-cnn/3/tensorboard",
    ]


def test_a_run_without_trouble_or_metrics_says_little() -> None:
    quiet = build_summary(restarts=0, steps_lost=0, restart="", metrics={}, paths=RunPaths(run="r"), next=())
    assert render_summary(quiet) == "digits-cnn/3 succeeded after 1:12"


def test_all_kinds_of_trouble_are_counted() -> None:
    text = render_summary(
        build_summary(disruptions=2, resizes=1, non_finite=3, checkpoint_failures=1, restart="", metrics={})
    )
    assert text.splitlines()[0].split("   ") == [
        "digits-cnn/3 succeeded after 1:12",
        "1 restart, 2 disruptions, 1 resize",
        "14 steps lost",
        "3 non-finite values",
        "1 failed save",
    ]


def test_a_failure_shows_the_cause_and_no_escape_sequence() -> None:
    text = render_summary(build_failure())
    assert "BackoffLimitExceeded: worker-1 exited with code 1; backoffLimit 3 is used up" in text
    assert "  ValueError: no such layer\n" in text
    assert "\x1b" not in text


def failed(*, blamed: bool) -> JobStatus:
    peer = msgspec.structs.replace(build_ended(1, member="worker-0"), last_lines=("an older attempt",))
    cause = msgspec.structs.replace(build_ended(2, Cause.PROGRAM_EXIT), last_lines=("the cause",))
    return replaced(
        RUNNING,
        phase=Phase.FAILED,
        message="why",
        attempt=None,
        attempts=(peer, cause),
        failure=cause if blamed else None,
    )


def test_the_cause_is_the_end_that_made_the_job_fail() -> None:
    summary = collect_summary("digits-cnn", 3, failed(blamed=True), FinalMetrics(), ENDING)
    assert (summary.result, summary.exit_code, summary.seconds, summary.attempt) == ("failed", 1, 72.0, 2)
    assert summary.cause is not None
    assert (summary.cause.member, summary.cause.last_lines) == ("worker-1", ("the cause",))


def test_where_no_program_is_to_blame_none_is_shown() -> None:
    assert collect_summary("digits-cnn", 3, failed(blamed=False), FinalMetrics(), ENDING).cause is None


@pytest.mark.parametrize(
    ("phase", "result"),
    [(Phase.SUCCEEDED, "succeeded"), (Phase.STOPPED, "cancelled"), (Phase.RUNNING, "failed")],
)
def test_results(phase: Phase, result: str) -> None:
    status = replaced(RUNNING, phase=phase)
    assert collect_summary("digits-cnn", 3, status, FinalMetrics(), ENDING).result == result


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run in a folder whose name has a space, with everything that a run can leave."""
    found = RunFolder(tmp_path / "my runs" / "digits-cnn" / "3")
    for path in (
        found.model / "model.keras",
        found.model / "saved_model" / "saved_model.pb",
        found.tensorboard / "chief-0" / "events.out.tfevents.1.host",
        found.logs / "chief-0.attempt-1.log",
        found.checkpoints / "ckpt-0000000100" / "data",
        found.metrics_prom,
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return found


def folders_of(folder: RunFolder) -> Folders:
    return Folders(
        checkpoints=str(folder.checkpoints), logs=str(folder.tensorboard), models=str(folder.model), data=""
    )


def test_paths_are_as_they_can_be_typed(folder: RunFolder, tmp_path: Path) -> None:
    run = "my runs/digits-cnn/3"
    assert outputs.collect_paths(folder, folders_of(folder), tmp_path) == RunPaths(
        run=run,
        model=f"{run}/model/model.keras",
        checkpoints=f"{run}/checkpoints",
        tensorboard=f"{run}/tensorboard",
        logs=f"{run}/logs",
        metrics=f"{run}/metrics.prom",
    )
    elsewhere = outputs.collect_paths(folder, folders_of(folder), tmp_path / "elsewhere")
    assert elsewhere.logs == str(folder.logs)


def test_a_saved_model_is_a_model_too(folder: RunFolder, tmp_path: Path) -> None:
    (folder.model / "model.keras").unlink()
    paths = outputs.collect_paths(folder, folders_of(folder), tmp_path)
    assert paths.model == "my runs/digits-cnn/3/model/saved_model"


def test_what_does_not_exist_is_not_named(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "tfo-runs" / "digits-cnn" / "3")
    folder.checkpoints.mkdir(parents=True)
    assert outputs.collect_paths(folder, folders_of(folder), tmp_path) == RunPaths(
        run="tfo-runs/digits-cnn/3"
    )


def test_the_step_is_the_one_after_the_last_word_of_everybody() -> None:
    status = replaced(failed(blamed=True), progress=Progress(step=27))
    assert collect_summary("digits-cnn", 3, status, FinalMetrics(step=28), ENDING).step == 28
    assert collect_summary("digits-cnn", 3, status, FinalMetrics(), ENDING).step == 27


def test_next_commands_are_quoted_for_a_shell(folder: RunFolder, tmp_path: Path) -> None:
    paths = outputs.collect_paths(folder, folders_of(folder), tmp_path)
    lines = outputs.next_commands(paths, ("run", "my job.yaml", "--resume=digits-cnn/3"), _on_path, tmp_path)
    assert [shlex.split(line) for line in lines] == [
        ["tensorboard", "--logdir", "my runs/digits-cnn/3/tensorboard"],
        ["tfo", "run", "my job.yaml", "--resume=digits-cnn/3"],
        [
            "python",
            "-c",
            'import keras; keras.saving.load_model("my runs/digits-cnn/3/model/model.keras").summary()',
        ],
    ]


def _on_path(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def test_a_quote_in_a_path_is_quoted_twice(tmp_path: Path) -> None:
    paths = RunPaths(run="r", model="it's/model.keras")
    [line] = outputs.next_commands(paths, (), _on_path, tmp_path)
    code = shlex.split(line)[2]
    compile(code, "printed", "exec")
    assert '"it\'s/model.keras"' in code


def test_a_plain_path_makes_a_line_that_can_be_read(tmp_path: Path) -> None:
    [line] = outputs.next_commands(RunPaths(run="r", model="r/1/model.keras"), (), _on_path, tmp_path)
    assert line == """python -c 'import keras; keras.saving.load_model("r/1/model.keras").summary()'"""


@pytest.mark.process
@pytest.mark.parametrize(
    "name", ["my model", "it's", 'a "b"', """'"'""", "$(x) `y` $$", "back\\slash", "e\u0301 \u202e"]
)
def test_a_printed_line_can_be_pasted_into_a_shell(name: str, tmp_path: Path) -> None:
    """Keras itself is not the point: a module of its name says what it was asked for."""
    (tmp_path / "keras.py").write_text(
        "import os\nclass saving:\n  def load_model(path):\n    os.stat(path)\n    return saving\n"
        "  def summary(): print('loaded')\n"
    )
    (tmp_path / name).mkdir()
    (tmp_path / name / "model.keras").touch()
    paths = RunPaths(run="r", model=f"{name}/model.keras")
    [line] = outputs.next_commands(paths, (), lambda _: None, tmp_path)
    done = subprocess.run(["sh", "-c", line], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("loaded\n", "")


def test_nothing_that_does_not_exist_is_proposed(tmp_path: Path) -> None:
    assert outputs.next_commands(RunPaths(run="r"), ("run", "cnn"), _on_path, tmp_path) == ()


def test_a_resume_that_must_fail_the_same_way_again_is_not_proposed(tmp_path: Path) -> None:
    (tmp_path / "ckpt-0000000015").mkdir()

    def is_proposed(reason: Reason, began: int | None) -> bool:
        end = msgspec.structs.replace(build_ended(1, Cause.PROGRAM_EXIT), restore_step=began)
        status = replaced(failed(blamed=True), reason=reason.value, attempts=(end,))
        return outputs.is_worth_resuming(status, str(tmp_path))

    assert not is_proposed(Reason.WRONG_INPUT, 15), "its checkpoint does not fit, say"
    assert is_proposed(Reason.WRONG_INPUT, None), "it has saved since, and its data may be mended"
    assert is_proposed(Reason.MODEL_LOST, 15), "there may be room on the disk by then"


def test_programs_that_the_shell_would_not_find_are_named_by_their_path(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As after `.venv/bin/tfo run`, without the environment activated."""
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for name in ("python", "tensorboard"):
        (tmp_path / ".venv" / "bin" / name).touch()
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    monkeypatch.chdir(tmp_path)
    assert outputs.program("tensorboard", lambda name: None, tmp_path) == ".venv/bin/tensorboard"
    assert outputs.program("python", lambda name: f"/usr/bin/{name}", tmp_path) == ".venv/bin/python"
    assert (
        outputs.program("tensorboard", lambda name: os.path.join(tmp_path, ".venv/bin", name), tmp_path)
        == "tensorboard"
    )
    assert outputs.program("other", lambda name: None, tmp_path) is None
    assert outputs.program("other", lambda name: "/usr/bin/other", tmp_path) == "/usr/bin/other"


@pytest.mark.parametrize(
    ("words", "resumed"),
    [
        ("run examples/cnn.yaml", "run examples/cnn.yaml --resume=digits-cnn/3"),
        ("run cnn --workers 2 --set epochs=5", "run cnn --workers 2 --set epochs=5 --resume=digits-cnn/3"),
        (
            "run --workers 2 -- python train.py --lr 0.1",
            "run --workers 2 --resume=digits-cnn/3 -- python train.py --lr 0.1",
        ),
        ("run cnn --resume", "run cnn --resume=digits-cnn/3"),
        ("run cnn --resume digits-cnn/2", "run cnn --resume=digits-cnn/3"),
        ("run cnn --resume=digits-cnn/2 --workers 2", "run cnn --workers 2 --resume=digits-cnn/3"),
        ("run --resume examples/cnn.yaml", "run examples/cnn.yaml --resume=digits-cnn/3"),
        ("run -- prog --resume", "run --resume=digits-cnn/3 -- prog --resume"),
    ],
)
def test_the_same_command_resumed(words: str, resumed: str) -> None:
    assert outputs.resume_words(words.split(), "digits-cnn/3") == tuple(resumed.split())
