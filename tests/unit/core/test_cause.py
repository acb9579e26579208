"""Who ended an attempt, and when that is certain."""

from datetime import datetime

import pytest

from orchestrator.api.status import Attempt, Cause
from orchestrator.api.types import Recovery
from orchestrator.core import cause
from orchestrator.core.cause import Fate, MemberFate, Verdict
from orchestrator.core.observed import Agent, Disruption, Observed, Replica, ReplicaPhase
from orchestrator.core.turn import Turn
from orchestrator.protocol.messages import ProgramState
from tests.simulation.jobs import WITHOUT_AGENTS, make_job
from tests.unit.core.build import NOW, agent, attempt, later, member, observed, replica

NAMES = ("chief-0", "worker-0", "worker-1")
BARE = make_job(recovery=WITHOUT_AGENTS)


def runs(name: str, /, **changes: object) -> Agent:
    return agent(name, **{"attempt": 1, "state": ProgramState.RUNNING, **changes})


def exited(name: str, code: int | None = 1, after: float = 0.0, /, **changes: object) -> Agent:
    facts = {"state": ProgramState.EXITED, "exit_code": code, "since": later(after), **changes}
    return runs(name, **facts)


def seen(
    *agents: Agent, replicas: tuple[Replica, ...] = (), gone: str = "", leader_since: datetime | None = None
) -> Observed:
    """Three members that run, apart from those named."""
    said = {one.uid for one in agents}
    pods = {one.uid for one in replicas} | {gone}
    return observed(
        agents=(*agents, *(runs(name) for name in NAMES if name not in said)),
        replicas=(*replicas, *(replica(name) for name in NAMES if name not in pods)),
        leader_since=leader_since,
    )


def judge(what: Observed, seconds: float = 1.0, broken: float | None = 0.0) -> Verdict:
    """So long after NOW; `broken`: when the first loss was seen."""
    since = None if broken is None else later(broken)
    opened: Attempt = attempt(*NAMES, broken_since=since)
    turn = Turn(what, later(seconds))
    return cause.verdict(turn, opened, cause.fates(turn, opened.members, 1))


def named(found: Verdict) -> tuple[Cause, str]:
    assert found.end is not None, found
    return found.end.cause, found.end.member.name


def fate(what: Observed, name: str = "worker-1", seconds: float = 0.0) -> MemberFate:
    return cause.fate_of(Turn(what, later(seconds)), member(name), 1)


# --- the one cause


def test_nothing_is_wrong_with_a_running_attempt() -> None:
    assert judge(seen(), broken=None) == Verdict()


def test_the_first_exit_is_the_cause_and_later_ones_are_consequences() -> None:
    found = judge(seen(exited("worker-1", 3, 0), exited("worker-0", 1, 16)), seconds=16)
    assert named(found) == (Cause.PROGRAM_EXIT, "worker-1")
    assert found.end is not None
    assert found.end.exit_code == 3


def test_a_plain_exit_waits_half_a_second_for_a_weightier_end() -> None:
    found = judge(seen(exited("worker-0")), seconds=0, broken=None)
    assert (found.is_broken, found.end, found.look_again) == (True, None, 0.5)
    assert named(judge(seen(exited("worker-0")), seconds=0.5)) == (Cause.PROGRAM_EXIT, "worker-0")


def test_a_signal_within_half_a_second_beats_an_exit_code() -> None:
    what = seen(exited("worker-0", 1), exited("worker-1", None, 0.5, signal=9))
    assert named(judge(what)) == (Cause.PROGRAM_SIGNAL, "worker-1")


def test_a_signal_after_half_a_second_is_a_consequence() -> None:
    what = seen(exited("worker-0", 1), exited("worker-1", None, 0.6, signal=6))
    assert named(judge(what)) == (Cause.PROGRAM_EXIT, "worker-0")


def test_a_sigkill_alone_needs_no_waiting_but_a_sigterm_does() -> None:
    assert named(judge(seen(exited("worker-1", None, signal=9)), seconds=0)) == (
        Cause.PROGRAM_SIGNAL,
        "worker-1",
    )
    assert judge(seen(exited("worker-1", None, signal=15)), seconds=0).end is None


def test_when_all_have_ended_nothing_is_left_to_wait_for() -> None:
    what = seen(*(exited(name) for name in NAMES))
    assert named(judge(what, seconds=0)) == (Cause.PROGRAM_EXIT, "chief-0")


@pytest.mark.parametrize(
    ("disruption", "expected"),
    [
        (Disruption.EVICTED, Cause.EVICTED),
        (Disruption.PREEMPTED, Cause.PREEMPTED),
        (Disruption.NODE_LOST, Cause.NODE_LOST),
    ],
)
def test_a_disruption_beats_every_signal(disruption: Disruption, expected: Cause) -> None:
    what = seen(
        exited("worker-0", None, signal=9),
        replicas=(replica("worker-1", disruption=disruption, phase=ReplicaPhase.FAILED),),
    )
    assert named(judge(what, seconds=0)) == (expected, "worker-1")


