"""Users' own programs in real pods: unchanged, with and without an agent, with parameter servers, and out of memory."""

import json
from pathlib import Path

import pytest

from tests.cluster.fixtures import wait_for
from tests.fixtures.jobs_in_pods import Job, World
from tests.fixtures.restricted_pods import template

pytestmark = pytest.mark.e2e
PROGRAMS = Path(__file__).parents[1] / "integration" / "programs_train"
EATER = """\
import time
held = []
while True:
    held.append(bytearray(b"x" * (8 << 20)))
    time.sleep(0.05)
"""
MEMORY = "96Mi"


def results(job: Job) -> list[dict[str, object]]:
    """The line of JSON that each member has printed."""
    lines = [job.world.kubectl("logs", name, "--container=tensorflow").splitlines() for name in job.pods()]
    return [json.loads(next(line for line in reversed(log) if line.startswith("{"))) for log in lines]


def run_three(world: World, program: str, agent: str) -> Job:
    """An image, a command and nothing else, as it was written for TFJob."""
    world.keep_program(program, (PROGRAMS / f"{program.replace('-', '_')}.py").read_text())
    spec = {
        "template": template(program),
        "recovery": {"agent": agent},
        "replicaSpecs": {"chief": {}, "worker": {"replicas": 2}},
        "successPolicy": "AllWorkers",
    }
    job = world.create(f"{program}-{agent.lower()}", spec)
    job.until_over()
    return job


@pytest.mark.parametrize("agent", ["Enabled", "Disabled"])
def test_program_written_for_tfjob_trains_together(world: World, agent: str) -> None:
    job = run_three(world, "custom-loop", agent)
    found = results(job)
    assert len(found) == 3
    assert [one["weights"] for one in found] == [found[0]["weights"]] * 3, "the members have one model"
    assert all(float(str(one["last"])) < float(str(one["first"])) for one in found)
    job.delete()


def test_unchanged_fit_script_trains_together_and_is_reported(world: World) -> None:
    """Keras 3 by itself cannot even start this one on several members."""
    job = run_three(world, "plain-fit", "Enabled")
    found = results(job)
    assert [one["trainable"] for one in found] == [found[0]["trainable"]] * 3, "the members have one model"
    assert job.status()["progress"]["step"] == 30, "without one line about us"
    job.delete()


def test_parameter_servers_train_and_are_ended_when_the_chief_is_done(world: World) -> None:
    job = world.create(
        "served",
        {
            "strategy": "ParameterServer",
            "workload": {"name": "mlp", "args": {"epochs": 3}},
            "replicaSpecs": {"chief": {}, "worker": {"replicas": 2}, "ps": {"replicas": 1}},
        },
    )
    job.until_over()
    wanted = {"chief": 1, "worker": 2, "ps": 1}
    job.until(lambda: job.succeeded() == wanted, "all are counted as succeeded")
    job.delete()


@pytest.mark.parametrize("agent", ["Enabled", "Disabled"])
def test_program_that_runs_out_of_memory_is_named_so(world: World, agent: str) -> None:
    """With an agent the kernel takes the program alone; without one the whole container is OOMKilled."""
    job = eat(world, f"eats-{agent.lower()}", agent)
    failure = job.until_over("Failed")["failure"]
    assert (failure["cause"], failure["member"]) == ("OutOfMemory", "chief-0")
    job.delete()


def test_whole_container_out_of_memory_is_named_so_with_an_agent_too(world: World) -> None:
    """As with cgroup version 2, where no process of the container survives: here the kernel is told to take pid 1."""
    job = eat(world, "eats-all", "Enabled")
    job.until(lambda: job.has_agent("eats-all-chief-0"), "the agent runs")
    job.offer_agent("eats-all-chief-0")
    failure = job.until_over("Failed")["failure"]
    assert (failure["cause"], failure["member"]) == ("OutOfMemory", "chief-0")
    wait_for(lambda: "OOMKilled" in json.dumps(job.pods()), "the kubelet says so, too")
    job.delete()


def eat(world: World, name: str, agent: str) -> Job:
    world.keep_program("eater", EATER)
    return world.create(
        name,
        {
            "template": template("eater", memory=MEMORY),
            "recovery": {"agent": agent},
            "replicaSpecs": {"chief": {}},
            "runPolicy": {"backoffLimit": 0},
        },
    )
