"""Who a training process is: by the agent's variables, by TF_CONFIG alone, or by nothing at all."""

import json
from pathlib import Path

import pytest

from orchestrator.protocol.checkpoints import checkpoint_path
from orchestrator.train.checkpointer import Checkpointer
from orchestrator.train.membership import Context, context, read_context


def tf_config(role: str, index: int, **cluster: int) -> str:
    shape = {name: [f"host-{name}-{each}:2222" for each in range(size)] for name, size in cluster.items()}
    return json.dumps({"cluster": shape, "task": {"type": role, "index": index}})


def test_a_process_outside_any_job_is_a_chief_alone() -> None:
    me = read_context({})
    assert me == Context()
    assert me.is_leader
    assert (me.rank, me.world_size, me.attempt, me.restore_step) == (0, 1, 0, None)


def test_the_agents_variables_say_everything() -> None:
    me = read_context(
        {
            "TFO_JOB": "digits",
            "TFO_ROLE": "worker",
            "TFO_INDEX": "4",
            "TFO_RANK": "2",
            "TFO_WORLD_SIZE": "3",
            "TFO_ATTEMPT": "7",
            "TFO_RESTORE_STEP": "0",
            "TFO_CHECKPOINT_DIR": "/ckpt",
            "TFO_CHECKPOINT_EVERY_STEPS": "50",
            "TFO_CHECKPOINT_KEEP": "2",
            "TFO_LOG_DIR": "/logs",
            "TFO_MODEL_DIR": "/model",
            "TFO_DATA_DIR": "/data",
            "TF_CONFIG": tf_config("worker", 1, chief=1, worker=2),
        }
    )
    assert me == Context("digits", "worker", 4, 2, 3, 7, 0, "/ckpt", 50, 2, "/logs", "/model", "/data")
    assert not me.is_leader


@pytest.mark.parametrize(
    ("config", "place"),
    [
        (tf_config("chief", 0, chief=1, worker=2), ("chief", 0, 0, 3)),
        (tf_config("worker", 1, chief=1, worker=2), ("worker", 1, 2, 3)),
        (tf_config("worker", 0, worker=2), ("worker", 0, 0, 2)),
        (tf_config("ps", 0, chief=1, worker=2, ps=1), ("ps", 0, 3, 4)),
        (tf_config("master", 0, master=1, worker=1), ("master", 0, 0, 2)),
        (tf_config("evaluator", 0, evaluator=1), ("evaluator", 0, 0, 1)),
        (tf_config("evaluator", 0, chief=1, worker=1), ("evaluator", 0, 0, 1)),
        (tf_config("stranger", 0, chief=1, stranger=1), ("stranger", 0, 1, 2)),
    ],
)
def test_tf_config_alone_gives_the_place(config: str, place: tuple[str, int, int, int]) -> None:
    me = read_context({"TF_CONFIG": config})
    assert (me.role, me.index, me.rank, me.world_size) == place


@pytest.mark.parametrize(
    "config", ["{", "[]", "{}", '{"cluster": {}, "task": 3}', '{"cluster": 1, "task": {}}']
)
def test_a_malformed_tf_config_is_for_tensorflow_to_complain_about(config: str) -> None:
    assert read_context({"TF_CONFIG": config}) == Context()


def test_malformed_numbers_count_as_absent() -> None:
    me = read_context({"TFO_RANK": "first", "TFO_RESTORE_STEP": "", "TFO_CHECKPOINT_KEEP": "0"})
    assert (me.rank, me.restore_step, me.checkpoint_keep) == (0, None, 1)


def save(folder: Path, step: int) -> None:
    Path(checkpoint_path(str(folder), step)).mkdir(parents=True)


def test_who_is_told_no_step_goes_on_from_the_newest_that_it_finds(tmp_path: Path) -> None:
    """Nobody decides it in a job without agents."""
    save(tmp_path, 5)
    save(tmp_path, 40)
    found = {"TFO_CHECKPOINT_DIR": str(tmp_path)}
    assert read_context(found).restore_step == 40
    assert read_context({**found, "TFO_RESTORE_STEP": ""}).restore_step is None
    assert read_context({**found, "TFO_RESTORE_STEP": "5"}).restore_step == 5
    assert read_context({"TFO_CHECKPOINT_DIR": ""}).restore_step is None
    assert read_context({"TFO_CHECKPOINT_DIR": str(tmp_path / "nothing")}).restore_step is None


def test_what_is_saved_after_the_first_look_is_not_what_training_went_on_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A program may ask when it has long been saving, such as with its first report."""
    monkeypatch.setenv("TFO_CHECKPOINT_DIR", str(tmp_path))
    monkeypatch.delenv("TFO_RESTORE_STEP", raising=False)
    saver = Checkpointer()
    assert saver.save_state(7, lambda folder: None)
    assert saver.latest_step() == 7
    assert context().restore_step is None


def test_an_evaluator_never_leads() -> None:
    assert not read_context({"TFO_ROLE": "evaluator", "TFO_RANK": "0"}).is_leader
