"""Who ended an attempt without agents: pods tell their ends, nodes do not say that they are gone."""

from orchestrator.api.status import Cause, JobStatus
from orchestrator.core import cause
from orchestrator.core.cause import Fate, Verdict
from orchestrator.core.observed import Disruption, Replica, ReplicaPhase
from orchestrator.core.turn import Turn
from tests.simulation.jobs import WITHOUT_AGENTS, make_job
from tests.unit.core.build import NOW, attempt, later, member, observed, replica

JOB = make_job(recovery=WITHOUT_AGENTS)
NAMES = ("chief-0", "worker-0", "worker-1")


def ended(name: str, code: int = 1, after: float = 0.0, /, **changes: object) -> Replica:
    facts = {"phase": ReplicaPhase.FAILED, "exit_code": code, "since": later(after), **changes}
    return replica(name, **facts)


def turn_of(*pods: Replica, seconds: float = 1.0, broken: float | None = 0.0) -> Turn:
    """`broken`: when the first loss was seen; members without a pod are gone."""
    since = None if broken is None else later(broken)
    status = JobStatus(attempt=attempt(*NAMES, broken_since=since))
    return Turn(observed(JOB, status=status, replicas=pods), later(seconds))


def judge(turn: Turn) -> Verdict:
    opened = turn.attempt
    assert opened is not None
    return cause.verdict(turn, opened, cause.fates(turn, opened.members, 1))


def named(found: Verdict) -> tuple[Cause, str]:
    assert found.end is not None, found
    return found.end.cause, found.end.member.name


def fate(turn: Turn, name: str = "worker-1") -> Fate:
    return cause.fate_of(turn, member(name), 1).fate


def test_an_end_is_provisional_while_pods_of_the_gang_may_yet_end() -> None:
    pods = (ended("chief-0", 137), replica("worker-0", deleting=True))
    assert judge(turn_of(*pods, seconds=20)) == Verdict(is_broken=True, look_again=100)
    assert named(judge(turn_of(*pods, seconds=120))) == (Cause.PROGRAM_SIGNAL, "chief-0")
    assert named(judge(turn_of(ended("chief-0", 137), seconds=1))) == (Cause.PROGRAM_SIGNAL, "chief-0")


def test_a_pod_that_does_not_exist_yet_is_not_waited_for() -> None:
    turn = turn_of(ended("chief-0", 137))
    members = (member("chief-0"), member("worker-0", uid=""), member("worker-1", uid=""))
    found = cause.verdict(turn, attempt(*NAMES, broken_since=NOW), cause.fates(turn, members, 1))
    assert named(found) == (Cause.PROGRAM_SIGNAL, "chief-0")


def test_a_node_that_is_announced_as_lost_explains_what_its_peers_did() -> None:
    lost = replica("worker-1", disruption=Disruption.NODE_LOST, deleting=True)
    assert named(judge(turn_of(ended("chief-0"), ended("worker-0"), lost))) == (Cause.NODE_LOST, "worker-1")


def test_a_pod_that_is_gone_before_we_deleted_any_is_the_cause_at_once() -> None:
    pods = (replica("chief-0"), replica("worker-0"))
    assert fate(turn_of(*pods, broken=None)) is Fate.ENDED
    assert named(judge(turn_of(*pods, broken=None))) == (Cause.POD_LOST, "worker-1")


def test_what_ends_by_our_deletion_is_no_cause() -> None:
    for pods in (
        (),
        (ended("worker-1", 137, 0.2, deleting=True),),
        (ended("worker-1", since=None, deleting=True),),
    ):
        assert fate(turn_of(*pods)) is Fate.TOLD


def test_what_ended_by_itself_or_by_others_is_not_taken_for_our_deletion() -> None:
    for pod in (
        ended("worker-1", 3, 0.2),
        ended("worker-1", 3, -0.1, deleting=True),
        ended("worker-1", 137, 0.2, deleting=True, foreign_deletion=True),
    ):
        assert fate(turn_of(pod)) is Fate.ENDED
    assert fate(turn_of(ended("worker-1", 0, 0.2, deleting=True))) is Fate.SUCCEEDED
