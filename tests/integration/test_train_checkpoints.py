"""Checkpoints and the agreed stop of programs that use orchestrator.train, with Keras 3 on several workers and one."""

import json
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from orchestrator.protocol.checkpoints import committed_steps
from tests.integration.programs_train.members import (
    PROGRAMS,
    ROOT,
    Cluster,
    Member,
    base_environment,
    cluster,
)

pytestmark = pytest.mark.tensorflow

PROGRAM = ["checkpointed_fit.py"]
STATE = ("trainable", "optimizer", "iterations")
ENDLESS = 100_000


def environment(folder: Path, total_steps: int, restore_step: int | None = None) -> dict[str, str]:
    step = "" if restore_step is None else str(restore_step)
    return {"TFO_CHECKPOINT_DIR": str(folder), "TOTAL_STEPS": str(total_steps), "TFO_RESTORE_STEP": step}


def epochs_of_unknown_length(folder: Path) -> dict[str, str]:
    return {"TFO_CHECKPOINT_DIR": str(folder)}


def said(member: Member, what: str) -> Mapping[str, object]:
    found = [json.loads(line) for line in member.output.splitlines() if line.startswith('{"what"')]
    matching = [each for each in found if each["what"] == what]
    assert len(matching) == 1, member.output
    one = matching[0]
    assert isinstance(one, dict)
    return one


def state(said_: Mapping[str, object]) -> dict[str, object]:
    return {name: said_[name] for name in STATE}


def saves(member: Member) -> list[int]:
    return [
        each.checkpoint.step for each in member.reports if each.checkpoint is not None and each.checkpoint.ok
    ]


def assert_stopped_together(run: Cluster, folder: Path, surplus: int = 0) -> int:
    """All exited 143 at one step, whose state is committed; returns it. surplus: see `surplus_of`."""
    assert run.wait() == [143] * len(run.members), run.outputs()
    stops = [said(member, "stopped") for member in run.members]
    assert all(state(each) == state(stops[0]) for each in stops)
    step = committed_steps(str(folder))[-1]
    assert {each["iterations"] for each in stops} == {step + surplus}
    assert [path.name for path in folder.iterdir() if not path.name.startswith("ckpt-")] == []
    assert [saves(member) for member in run.members[1:]] == [[]] * (len(run.members) - 1)
    assert saves(run.members[0])[-1] == step
    assert all((each.reports[-1].busy, each.last_step()) == ("stopping", step) for each in run.members)
    return step


def surplus_of(run: Cluster, folder: Path) -> int:
    """How many more batches the optimizer counted than there were: one for each time that the data ran out."""
    run.wait()
    iterations = said(run.members[0], "stopped")["iterations"]
    assert isinstance(iterations, int)
    return iterations - committed_steps(str(folder))[-1]


def test_a_stop_is_agreed_on_and_any_number_of_workers_goes_on_from_it(tmp_path: Path) -> None:
    with cluster(PROGRAM, workers=2, env=epochs_of_unknown_length(tmp_path)) as run:
        run.wait_for_step(45)
        run.members[2].process.send_signal(signal.SIGTERM)  # one member alone, and not the chief
        surplus = surplus_of(run, tmp_path)
        first = assert_stopped_together(run, tmp_path, surplus)
        assert saves(run.members[0])[:2] == [20, 40]
        assert first >= 45
        assert surplus in (first // 4, (first - 1) // 4)  # no steps, though the optimizer takes them for such
        stopped = said(run.members[0], "stopped")
    assert len(committed_steps(str(tmp_path))) == 3

    with cluster(PROGRAM, workers=1, env=environment(tmp_path, ENDLESS, restore_step=first)) as run:
        run.wait_for_step(first + 10)
        for member in run.members:  # all of them, each at a step of its own
            member.process.send_signal(signal.SIGTERM)
        second = assert_stopped_together(run, tmp_path, surplus)
        for member in run.members:
            restored = said(member, "restored")
            assert state(restored) == state(stopped)
            assert restored["statistics"] == stopped["statistics"]  # the chief's, on every member
            assert restored["extra"] == {"examples": first * 24}
            assert member.steps <= second - first
        stopped = said(run.members[0], "stopped")

    total = second + 30
    with cluster(PROGRAM, workers=0, env=environment(tmp_path, total, restore_step=second)) as run:
        assert run.wait() == [0], run.outputs()
        assert state(said(run.members[0], "restored")) == state(stopped)
        ended = said(run.members[0], "ended")
        assert ended["iterations"] == total + surplus
        assert ended["sigterm_is_default"] is True
        assert committed_steps(str(tmp_path))[-1] == total


def test_a_single_process_saves_and_exits_143(tmp_path: Path) -> None:
    with cluster(PROGRAM, workers=0, env=environment(tmp_path, ENDLESS)) as run:
        run.wait_for_step(5)
        run.members[0].process.send_signal(signal.SIGTERM)
        assert assert_stopped_together(run, tmp_path) >= 5


def test_what_needs_no_peers_on_real_keras(tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, str(PROGRAMS / "single_checks.py"), str(tmp_path)],
        env={**base_environment(), "PYTHONPATH": str(ROOT)},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == {
        # With four steps per execution the sixth is over when the eighth is, with five too: they are the last ones.
        "saved_steps": [[8], [8], [6, 8]],
        "counted_on": [[16, 24, 32]] * 2,  # the batches, and not each time that the data ran out
        "keras": True,
        "tf_keras": True,
        "full_disk": {"epochs": 1, "left": [], "legacy_ok": False, "then": True},
        "own_loop": {"step": 5, "counter": 5},
    }
    assert ended.stderr.count("training goes on") == 1
