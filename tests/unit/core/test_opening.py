"""Between attempts: the service, the replicas, the barrier, the record."""

import pytest
from msgspec.structs import replace

from orchestrator.api.status import Cause, CheckpointStatus, JobStatus, Phase
from orchestrator.api.types import Recovery, Strategy
from orchestrator.core import opening
from orchestrator.core.actions import CreateReplica, CreateService, DeleteReplica, Reason
from orchestrator.core.observed import Disruption, ReplicaPhase
from orchestrator.protocol.messages import ProgramState, Run, Stop
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job, servers
from tests.unit.core.build import NOW, World, ended, turn


def ready(job_workers: int = 2, least: int | None = None, recovery: Recovery | None = None) -> World:
    """Everybody is there; nothing has been decided yet."""
    world = World(make_job(gang(job_workers, least=least), recovery=recovery))
    world.services = ("job-tfo",)
    for name in ("chief-0", *(f"worker-{index}" for index in range(job_workers))):
        world.create(name)
    return world


def created(world: World) -> list[str]:
    found = (one for one in world.step().actions if isinstance(one, CreateReplica))
    return [f"{one.role}-{one.index}" for one in found]


def deleted(world: World, seconds: float = 0) -> list[str]:
    return [one.uid for one in world.step(seconds).actions if isinstance(one, DeleteReplica)]


def test_the_service_comes_before_every_pod() -> None:
    world = World()
    assert world.step().actions == (CreateService(name="job-tfo"),)
    world.services = ("job-tfo",)
    assert created(world) == ["chief-0", "worker-0", "worker-1"]


def test_only_missing_replicas_are_created() -> None:
    world = ready()
    world.lose("worker-0")
    assert created(world) == ["worker-0"]


def test_an_attempt_opens_when_everybody_is_connected_and_at_rest() -> None:
    world = ready()
    world.tell("worker-1", connected=False)
    assert world.step().wanted
    assert not world.is_open()
    world.tell("worker-1", connected=True, state=ProgramState.RUNNING)
    decision = world.step()
    assert not world.is_open()
    assert world.order(decision, "worker-1") == Stop(0, 0.0)
    world.tell("worker-1", state=ProgramState.EXITED)
    decision = world.step()
    assert [one.uid for one in world.opened().members] == ["chief-0.1", "worker-0.1", "worker-1.1"]
    assert all(isinstance(one.order, Run) and one.order.attempt == 1 for one in decision.wanted)
    assert world.reasons() == [Reason.CREATED, Reason.STARTING]
    assert world.events[-1].message == "attempt 1 starts with 3 replicas"


@pytest.mark.parametrize(
    "facts",
    [{"deleting": True}, {"foreign_deletion": True}, {"disruption": Disruption.EVICTED}],
)
def test_a_replica_that_has_to_go_is_no_member(facts: dict[str, object]) -> None:
    world = ready()
    world.set("worker-1", **facts)
    world.step()
    assert not world.is_open()


def test_a_dead_replica_is_deleted_once() -> None:
    world = ready()
    world.set("worker-1", phase=ReplicaPhase.FAILED, attempt=0)
    assert deleted(world) == ["worker-1.1"]
    world.set("worker-1", deleting=True)
    assert deleted(world) == []


def test_surplus_replicas_are_deleted() -> None:
    world = ready()
    world.create("worker-2")
    world.create("evaluator-0")
    world.tell("worker-0", connected=False)
    assert deleted(world) == ["worker-2.1"]


def test_an_unreachable_member_is_replaced_after_two_minutes() -> None:
    world = ready()
    world.cut("worker-1")
    world.step()
    assert deleted(world, 119) == []
    assert deleted(world, 1) == ["worker-1.1"]


def test_a_replica_gets_its_own_two_minutes_and_a_pending_one_all_the_time() -> None:
    world = ready()
    world.step()
    world.status = JobStatus(start_time=NOW, phase=Phase.CREATED)
    world.now = NOW
    world.set("worker-1", phase=ReplicaPhase.PENDING)
    assert deleted(world, 500) == []
    world.cut("worker-1")
    world.set("worker-1", phase=ReplicaPhase.RUNNING, since=world.now)
    assert deleted(world, 119) == []


def test_nobody_is_replaced_by_a_leader_that_has_just_begun() -> None:
    world = ready()
    world.cut("worker-1")
    world.step()
    world.others["leader_since"] = world.now
    world.status = replace(world.status, start_time=NOW)
    world.others["leader_since"] = turn(seconds=100).now
    assert deleted(world, 150) == []
    assert deleted(world, 10) == ["worker-1.1"]


def test_missing_workers_are_left_out_after_a_while() -> None:
    world = ready(3, least=2)
    world.lose("worker-0")
    world.step()
    world.step(59)
    assert not world.is_open()
    world.step(1)
    assert [one.name for one in world.opened().members] == ["chief-0", "worker-1", "worker-2"]
    assert world.opened().workers == 3