def test_an_announced_disruption_explains_its_peers_exits() -> None:
    what = seen(exited("worker-0"), replicas=(replica("worker-1", foreign_deletion=True),))
    assert named(judge(what, seconds=0)) == (Cause.EVICTED, "worker-1")


@pytest.mark.parametrize(
    ("worker_1", "expected"),
    [
        (runs("worker-1", connected=False, lost_at=later(-10)), (Cause.NODE_LOST, "worker-1")),
        (runs("worker-1", connected=False, lost_at=later(0.5)), (Cause.NODE_LOST, "worker-1")),
        (runs("worker-1", connected=False, lost_at=later(5)), (Cause.PROGRAM_EXIT, "worker-0")),
        (exited("worker-1", None, 0.1, signal=9, asked=True), (Cause.PROGRAM_EXIT, "worker-0")),
        (runs("worker-1"), (Cause.PROGRAM_EXIT, "worker-0")),
    ],
)
def test_a_disruption_that_is_announced_late_counts_if_it_may_have_begun_by_the_first_end(
    worker_1: Agent, expected: tuple[Cause, str]
) -> None:
    what = seen(
        exited("worker-0", 3), worker_1, replicas=(replica("worker-1", disruption=Disruption.NODE_LOST),)
    )
    assert named(judge(what, seconds=60)) == expected


def test_a_disruption_of_a_member_that_a_new_leader_never_heard_counts() -> None:
    away = (runs("chief-0"), exited("worker-0", 3))
    pods = (replica("chief-0"), replica("worker-0"), replica("worker-1", disruption=Disruption.NODE_LOST))
    what = observed(agents=away, replicas=pods, leader_since=later(10))
    assert judge(what, seconds=60).end == cause.End(member("worker-1"), Cause.NODE_LOST, None)


def test_a_stopped_member_explains_its_peers_exits() -> None:
    what = seen(exited("worker-0"), runs("worker-1", stopped=True))
    assert named(judge(what, seconds=0)) == (Cause.HANG, "worker-1")


def test_a_stopped_member_does_not_explain_a_kill() -> None:
    what = seen(exited("worker-0", None, signal=9), runs("worker-1", stopped=True))
    assert named(judge(what)) == (Cause.PROGRAM_SIGNAL, "worker-0")


def test_while_a_members_fate_is_unknown_exits_are_provisional() -> None:
    what = seen(exited("worker-0"), runs("worker-1", connected=False))
    found = judge(what, seconds=20)
    assert found.end is None
    assert found.look_again == 100
    assert named(judge(what, seconds=120)) == (Cause.PROGRAM_EXIT, "worker-0")


def test_a_new_leader_waits_until_agents_have_had_time_to_come_back() -> None:
    what = seen(exited("worker-0"), runs("worker-1", connected=False), leader_since=later(110))
    assert judge(what, seconds=121).look_again == pytest.approx(49)


def test_an_end_that_a_new_leader_hears_of_late_is_the_first_if_it_was() -> None:
    what = seen(exited("worker-0", 1, 0), exited("worker-1", 3, -16), leader_since=later(20))
    assert named(judge(what, seconds=21)) == (Cause.PROGRAM_EXIT, "worker-1")
    what = seen(exited("worker-0", 3, 0), exited("worker-1", None, 16, signal=9), leader_since=later(20))
    assert named(judge(what, seconds=21)) == (Cause.PROGRAM_EXIT, "worker-0")


def test_an_end_of_which_nobody_knows_when_it_was_may_have_been_the_first() -> None:
    away = (runs("chief-0"), exited("worker-0", 3))
    what = observed(agents=away, replicas=tuple(replica(name) for name in NAMES[:2]))
    assert named(judge(what, seconds=21)) == (Cause.POD_LOST, "worker-1")
    assert named(judge(observed(), seconds=21)) == (Cause.POD_LOST, "chief-0")


def test_among_equals_the_earliest_end_that_is_known_is_the_cause() -> None:
    what = observed(agents=(exited("worker-0", None, signal=6),), replicas=(replica("worker-0"),))
    assert named(judge(what)) == (Cause.PROGRAM_SIGNAL, "worker-0")


def test_an_order_of_nobody_here_is_explained_after_a_while() -> None:
    what = seen(exited("worker-0", None, signal=9, asked=True))
    assert judge(what, seconds=0, broken=None).look_again == 15
    assert named(judge(what, seconds=15)) == (Cause.PREEMPTED, "worker-0")


