"""Properties of `decide` over observations of all kinds: total, sound, settling, and asleep until time matters."""

from datetime import datetime, timedelta

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Phase, Progress
from orchestrator.api.types import AgentMode
from orchestrator.core import membership
from orchestrator.core.actions import CreateReplica, Decision, DeleteReplica
from orchestrator.core.decide import decide
from orchestrator.core.observed import Agent, Observed
from orchestrator.protocol.messages import Run
from tests.property.core_observations import NOW, observations

MANY = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
MAX_TURNS = 8


def settled(seen: Observed, now: datetime = NOW) -> tuple[Observed, Decision]:
    """The same world, decided again and again, until the status stays as it is."""
    for _ in range(MAX_TURNS):
        decision = decide(seen, now)
        if decision.status == seen.status:
            return seen, decision
        seen = replace(seen, status=decision.status)
    raise AssertionError("the status does not settle in a world that stands still")


@MANY
@given(observations())
def test_every_observation_has_a_decision_and_always_the_same(seen: Observed) -> None:
    assert decide(seen, NOW) == decide(seen, NOW)


@MANY
@given(observations())
def test_a_world_that_stands_still_is_decided_once(seen: Observed) -> None:
    """Then: no news, and no other actions however often it is asked."""
    seen, decision = settled(seen)
    again = decide(seen, NOW)
    assert decision.events == ()
    assert again == decision
    assert decision.requeue_after != 0.0 or decision.actions


@MANY
@given(observations())
def test_run_is_said_only_of_what_is_recorded_with_the_decision(seen: Observed) -> None:
    decision = decide(seen, NOW)
    status = decision.status
    runs = [(one.uid, one.order.attempt) for one in decision.wanted if isinstance(one.order, Run)]
    recorded = {(one.uid, one.run) for one in status.sides}
    if status.attempt is not None:
        gang = [one for one in status.attempt.members if membership.is_gang(seen.job.spec, one.role)]
        recorded |= {(one.uid, status.attempt.number) for one in gang}
    assert set(runs) <= recorded
    is_over = status.phase.is_final or status.phase is Phase.SUSPENDED
    assert not (runs and is_over)
    assert len({one.uid for one in decision.wanted}) == len(decision.wanted)
    assert seen.job.spec.recovery.agent is AgentMode.ENABLED or decision.wanted == ()


@MANY
@given(observations())
def test_actions_touch_only_what_is_there_and_fill_only_what_is_empty(seen: Observed) -> None:
    actions = decide(seen, NOW).actions
    taken = {(one.role, one.index): one for one in seen.replicas}
    touched = [(one.role, one.index) for one in actions if isinstance(one, CreateReplica | DeleteReplica)]
    assert len(touched) == len(set(touched)), "two actions for one seat"
    for one in actions:
        if isinstance(one, CreateReplica):
            assert (one.role, one.index) not in taken
            assert (one.role, one.index) in membership.seats(seen.job.spec)
        elif isinstance(one, DeleteReplica):
            assert taken[one.role, one.index].uid == one.uid
            assert not taken[one.role, one.index].deleting


@MANY
@given(observations())
def test_no_gang_member_is_deleted_while_its_attempt_goes_on(seen: Observed) -> None:
    """It would be a loss, whatever the reason: who has to go is asked to stop, with all others."""
    decision = decide(seen, NOW)
    attempt = decision.status.attempt
    is_open = attempt is not None and attempt.stopping is None and not decision.status.phase.is_final
    members = attempt.members if attempt is not None and is_open else ()
    gang = {one.uid for one in members if membership.is_gang(seen.job.spec, one.role)}
    assert gang.isdisjoint(one.uid for one in decision.actions if isinstance(one, DeleteReplica))


@MANY
@given(observations())
def test_nothing_that_was_counted_is_taken_back(seen: Observed) -> None:
    before, after = seen.status, decide(seen, NOW).status
    limit = seen.job.spec.run_policy.backoff_limit
    assert before.restarts <= after.restarts <= max(limit, before.restarts)
    assert before.disruptions <= after.disruptions
    assert before.resizes <= after.resizes
    assert after.phase is before.phase or not before.phase.is_final
    if before.checkpoint:
        assert after.checkpoint
        assert after.checkpoint.step >= before.checkpoint.step


def later(seen: Observed, seconds: float) -> Observed:
    """The same world later: silence of whoever is connected goes on."""

    def grown(agent: Agent) -> Agent:
        silence = agent.seconds_since_step
        return replace(agent, seconds_since_step=None if silence is None else silence + seconds)

    return replace(seen, agents=tuple(grown(one) for one in seen.agents))


def without_progress(status: JobStatus) -> JobStatus:
    return replace(status, progress=Progress())


@MANY
@given(observations(), st.floats(0.001, 1.0))
def test_nothing_changes_before_the_time_that_was_asked_for(seen: Observed, share: float) -> None:
    """A decision says when time alone may change it; until then it stands."""
    assume(seen.stop_request is None)
    seen, decision = settled(seen)
    wait = 100_000.0 if decision.requeue_after is None else decision.requeue_after
    seconds = wait * share * 0.999
    then = decide(later(seen, seconds), NOW + timedelta(seconds=seconds))
    assert without_progress(then.status) == without_progress(decision.status)
    assert then.actions == decision.actions
    assert then.events == ()