@pytest.mark.parametrize(
    ("lost", "least"), [(("chief-0",), 1), (("worker-0", "worker-1"), 1), (("worker-0",), None)]
)
def test_nobody_else_is_left_out(lost: tuple[str, ...], least: int | None) -> None:
    world = ready(2, least=least)
    for name in lost:
        world.lose(name)
    world.step()
    world.step(100)
    assert not world.is_open()


def test_a_new_leader_leaves_nobody_out() -> None:
    world = ready(2, least=1)
    world.cut("worker-1")
    world.step()
    world.others["leader_since"] = turn(seconds=60).now
    world.step(110)
    assert not world.is_open()


def test_a_job_without_workers_has_none_to_leave_out() -> None:
    world = World(make_job(gang(0)))
    world.services = ("job-tfo",)
    world.step()
    world.step(100)
    assert not world.is_open()


def test_the_newest_checkpoint_is_restored_and_said() -> None:
    world = ready()
    world.tell("worker-1", checkpoint_step=40)
    decision = world.step()
    assert world.opened().restore_step == 40
    assert world.events[-1].message.endswith("from step 40")
    order = world.order(decision, "chief-0")
    assert isinstance(order, Run)
    assert order.env["TFO_RESTORE_STEP"] == "40"


def test_one_replica_is_said_in_the_singular() -> None:
    world = World(make_job(gang(0)))
    world.go()
    assert any(one.message == "attempt 1 starts with 1 replica" for one in world.events)


def test_a_checkpoint_that_agents_do_not_see_yet_is_waited_for() -> None:
    world = ready()
    world.status = JobStatus(start_time=NOW, checkpoint=CheckpointStatus(80, NOW))
    world.tell("chief-0", checkpoint_step=40)
    world.step(9)
    assert not world.is_open()
    world.step(1)
    assert world.opened().restore_step == 40


def test_no_checkpoint_seen_where_one_is_known_is_waited_for_too() -> None:
    world = ready()
    world.status = JobStatus(start_time=NOW, checkpoint=CheckpointStatus(80, NOW))
    world.step(9)
    assert not world.is_open()


def test_the_back_off_is_waited_for_and_looked_at() -> None:
    world = ready()
    world.status = JobStatus(start_time=NOW, attempts=(ended(), ended(number=2), ended(number=3)))
    assert world.step(0.5).requeue_after == 1.0
    assert world.step(1).requeue_after == pytest.approx(0.5)
    world.step(0.5)
    assert world.opened().number == 4


def test_what_was_really_lost_is_known_at_the_next_start() -> None:
    world = ready()
    world.status = JobStatus(start_time=NOW, attempts=(ended(step=100, steps_lost=0),))
    world.tell("chief-0", checkpoint_step=70)
    world.step()
    assert (world.status.attempts[-1].steps_lost, world.status.steps_lost) == (30, 30)


def test_reserved_ports_beat_names() -> None:
    world = ready()
    world.others["ports"] = {"chief-0": 4000}
    world.step()
    assert [one.address for one in world.opened().members] == [
        "127.0.0.1:4000",
        "job-worker-0.job-tfo.default.svc:2223",
        "job-worker-1.job-tfo.default.svc:2223",
    ]


def test_workers_of_parameter_servers_are_cleared_under_their_own_number() -> None:
    world = World(make_job(servers(1, 1), strategy=Strategy.PARAMETER_SERVER)).running()
    world.exit("ps-0", None, signal=9)
    world.step()
    assert not world.is_open()
    world.obedient = False
    decision = world.step()
    assert world.order(decision, "worker-0") == Stop(1, 0.0)
    world.status = replace(world.status, sides=())
    assert world.order(world.step(), "worker-0") == Stop(0, 0.0)


# --- replicas that end before they are ready


def dies(world: World, name: str, code: int = 1) -> None:
    """Its agent has ended at its start."""
    world.set(
        name, phase=ReplicaPhase.FAILED, exit_code=code, last_lines=("no such module",), since=world.now
    )
    world.tell(name, connected=False)


def test_an_agent_that_dies_at_its_start_counts() -> None:
    world = ready()
    dies(world, "worker-1")
    world.step()
    assert world.causes() == [(Cause.AGENT_LOST, "worker-1")]
    found = world.status.attempts[0]
    assert (found.number, found.opened, found.last_lines) == (1, False, ("no such module",))
    assert found.message == "worker-1 lost its agent: it ended with code 1 before it was ready"
    lost = next(one for one in world.events if one.reason is Reason.MEMBER_LOST)
    assert (world.status.restarts, lost.last_lines) == (1, ("no such module",))
    world.go()
    assert (world.opened().number, world.status.phase) == (2, Phase.RUNNING)