def test_an_order_of_nobody_here_is_known_as_our_own() -> None:
    found = judge(seen(exited("worker-0", None, signal=9, asked=True)), seconds=15).end
    assert found is not None
    assert found.by_order


def test_a_loss_that_is_taken_back_still_ends_the_attempt() -> None:
    assert judge(seen(), seconds=14).look_again == 1
    assert named(judge(seen(), seconds=15)) == (Cause.PREEMPTED, "chief-0")


# --- what an end is called


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"code": 1}, (Cause.PROGRAM_EXIT, 1, None)),
        ({"code": 143}, (Cause.PROGRAM_SIGNAL, 143, 15)),
        ({"code": 137}, (Cause.PROGRAM_SIGNAL, 137, 9)),
        ({"code": 128}, (Cause.PROGRAM_EXIT, 128, None)),
        ({"code": 193}, (Cause.PROGRAM_EXIT, 193, None)),
        ({"code": None, "signal": 11}, (Cause.PROGRAM_SIGNAL, None, 11)),
        ({"code": None, "signal": 9, "out_of_memory": True}, (Cause.OUT_OF_MEMORY, None, 9)),
    ],
)
def test_ends_that_an_agent_reports(
    facts: dict[str, object], expected: tuple[Cause, int | None, int | None]
) -> None:
    code = facts.get("code")
    assert code is None or isinstance(code, int)
    others = {name: value for name, value in facts.items() if name != "code"}
    found = fate(seen(exited("worker-1", code, last_lines=("last",), **others)))
    assert found.end is not None
    assert (found.end.cause, found.end.exit_code, found.end.signal) == expected
    assert (found.end.last_lines, found.end.at) == (("last",), NOW)


def test_an_exit_on_a_pod_that_is_to_go_is_a_disruption() -> None:
    what = seen(exited("worker-1", 1), replicas=(replica("worker-1", foreign_deletion=True),))
    found = fate(what).end
    assert found is not None
    assert found.cause is Cause.EVICTED


def test_exit_0_is_success_even_of_a_pod_that_is_gone() -> None:
    assert fate(seen(exited("worker-1", 0), gone="worker-1")).fate is Fate.SUCCEEDED


def test_an_exit_code_outlives_its_pod() -> None:
    found = fate(seen(exited("worker-1", 3), gone="worker-1")).end
    assert found is not None
    assert (found.cause, found.exit_code) == (Cause.PROGRAM_EXIT, 3)


def test_a_pod_that_is_gone_is_lost_since_its_agent_is() -> None:
    lost = runs("worker-1", connected=False, lost_at=later(-3))
    assert fate(seen(lost, gone="worker-1")).end == cause.End(member("worker-1"), Cause.POD_LOST, later(-3))
    without = observed(replicas=())
    assert fate(without, seconds=4).end == cause.End(member("worker-1"), Cause.POD_LOST, None)
    there = runs("worker-1")
    assert fate(seen(there, gone="worker-1"), seconds=4).end == cause.End(
        member("worker-1"), Cause.POD_LOST, later(4)
    )


def test_an_agent_that_was_unreachable_before_its_pod_ended_may_have_been_dead_since_then() -> None:
    pod = replica("worker-1", phase=ReplicaPhase.FAILED, exit_code=137, since=later(2))
    for lost_at, at in ((-3, -3), (3, 2)):
        found = fate(seen(runs("worker-1", connected=False, lost_at=later(lost_at)), replicas=(pod,))).end
        assert found is not None
        assert found.at == later(at)


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"signal": 9}, Cause.AGENT_LOST),
        ({"exit_code": 137}, Cause.AGENT_LOST),
        ({"exit_code": 1}, Cause.PROGRAM_EXIT),
        ({"exit_code": 137, "out_of_memory": True}, Cause.OUT_OF_MEMORY),
        ({"exit_code": 137, "disruption": Disruption.EVICTED}, Cause.EVICTED),
    ],
)
def test_ends_of_pods_whose_agent_said_nothing(facts: dict[str, object], expected: Cause) -> None:
    what = seen(replicas=(replica("worker-1", phase=ReplicaPhase.FAILED, since=None, **facts),))
    found = fate(what, seconds=2).end
    assert found is not None
    assert (found.cause, found.at) == (expected, later(2))


