"""How large a cluster may be: as large as a job where a file can be read, else as a variable; and what a turn costs."""

import json
from collections.abc import Callable, Sequence

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Condition, ConditionType, Member, Phase
from orchestrator.api.types import MAX_REPLICAS, Instrument, JsonObject, Role, Strategy, TensorFlowJob, Toggle
from orchestrator.core import capacity, membership, names, tf_config
from orchestrator.core.actions import Reason
from orchestrator.protocol.codec import encode
from orchestrator.protocol.fields import MAX_ENVIRONMENT_VALUE
from orchestrator.protocol.messages import MAX_CLUSTER, Order, Run, Wanted
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job, servers
from tests.unit.core.build import World

OFF = Instrument(metrics=Toggle.OFF, checkpoint=Toggle.OFF, keras_fix=Toggle.OFF)
MOST = 676
"""Workers whose TF_CONFIG still is no longer than a variable, under the longest names."""


def named(job: TensorFlowJob, instrument: Instrument | None = None) -> TensorFlowJob:
    """Under names as long as they may be."""
    metadata = replace(job.metadata, name="j" * 50, namespace="n" * 63)
    return replace(job, metadata=metadata, spec=replace(job.spec, instrument=instrument or Instrument()))


def bare(workers: int) -> World:
    return World(named(make_job(gang(workers), recovery=WITHOUT_AGENTS)))


def resized(world: World, workers: int) -> None:
    world.job = replace(world.job, spec=replace(world.job.spec, replica_specs=gang(workers)))


def filled(job: TensorFlowJob) -> World:
    """Every replica is there, its agent connected and idle."""
    world = World(job)
    world.services = (names.service(job.metadata.name),)
    for seat in membership.seats(job.spec):
        world.create(names.member(*seat))
    return world


def told(world: World) -> Condition | None:
    return next((one for one in world.status.conditions if one.type is ConditionType.WAITING), None)


Count = Callable[[], int]


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> Count:
    """How often a cluster has been rendered since the last time."""
    made: list[str] = []
    cluster = tf_config.cluster

    def render(members: Sequence[Member]) -> str:
        made.append(cluster(members))
        return made[-1]

    def count() -> int:
        found = len(made)
        made.clear()
        return found

    monkeypatch.setattr(tf_config, "cluster", render)
    return count


def run(order: Order | None) -> Run:
    assert isinstance(order, Run)
    return order


# --- with agents


def test_of_the_largest_job_one_text_is_rendered_a_turn_and_shared(rendered: Count) -> None:
    world = filled(named(make_job(gang(MAX_REPLICAS - 1))))
    for _ in range(2):
        orders = {one.uid: run(one.order) for one in world.step().wanted}
        assert rendered() == 1
        assert len(orders) == MAX_REPLICAS
        first = orders["chief-0.1"]
        assert all(one.cluster is first.cluster for one in orders.values())
        last = orders[f"worker-{MAX_REPLICAS - 2}.1"]
        assert (last.task_type, last.task_index) == ("worker", MAX_REPLICAS - 2)
        assert (last.env["TFO_RANK"], last.env["TFO_WORLD_SIZE"]) == (str(MAX_REPLICAS - 1), "3000")
        assert len(json.loads(first.cluster)["worker"]) == MAX_REPLICAS - 1


def test_replicas_outside_the_gang_share_another(rendered: Count) -> None:
    world = filled(make_job(servers(200, 8), strategy=Strategy.PARAMETER_SERVER))
    world.step()
    rendered()
    orders = [run(one.order) for one in world.step().wanted]
    assert (len(orders), rendered()) == (209, 2)
    assert len({id(one.cluster) for one in orders}) == 2
    assert len({one.cluster for one in orders}) == 1


def test_the_largest_order_can_be_sent() -> None:
    """The highest port, and names as long as they may be."""
    ports = [{"name": "tfjob-port", "containerPort": 65_000}]
    job = named(make_job(gang(MAX_REPLICAS, chief=False)))
    template: JsonObject = {"spec": {"containers": [{"ports": ports}]}}
    world = filled(replace(job, spec=replace(job.spec, template=template)))
    order = run(world.step().wanted[-1].order)
    assert 0.9 * MAX_CLUSTER < len(order.cluster) <= MAX_CLUSTER
    encode(Wanted(job_uid="u" * 64, term=1, order=order))


# --- without an agent, or without a hook that would read the file


