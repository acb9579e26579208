"""Sharing GPUs out: whole gang or nobody, evenly where nothing is asked for."""

import msgspec
import pytest

from orchestrator.api.types import TensorFlowJob
from orchestrator.backends.local import gpus
from orchestrator.core import plan


def shares(
    replica_specs: dict[str, object], devices: tuple[str, ...], strategy: str = "MultiWorkerMirrored"
) -> gpus.Shares:
    job = msgspec.convert(
        {
            "metadata": {"name": "a", "uid": "u"},
            "spec": {"workload": {"name": "cnn"}, "strategy": strategy, "replicaSpecs": replica_specs},
        },
        TensorFlowJob,
    )
    made = plan.plan(job, plan.Folders(), report_seconds=1.0)
    return gpus.share(job.spec, made.replicas, devices)


def values(found: gpus.Shares, *replicas: str) -> list[str | None]:
    return [found.env(f"a-{one}").get(gpus.VARIABLE) for one in replicas]


def test_without_gpus_nothing_is_set() -> None:
    assert values(shares({"chief": {}, "worker": {}}, ()), "chief-0", "worker-0") == [None, None]


def test_gpus_that_are_not_there_are_mentioned() -> None:
    assert "none" in shares({"chief": {"gpus": 2}}, ()).note


def test_a_single_replica_sees_all() -> None:
    assert values(shares({"chief": {}}, ("0", "1", "2")), "chief-0") == ["0,1,2"]


def test_a_single_replica_sees_as_many_as_it_asks_for() -> None:
    assert values(shares({"chief": {"gpus": 1}}, ("0", "1")), "chief-0") == ["0"]


def test_enough_for_everybody_are_shared_out_evenly() -> None:
    found = shares({"chief": {}, "worker": {"replicas": 2}}, ("0", "1", "2", "3", "4", "5", "6"))
    assert values(found, "chief-0", "worker-0", "worker-1") == ["0,1", "2,3", "4,5"]


@pytest.mark.parametrize(
    "specs", [{"chief": {}, "worker": {"replicas": 2}}, {"chief": {"gpus": 1}, "worker": {"gpus": 2}}]
)
def test_too_few_means_nobody_gets_one(specs: dict[str, object]) -> None:
    found = shares(specs, ("0", "1"))
    assert set(values(found, "chief-0", "worker-0")) == {""}
    assert "all run on the CPU" in found.note


def test_with_parameter_servers_the_workers_share_and_others_get_what_they_ask_for() -> None:
    specs: dict[str, object] = {"chief": {}, "worker": {"replicas": 2}, "ps": {"replicas": 3}}
    found = shares(specs, ("0", "1", "2", "3"), "ParameterServer")
    assert values(found, "worker-0", "worker-1", "chief-0", "ps-2") == ["0,1", "2,3", "", ""]
    found = shares(specs | {"chief": {"gpus": 1}, "worker": {"gpus": 2}}, ("0", "1", "2"), "ParameterServer")
    assert values(found, "chief-0", "worker-0", "ps-0") == ["2", "0,1", ""]


def test_the_evaluator_gets_what_is_left_over() -> None:
    found = shares({"chief": {"gpus": 1}, "evaluator": {"gpus": 1}}, ("4", "7"))
    assert values(found, "chief-0", "evaluator-0") == ["4", "7"]


def test_the_evaluator_goes_without_when_nothing_is_left() -> None:
    found = shares({"chief": {"gpus": 1}, "evaluator": {"gpus": 1}}, ("4",))
    assert values(found, "chief-0", "evaluator-0") == ["4", ""]


@pytest.mark.parametrize(
    ("value", "expected"), [("", ()), ("-1", ()), ("2, 3", ("2", "3")), ("GPU-ab", ("GPU-ab",))]
)
def test_visible_devices_are_those_of_the_variable(value: str, expected: tuple[str, ...]) -> None:
    assert gpus.visible({gpus.VARIABLE: value}) == expected