def test_a_pod_that_succeeded_says_so_for_its_agent() -> None:
    what = seen(replicas=(replica("worker-1", phase=ReplicaPhase.SUCCEEDED, exit_code=0),))
    assert fate(what).fate is Fate.SUCCEEDED


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"exit_code": 0, "ended_attempt": 1}, (Fate.SUCCEEDED, None)),
        ({"exit_code": 0, "ended_attempt": 2}, (Fate.ENDED, Cause.AGENT_LOST)),
        ({"exit_code": 0}, (Fate.ENDED, Cause.AGENT_LOST)),
        ({"exit_code": 3, "ended_attempt": 1}, (Fate.ENDED, Cause.PROGRAM_EXIT)),
        ({"exit_code": 3}, (Fate.ENDED, Cause.AGENT_LOST)),
        ({"exit_code": 137, "ended_attempt": 1}, (Fate.ENDED, Cause.PROGRAM_SIGNAL)),
        ({"exit_code": 137, "ended_attempt": 2}, (Fate.ENDED, Cause.AGENT_LOST)),
    ],
)
def test_a_code_that_an_agent_nobody_heard_passed_on_counts_for_its_own_attempt(
    facts: dict[str, object], expected: tuple[Fate, Cause | None]
) -> None:
    found = fate(observed(replicas=(replica("worker-1", phase=ReplicaPhase.FAILED, **facts),)))
    assert (found.fate, found.end and found.end.cause) == expected
    assert found.end is None or found.end.at == (None if "ended_attempt" in facts else NOW)


@pytest.mark.parametrize("known", [{"attempt": 0}, {"attempt": 1, "asked": True}])
def test_a_code_of_another_attempt_or_by_order_is_that_of_an_agent_that_is_lost(
    known: dict[str, object],
) -> None:
    pod = replica("worker-1", phase=ReplicaPhase.SUCCEEDED, exit_code=0)
    found = fate(seen(runs("worker-1", connected=False, **known), replicas=(pod,)))
    assert (found.fate, found.end and found.end.cause) == (Fate.ENDED, Cause.AGENT_LOST)


def test_an_end_by_order_is_neither_cause_nor_success() -> None:
    found = fate(seen(exited("worker-1", 0, asked=True)))
    assert (found.fate, found.end, found.is_over) == (Fate.TOLD, None, True)


def test_waiting_alive_and_unknown() -> None:
    assert fate(seen(runs("worker-1", attempt=0, state=ProgramState.IDLE))).fate is Fate.WAITING
    assert fate(seen(runs("worker-1", attempt=0, stopped=True))).stopped is False
    assert fate(seen(runs("worker-1", stopped=True))) == MemberFate(
        member("worker-1"), Fate.ALIVE, stopped=True
    )
    assert fate(seen(runs("worker-1", connected=False))).fate is Fate.UNKNOWN
    assert fate(observed(replicas=(replica("worker-1"),))).fate is Fate.UNKNOWN


def test_an_unreachable_agent_on_a_lost_node_has_ended_but_not_for_a_new_leader() -> None:
    lost = replica("worker-1", disruption=Disruption.NODE_LOST)
    away = runs("worker-1", connected=False)
    assert fate(seen(away, replicas=(lost,))).fate is Fate.ENDED
    assert fate(seen(away, replicas=(lost,), leader_since=NOW)).fate is Fate.UNKNOWN
    assert fate(seen(away, replicas=(lost,), leader_since=NOW), seconds=60).fate is Fate.ENDED


# --- without agents the pod is the program


def bare(**changes: object) -> MemberFate:
    return fate(observed(BARE, replicas=(replica("worker-1", **changes),)))


def test_bare_pods() -> None:
    assert bare().fate is Fate.ALIVE
    assert bare(phase=ReplicaPhase.PENDING).fate is Fate.WAITING
    assert bare(phase=ReplicaPhase.SUCCEEDED, exit_code=0).fate is Fate.SUCCEEDED
    assert fate(observed(BARE)).fate is Fate.ENDED
    assert cause.fate_of(Turn(observed(BARE), NOW), member("worker-1", uid=""), 1).fate is Fate.WAITING


def test_a_bare_pod_killed_by_a_signal_is_a_program_killed_by_one() -> None:
    found = bare(phase=ReplicaPhase.FAILED, exit_code=137).end
    assert found is not None
    assert (found.cause, found.signal) == (Cause.PROGRAM_SIGNAL, 9)


def test_a_bare_pod_on_a_lost_node_will_never_say_that_it_ended() -> None:
    assert bare(disruption=Disruption.NODE_LOST).fate is Fate.ENDED
    announced = bare(disruption=Disruption.PREEMPTED)
    assert announced.fate is Fate.ALIVE
    assert announced.end is not None


def test_hang_timeouts_are_no_matter_of_the_cause() -> None:
    """A long silence alone ends nothing here: `running` judges it."""
    job = make_job(recovery=Recovery(hang_timeout_seconds=1))
    what = observed(
        job, agents=(runs("worker-1", step=3, seconds_since_step=99.0),), replicas=(replica("worker-1"),)
    )
    assert fate(what).fate is Fate.ALIVE


def test_an_attempt_without_members_has_nobody_to_blame() -> None:
    """Not even where a loss stands in its record."""
    opened = attempt(broken_since=NOW)
    assert cause.verdict(Turn(seen(), later(60)), opened, ()) == Verdict()