def test_one_that_dies_again_and_again_waits_longer_and_fails_the_job() -> None:
    world = ready()
    for wait in (0.0, 1.0):
        dies(world, "worker-1")
        world.go()
        if wait:
            assert "worker-1" not in world.pods, "it is held back"
            world.go(wait)
        world.status = replace(world.status, attempt=None)
        world.set("worker-1", attempt=len(world.status.attempts) + 1)
    dies(world, "worker-1")
    world.go()
    assert len(world.status.attempts) == 3
    world.go(2)
    world.status = replace(world.status, attempt=None)
    world.set("worker-1", attempt=4)
    dies(world, "worker-1")
    world.step()
    assert (world.phase(), world.status.reason) == (Phase.FAILED, Reason.BACKOFF_LIMIT)
    assert world.status.failure == world.status.attempts[-1]


def test_nobody_else_is_held_back() -> None:
    """A place that was left empty for other reasons is filled during the back-off."""
    world = ready()
    world.status = JobStatus(start_time=NOW, attempts=(ended(), ended(number=2)))
    world.lose("worker-0")
    assert created(world) == ["worker-0"]


@pytest.mark.parametrize(
    ("facts", "cause", "message"),
    [
        ({"signal": 9, "exit_code": None}, Cause.AGENT_LOST, "by SIGKILL before it was ready"),
        ({"exit_code": 139}, Cause.AGENT_LOST, "by SIGSEGV before it was ready"),
        ({"out_of_memory": True}, Cause.OUT_OF_MEMORY, "ran out of memory"),
        ({"error": "no such image"}, Cause.AGENT_LOST, "lost its agent: no such image"),
    ],
)
def test_how_it_ended_is_said(facts: dict[str, object], cause: Cause, message: str) -> None:
    world = ready()
    dies(world, "worker-1")
    world.set("worker-1", **facts)
    world.step()
    assert world.causes() == [(cause, "worker-1")]
    assert message in world.status.attempts[0].message


@pytest.mark.parametrize(
    "facts",
    [{"attempt": 0}, {"deleting": True}, {"disruption": Disruption.EVICTED}, {"foreign_deletion": True}],
)
def test_ends_for_other_reasons_do_not_count(facts: dict[str, object]) -> None:
    world = ready()
    dies(world, "worker-1")
    world.set("worker-1", **facts)
    world.step()
    assert world.status.attempts == ()


def test_what_was_lost_is_that_of_the_last_attempt_that_was_opened() -> None:
    world = ready()
    came_to_nothing = ended(Cause.AGENT_LOST, number=2, opened=False)
    world.status = JobStatus(start_time=NOW, attempts=(ended(step=100, steps_lost=0), came_to_nothing))
    world.tell("chief-0", checkpoint_step=70)
    world.step(1)
    assert [one.steps_lost for one in world.status.attempts] == [30, 0]
    world = ready()
    world.status = JobStatus(start_time=NOW, attempts=(replace(came_to_nothing, number=1),))
    world.step()
    assert (world.opened().number, world.status.steps_lost) == (2, 0)


# --- somebody else's objects


def test_a_service_that_is_somebody_elses_is_left_alone() -> None:
    world = World(foreign=("job-tfo",))
    decision = world.step()
    assert (decision.actions, decision.requeue_after) == ((), 1.0)


def test_a_replica_that_is_somebody_elses_is_left_alone() -> None:
    world = ready()
    world.lose("worker-0")
    world.others["foreign"] = ("job-worker-0",)
    assert created(world) == []
    assert not world.is_open()


# --- without agents


def test_without_agents_the_record_comes_before_the_pods() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS))
    world.services = ("job-tfo",)
    assert world.step().actions == ()
    assert [one.uid for one in world.opened().members] == ["", "", ""]
    assert world.step().actions == tuple(
        CreateReplica(role=one.role, index=one.index, attempt=1) for one in world.opened().members
    )


def test_without_agents_old_pods_go_first() -> None:
    world = ready(recovery=WITHOUT_AGENTS)
    world.create("evaluator-0")
    world.set("worker-0", deleting=True)
    assert deleted(world) == ["chief-0.1", "worker-1.1"]
    assert not world.is_open()


def test_every_replica_alone_needs_no_barrier() -> None:
    world = World(make_job(gang(2, chief=False), strategy=Strategy.INDEPENDENT))
    world.services = ("job-tfo",)
    world.step()
    assert len(world.opened().members) == 2


def test_the_hash_tells_specs_apart() -> None:
    assert opening.config_hash(turn(make_job(gang(2)))) == opening.config_hash(turn(make_job(gang(2))))
    assert opening.config_hash(turn(make_job(gang(2)))) != opening.config_hash(turn(make_job(gang(3))))


def test_waiting_counts_from_the_last_of_end_start_and_resumption() -> None:
    world = ready(2, least=1)
    world.lose("worker-1")
    lost = ended(Cause.NODE_LOST, end_time=turn(seconds=50).now)
    world.status = JobStatus(start_time=NOW, attempts=(lost,))
    world.step(109)
    assert not world.is_open()
    world.step(1)
    assert world.is_open()