def test_what_a_variable_can_hold_opens_and_one_more_is_refused_before_anything_is_got() -> None:
    world = bare(MOST)
    world.carry_out(world.step())
    world.step()
    members = world.opened().members
    assert MAX_ENVIRONMENT_VALUE - 200 < tf_config.longest(members) <= MAX_ENVIRONMENT_VALUE
    world = bare(MOST + 1)
    decision = world.step()
    assert (world.phase(), world.status.reason) == (Phase.FAILED, Reason.TOO_LARGE)
    assert decision.actions == ()
    assert world.status.message == (
        "TF_CONFIG of 678 replicas would have 130,134 bytes, and a variable can have 130,048; it would go through a "
        "file with recovery.agent: Enabled; fewer replicas, a shorter job name or a shorter namespace would do, too"
    )


def test_what_always_fits_is_not_rendered_only_to_be_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(names.host(named(make_job(gang(1))), Role.WORKER, MAX_REPLICAS)) <= 253
    assert capacity.ALWAYS_FIT <= MOST
    monkeypatch.delattr(tf_config, "longest")
    world = bare(capacity.ALWAYS_FIT - 1)
    world.step()
    assert world.phase() is Phase.CREATED
    with pytest.raises(AttributeError, match="longest"):
        bare(capacity.ALWAYS_FIT + 1).step()


def test_who_has_no_hook_has_nobody_to_read_a_file() -> None:
    world = World(named(make_job(gang(MOST + 1)), OFF))
    world.step()
    assert "with something of instrument set to Auto;" in world.status.message
    world = World(named(make_job(gang(MOST + 1), recovery=WITHOUT_AGENTS), OFF))
    world.step()
    assert "with recovery.agent: Enabled and something of instrument set to Auto;" in world.status.message
    world = World(named(make_job(gang(MOST + 1)), replace(OFF, keras_fix=Toggle.AUTO)))
    world.step()
    assert world.phase() is Phase.CREATED


def test_alone_there_is_nothing_to_be_told() -> None:
    specs = gang(MAX_REPLICAS, chief=False)
    world = World(named(make_job(specs, strategy=Strategy.INDEPENDENT, recovery=WITHOUT_AGENTS)))
    world.step()
    assert world.phase() is Phase.CREATED


def test_the_longest_is_not_that_of_the_last() -> None:
    """Those of parameter servers are shorter than those of workers."""
    world = filled(make_job(servers(20, 3), strategy=Strategy.PARAMETER_SERVER))
    world.step()
    sizes = {one.name: len(rendered_for(world, one.name)) for one in world.opened().members}
    assert (
        sizes["ps-2"] < sizes["worker-19"] == max(sizes.values()) == tf_config.longest(world.opened().members)
    )


def rendered_for(world: World, name: str) -> str:
    attempt = world.opened()
    me = next(one for one in attempt.members if one.name == name)
    return world.turn().orders.whole_env(me)["TF_CONFIG"]


# --- resizes


def test_a_running_job_is_not_resized_to_what_would_be_refused_and_says_so_once() -> None:
    world = bare(3).running()
    resized(world, MOST + 1)
    for _ in range(3):
        decision = world.step(60)
        assert decision.actions == ()
    found = told(world)
    assert found is not None
    assert found.message.startswith("the job stays as it is: TF_CONFIG of 678 replicas")
    assert (found.status, found.reason) == (True, "ClusterTooLarge")
    assert world.reasons().count(Reason.TOO_LARGE) == 1
    assert (world.phase(), world.opened().number, world.opened().stopping) == (Phase.RUNNING, 1, None)
    resized(world, 2)
    world.go()
    found = told(world)
    assert found is not None
    assert (found.status, found.message) == (False, "every program can be told of so many replicas")
    assert (world.opened().number, len(world.opened().members)) == (2, 3)


def test_nobody_is_got_for_it_either() -> None:
    world = World(named(make_job(gang(3)), OFF)).running()
    resized(world, MOST + 1)
    assert world.step().actions == ()
    assert len(world.opened().members) == 4


def test_a_job_that_ran_before_waits_for_a_size_that_it_can_have() -> None:
    world = bare(3).running()
    resized(world, MOST + 1)
    world.exit("worker-1")
    world.step()
    world.go(1)
    assert (world.phase(), world.is_open()) == (Phase.RESTARTING, False)
    assert world.reasons().count(Reason.TOO_LARGE) == 1
    resized(world, 2)
    world.go(60)
    assert (world.phase(), len(world.opened().members)) == (Phase.RUNNING, 3)
