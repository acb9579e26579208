"""What a built-in program makes of a cluster with parameter servers: its part, its rounds, its share of a machine."""

import json
import os

import pytest

from orchestrator.train import Context
from orchestrator.workloads.__main__ import require_place, require_strategy
from orchestrator.workloads.arguments import UsageError, parse, parse_strategy, render_help
from orchestrator.workloads.asynchronous import Sums, next_mark
from orchestrator.workloads.cluster import VISIBLE_GPUS, count_tasks, has_parameter_servers, prepare_server

SERVED = json.dumps(
    {
        "cluster": {"chief": ["h:1"], "worker": ["h:2", "h:3"], "ps": ["h:4"]},
        "task": {"type": "worker", "index": 1},
    }
)
MIRRORED = json.dumps(
    {"cluster": {"chief": ["h:1"], "worker": ["h:2"]}, "task": {"type": "chief", "index": 0}}
)


def test_the_cluster_says_whether_there_are_parameter_servers() -> None:
    assert has_parameter_servers(SERVED)
    assert (count_tasks(SERVED, "worker"), count_tasks(SERVED, "ps")) == (2, 1)
    for other in (MIRRORED, "", "[]", '{"cluster": []}', '{"cluster": {"ps": []}}'):
        assert not has_parameter_servers(other)


@pytest.mark.parametrize(
    ("words", "wish"),
    [
        (["mlp"], "auto"),
        (["mlp", "--epochs=3", "--strategy", "ps"], "ps"),
        (["cnn", "--strategy=mirrored"], "mirrored"),
        (["perceptron"], "auto"),
    ],
)
def test_the_command_line_may_insist_on_a_strategy(words: list[str], wish: str) -> None:
    assert parse_strategy(words) == wish
    parse(words)


def test_it_is_no_argument_of_a_single_process_and_has_its_own_words() -> None:
    with pytest.raises(UsageError, match="unknown argument 'strategy'"):
        parse(["perceptron", "--strategy=ps"])
    with pytest.raises(UsageError, match="unknown value 'parameter'"):
        parse_strategy(["mlp", "--strategy=parameter"])
    assert "--strategy" in render_help(["rnn"])
    assert "--strategy" not in render_help(["perceptron"])


@pytest.mark.parametrize(
    ("tf_config", "wish", "message"),
    [
        (SERVED, "auto", ""),
        (SERVED, "ps", ""),
        (SERVED, "mirrored", "no use for the parameter servers"),
        (MIRRORED, "auto", ""),
        (MIRRORED, "mirrored", ""),
        (MIRRORED, "ps", "needs a cluster with parameter servers"),
    ],
)
def test_a_cluster_of_another_shape_is_refused(
    tf_config: str, wish: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", tf_config)
    if not message:
        require_strategy(wish)
        return
    with pytest.raises(UsageError, match=message):
        require_strategy(wish)


def test_a_parameter_server_needs_its_place_in_the_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    options = parse(["mlp"])
    monkeypatch.setenv("TF_CONFIG", SERVED)
    require_place(options, Context(role="ps"))
    monkeypatch.setenv("TF_CONFIG", MIRRORED)
    with pytest.raises(UsageError, match="TF_CONFIG has no cluster with one"):
        require_place(options, Context(role="ps"))


@pytest.mark.parametrize(
    ("role", "given", "left"),
    [
        ("worker", None, "0"),
        ("worker", "2,3", "2"),
        ("worker", "", ""),
        ("ps", "2,3", ""),
    ],
)
def test_a_worker_takes_one_gpu_and_a_parameter_server_none(
    role: str, given: str | None, left: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_CONFIG", SERVED)
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "7")
    if given is None:
        monkeypatch.delenv(VISIBLE_GPUS, raising=False)
    else:
        monkeypatch.setenv(VISIBLE_GPUS, given)
    prepare_server(role)
    assert (os.environ[VISIBLE_GPUS], os.environ["TF_NUM_INTRAOP_THREADS"]) == (left, "7")


def test_a_round_ends_with_the_epoch_and_where_it_is_time_to_save() -> None:
    assert next_mark(0, 15, 100) == 15
    assert next_mark(90, 15, 100) == 10
    assert next_mark(99, 15, 100) == 1
    assert next_mark(100, 15, 0) == 5


def test_means_are_over_the_steps_that_were_counted() -> None:
    sums = Sums(1.0, 0.5, 0.25).plus(Sums(3.0, 1.5, 2.75))
    assert sums.means() == {"loss": 0.5, "accuracy": 0.75}
    assert Sums().means() == {}
