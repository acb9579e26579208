"""Steps and epochs of a training, threads, kernels, and the evaluator's choice: the arithmetic around TensorFlow."""

import json

import numpy as np
import pytest

from orchestrator.workloads.arguments import parse
from orchestrator.workloads.cluster import choose_threads, count_members, count_neighbours, is_member
from orchestrator.workloads.evaluator import find_next
from orchestrator.workloads.models import Trainable, fit_kernel, require_shape
from orchestrator.workloads.options import CnnOptions, MlpOptions, RnnOptions
from orchestrator.workloads.plan import TrainingPlan, plan_training
from orchestrator.workloads.samples import Data, DataError, Samples


def data_of(shape: tuple[int, ...], rows: int = 200) -> Data:
    samples = Samples(np.zeros((rows, *shape), np.float32), np.zeros(rows, np.int32))
    return Data(samples, samples, classes=2)


def options_of(*words: str) -> Trainable:
    options = parse(words)
    assert isinstance(options, MlpOptions | CnnOptions | RnnOptions)
    return options


def test_a_plan_counts_steps_over_all_epochs() -> None:
    plan = plan_training(options_of("cnn", "--epochs=4", "--batch_size=96"), data_of((8, 8, 1)))
    assert plan == TrainingPlan(epochs=4, epoch_steps=3, validation_steps=3)
    assert plan.total_steps == 12
    assert (plan.first_epoch, plan.first_epoch_steps, plan.is_done) == (0, 3, False)


@pytest.mark.parametrize(
    ("start", "epoch", "steps", "is_done"),
    [(1, 0, 2, False), (3, 1, 3, False), (11, 3, 1, False), (12, 4, 3, True), (99, 33, 3, True)],
)
def test_a_resume_goes_on_inside_its_epoch(start: int, epoch: int, steps: int, is_done: bool) -> None:
    plan = TrainingPlan(epochs=4, epoch_steps=3, validation_steps=3, start=start)
    assert (plan.first_epoch, plan.first_epoch_steps, plan.is_done) == (epoch, steps, is_done)


@pytest.mark.parametrize("name", ["cnn", "rnn"])
def test_programs_for_images_refuse_plain_features(name: str) -> None:
    require_shape(options_of(name), data_of((8, 8, 1)))
    with pytest.raises(DataError, match=rf"{name} needs images .* shape \(64,\); mlp takes plain features"):
        require_shape(options_of(name), data_of((64,)))
    require_shape(options_of("mlp"), data_of((64,)))


@pytest.mark.parametrize(
    ("sides", "is_first", "expected"),
    [
        ((28, 28), True, ((5, 5), "same")),
        ((14, 14), False, ((5, 5), "valid")),
        ((8, 8), True, ((3, 3), "same")),
        ((4, 4), False, ((3, 3), "same")),
        ((14, 4), False, ((5, 3), "same")),
        ((1, 2), True, ((1, 1), "same")),
    ],
)
def test_kernels_fit_into_the_image(
    sides: tuple[int, int], is_first: bool, expected: tuple[tuple[int, int], str]
) -> None:
    assert fit_kernel(sides, is_first=is_first) == expected


def tf_config(task: str, index: int, **cluster: list[str]) -> str:
    return json.dumps({"cluster": cluster, "task": {"type": task, "index": index}})


LOCAL = {"chief": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"]}
REMOTE = {"chief": ["job-chief-0.ns.svc:2222"], "worker": ["job-worker-0.ns.svc:2222", "[::1]:2222"]}


def test_members_are_those_that_train() -> None:
    assert count_members(tf_config("worker", 1, **LOCAL)) == 3
    assert count_members(tf_config("evaluator", 0, evaluator=["127.0.0.1:9"])) == 1
    assert count_members("") == count_members("not JSON") == count_members("[]") == 1


def test_who_cannot_read_its_cluster_does_not_train_alone() -> None:
    assert is_member(tf_config("worker", 1, **LOCAL))
    assert is_member("@/tmp/tfo-1/worker-0-7.tf-config")
    assert not is_member("")
    assert not is_member(tf_config("chief", 0, chief=["127.0.0.1:1"]))


def test_neighbours_are_the_members_on_the_same_machine() -> None:
    assert count_neighbours(tf_config("worker", 1, **LOCAL)) == 3
    assert count_neighbours(tf_config("chief", 0, **REMOTE)) == 1
    assert count_neighbours("") == 1
    assert count_neighbours(tf_config("worker", 7, **LOCAL)) == 1


def test_cores_are_shared_among_neighbours() -> None:
    assert [choose_threads(cores, 3) for cores in (1, 2, 3, 8)] == [1, 1, 1, 2]
    assert choose_threads(8, 1) == 8


def test_the_evaluator_takes_the_oldest_checkpoint_it_has_not_judged() -> None:
    assert find_next([10, 20, 30], judged=-1) == 10
    assert find_next([10, 20, 30], judged=20) == 30
    assert find_next([10, 20, 30], judged=30) is None
    assert find_next([], judged=-1) is None
