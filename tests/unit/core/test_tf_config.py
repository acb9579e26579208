"""TF_CONFIG: the same cluster for everybody, dense indexes, the evaluator by itself."""

import json
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.api.status import Attempt, Member, Side
from orchestrator.api.types import ReplicaSpecs, Role, Strategy
from orchestrator.core import tf_config
from orchestrator.core.wanted import Orders
from orchestrator.protocol.messages import Run
from orchestrator.protocol.tf_config import join
from tests.simulation.jobs import gang, make_job, servers
from tests.unit.core.build import NOW, World, attempt, member

JOB = make_job()
PS_JOB = make_job(servers(2, 1, evaluator=True), strategy=Strategy.PARAMETER_SERVER)


def rendered(members: tuple[Member, ...], me: Member) -> str:
    """As a program without an agent gets it."""
    return Orders(JOB.spec, members).whole_env(me)["TF_CONFIG"]


def test_chief_and_workers_exactly() -> None:
    members = (member("chief-0", "a:1"), member("worker-0", "b:2"), member("worker-1", "c:3"))
    assert rendered(members, members[2]) == (
        '{"cluster":{"chief":["a:1"],"worker":["b:2","c:3"]},"task":{"index":1,"type":"worker"}}'
    )


def test_a_missing_worker_leaves_no_hole() -> None:
    members = (member("chief-0", "a:1"), member("worker-0", "b:2"), member("worker-2", "c:3"))
    assert json.loads(rendered(members, members[2]))["task"] == {"type": "worker", "index": 1}


def test_the_evaluator_is_alone_in_its_cluster() -> None:
    members = (member("chief-0", "a:1"), member("worker-0", "b:2"))
    assert json.loads(rendered(members, member("evaluator-0", "e:9"))) == {
        "cluster": {"evaluator": ["e:9"]},
        "task": {"type": "evaluator", "index": 0},
    }


@pytest.mark.parametrize(
    ("specs", "strategy", "expected"),
    [
        (gang(2), Strategy.MULTI_WORKER_MIRRORED, True),
        (gang(0), Strategy.MULTI_WORKER_MIRRORED, False),
        (gang(1, chief=False), Strategy.MULTI_WORKER_MIRRORED, False),
        (gang(1, chief=False, evaluator=True), Strategy.MULTI_WORKER_MIRRORED, True),
        (gang(1, chief=False), Strategy.PARAMETER_SERVER, True),
        (gang(5), Strategy.INDEPENDENT, False),
    ],
)
def test_needed_follows_from_the_spec_alone(specs: ReplicaSpecs, strategy: Strategy, expected: bool) -> None:
    assert tf_config.is_needed(make_job(specs, strategy=strategy).spec) is expected


def test_every_program_of_a_parameter_server_job_gets_one_cluster() -> None:
    world = World(PS_JOB)
    seen: dict[str, dict[str, Any]] = {}
    for _ in range(5):
        decision = world.step()
        for one in decision.wanted:
            if isinstance(one.order, Run):
                text = join(one.order.cluster, one.order.task_type, one.order.task_index)
                seen[world._name(one.uid)] = json.loads(text)
        world.carry_out(decision)
    assert set(seen) == {"chief-0", "worker-0", "worker-1", "ps-0", "evaluator-0"}
    own = seen.pop("evaluator-0")["cluster"]
    assert list(own) == ["evaluator"]
    clusters = [one["cluster"] for one in seen.values()]
    assert all(one == clusters[0] for one in clusters)
    assert own["evaluator"][0] not in str(clusters[0])


@pytest.mark.parametrize("workers_now", [1, 2, 3])
def test_bad_history_14_the_record_holds_whatever_the_spec_says_by_now(workers_now: int) -> None:
    """The orders of the gang, and those of a worker of ParameterServer, which starts again much later."""
    recorded = attempt("chief-0", "worker-0", "worker-1")
    orders = Orders(make_job(gang(workers_now)).spec, recorded.members)
    runs = [orders.run_member(recorded, one) for one in recorded.members]
    assert [one.env["TFO_WORLD_SIZE"] for one in runs] == ["3", "3", "3"]
    assert {one.cluster for one in runs} == {tf_config.cluster(recorded.members)}
    served = attempt("chief-0", "worker-0", "worker-1", "ps-0")
    job = make_job(servers(workers_now, 1), strategy=Strategy.PARAMETER_SERVER)
    side = Side(role=Role.WORKER, index=1, uid="worker-1", run=4, attempt=1)
    assert Orders(job.spec, served.members).run_side(side).cluster == tf_config.cluster(served.members)


@st.composite
def memberships(draw: st.DrawFn) -> tuple[Member, ...]:
    """Any members with any holes, in the order of rank."""
    sizes = {Role.CHIEF: 1, Role.WORKER: 6, Role.PS: 4, Role.EVALUATOR: 1}
    seats = [(role, index) for role in Role for index in range(sizes[role])]
    chosen = draw(st.lists(st.sampled_from(seats), min_size=1, unique=True))
    return tuple(Member(*seat, uid="", address=f"{seat[0]}-{seat[1]}:1") for seat in seats if seat in chosen)


@given(memberships())
def test_an_agent_makes_what_a_pod_without_one_gets_to_the_byte(members: tuple[Member, ...]) -> None:
    orders, attempt = Orders(JOB.spec, members), Attempt(number=3, members=members, start_time=NOW)
    for me in members:
        run = orders.run_member(attempt, me)
        text = join(run.cluster, run.task_type, run.task_index)
        assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
        assert orders.whole_env(me) == {
            "TF_CONFIG": text,
            **{name: run.env[name] for name in ("TFO_RANK", "TFO_WORLD_SIZE")},
        }


@given(memberships())
def test_any_membership_makes_one_whole_cluster(members: tuple[Member, ...]) -> None:
    configs = [json.loads(rendered(members, one)) for one in members]
    trainers = [(me, one) for me, one in zip(members, configs, strict=True) if me.role is not Role.EVALUATOR]
    tasks = [(one["task"]["type"], one["task"]["index"]) for one in configs]
    assert len(set(tasks)) == len(tasks)
    for (me, config), (_, other) in product(trainers, trainers):
        assert config["cluster"] == other["cluster"]
        assert "evaluator" not in config["cluster"]
        assert config["cluster"][me.role.value][config["task"]["index"]] == me.address
    assert sum(len(one) for _, config in trainers[:1] for one in config["cluster"].values()) == len(trainers)
