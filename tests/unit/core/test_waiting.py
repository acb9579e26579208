"""What the barrier waits for is told once, in a condition that time alone does not change."""

from orchestrator.api.status import Condition, ConditionType, Phase
from orchestrator.api.types import RunPolicy
from orchestrator.core.actions import CreateReplica, CreateService, Reason
from orchestrator.core.observed import ReplicaPhase, StopRequest
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job
from tests.unit.core.build import World


def told(world: World) -> Condition | None:
    return next((one for one in world.status.conditions if one.type is ConditionType.WAITING), None)


def waiting(workers: int = 2) -> World:
    """Its agents do not answer yet."""
    world = World(make_job(gang(workers)))
    world.services = ("job-tfo",)
    world.carry_out(world.step())
    world.cut("chief-0", *(f"worker-{index}" for index in range(workers)))
    return world


def test_a_long_wait_names_the_first_three_that_are_missing() -> None:
    world = waiting(workers=4)
    world.step(9)
    assert told(world) is None
    world.step(1)
    found = told(world)
    assert found is not None
    assert (found.status, found.reason) == (True, "WaitingForReplicas")
    assert found.message == "the attempt waits for chief-0, worker-0, worker-1 and others"
    assert world.events[-1].message == found.message


def test_it_is_told_once_and_time_alone_changes_nothing() -> None:
    world = waiting()
    world.step(10)
    first = told(world)
    world.step(60)
    assert told(world) == first
    world.tell("chief-0", connected=True)
    world.step(1)
    found = told(world)
    assert found is not None
    assert first is not None
    assert found.message == "the attempt waits for worker-0, worker-1"
    assert found.last_transition_time == first.last_transition_time
    assert world.reasons().count(Reason.WAITING) == 1


def test_the_open_attempt_waits_for_nobody() -> None:
    world = waiting()
    world.step(10)
    for name in world.agents:
        world.tell(name, connected=True)
    world.step(1)
    found = told(world)
    assert world.is_open()
    assert found is not None
    assert not found.status
    assert found.message == "attempt 1 starts with 3 replicas"


def test_a_job_that_was_stopped_waits_for_nobody() -> None:
    world = waiting()
    world.step(10)
    world.others["stop_request"] = StopRequest.NOW
    world.step(1)
    found = told(world)
    assert world.phase() is Phase.STOPPED
    assert found is not None
    assert not found.status


def test_a_job_that_never_waited_has_no_such_condition() -> None:
    world = World().running()
    assert told(world) is None


def test_without_agents_nobody_can_be_missing() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS, run_policy=RunPolicy(backoff_limit=3))).running()
    world.exit("worker-1")
    world.step()
    for name in ("chief-0", "worker-0"):
        world.lose(name)
    for _ in range(3):
        world.step(20)
    assert not world.is_open()
    assert told(world) is None


def test_a_service_of_somebody_else_is_told_once_and_left_alone() -> None:
    world = World(foreign=("job-tfo",))
    decisions = [world.step(), world.step(60)]
    found = told(world)
    assert found is not None
    assert found.message == "job-tfo belongs to somebody else; the job waits until this name is free"
    assert world.reasons().count(Reason.NAME_CONFLICT) == 1
    assert not any(isinstance(one, CreateService) for each in decisions for one in each.actions)


def test_a_replica_of_somebody_else_is_told_once_and_left_alone() -> None:
    world = World(foreign=("job-worker-1",))
    world.services = ("job-tfo",)
    made = [
        one.index for one in world.step().actions if isinstance(one, CreateReplica) and one.role == "worker"
    ]
    world.step(60)
    assert made == [0]
    assert world.reasons().count(Reason.NAME_CONFLICT) == 1
    world.others["foreign"] = ()
    world.go()
    found = told(world)
    assert world.is_open()
    assert found is not None
    assert not found.status


def test_a_bare_pod_of_somebody_else_is_told_and_looked_at_until_it_is_gone() -> None:
    """The attempt is open already: without agents the record comes before the pods."""
    world = World(make_job(recovery=WITHOUT_AGENTS), foreign=("job-worker-1",))
    world.go()
    first = told(world)
    assert first is not None
    assert first.message.startswith("job-worker-1 belongs to somebody else")
    assert world.step(60).requeue_after == 1.0
    assert told(world) == first
    assert world.reasons().count(Reason.NAME_CONFLICT) == 1
    world.others["foreign"] = ()
    world.go()
    found = told(world)
    assert world.phase() is Phase.RUNNING
    assert found is not None
    assert (found.status, found.message) == (False, "the name is free")


def test_an_evaluator_of_somebody_else_is_told_and_holds_up_nobody() -> None:
    world = World(make_job(gang(1, evaluator=True)), foreign=("job-evaluator-0",)).running()
    found = told(world)
    assert found is not None
    assert (
        found.message == "job-evaluator-0 belongs to somebody else; evaluator-0 waits until this name is free"
    )
    assert world.phase() is Phase.RUNNING
    assert world.step().requeue_after == 10.0


def test_a_taken_name_hides_nobody_who_is_missing() -> None:
    world = waiting()
    world.others["foreign"] = ("job-worker-1",)
    world.lose("worker-1")
    world.step(10)
    found = told(world)
    assert found is not None
    assert found.message == (
        "job-worker-1 belongs to somebody else; worker-1 waits until this name is free; "
        "the attempt waits for chief-0, worker-0"
    )
    assert Reason.WAITING not in world.reasons()


def test_a_name_is_nobodys_matter_while_the_job_is_suspended() -> None:
    world = World(make_job(run_policy=RunPolicy(suspend=True)), foreign=("job-worker-1",))
    world.go()
    assert told(world) is None


def test_what_the_server_refuses_for_now_is_told_in_its_words_and_asked_for_again() -> None:
    world = World(refused="exceeded quota: gpus")
    first = world.step(1)
    found = told(world)
    assert found is not None
    assert (found.reason, found.message) == (
        "CreateRefused",
        "a replica cannot be created for now: exceeded quota: gpus",
    )
    assert first.requeue_after is not None
    assert first.requeue_after <= 1.0
    world.step(60)
    assert world.reasons().count(Reason.REFUSED) == 1
    world.others["refused"] = ""
    world.go()
    found = told(world)
    assert found is not None
    assert not found.status


def test_a_long_wait_says_what_keeps_the_first_from_running() -> None:
    world = waiting()
    world.set("worker-0", phase=ReplicaPhase.PENDING, obstacle="Unschedulable: no node has a GPU left")
    world.step(10)
    found = told(world)
    assert found is not None
    assert (
        found.message
        == "the attempt waits for chief-0, worker-0, worker-1; worker-0: Unschedulable: no node has a GPU left"
    )


def test_a_bare_pod_that_cannot_start_is_told_until_it_can() -> None:
    world = World(make_job(recovery=WITHOUT_AGENTS))
    world.go()
    world.set("worker-1", phase=ReplicaPhase.PENDING, obstacle="the image cannot be pulled")
    world.step(9)
    assert told(world) is None
    world.step(1)
    found = told(world)
    assert found is not None
    assert found.message == "worker-1 cannot start yet; worker-1: the image cannot be pulled"
    world.set("worker-1", phase=ReplicaPhase.RUNNING, obstacle="")
    world.step(1)
    found = told(world)
    assert found is not None
    assert (found.status, found.message) == (False, "every replica could start")
