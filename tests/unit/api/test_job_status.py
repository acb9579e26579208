"""What phases and causes mean, and the names of members."""

from datetime import UTC, datetime

from orchestrator.api.status import Cause, Member, Phase, Side
from orchestrator.api.types import Role


def test_final_phases() -> None:
    assert [phase.value for phase in Phase if phase.is_final] == ["Succeeded", "Failed", "Stopped"]


def test_each_cause_is_a_restart_a_disruption_or_neither() -> None:
    disruptions = [cause.value for cause in Cause if cause.is_disruption]
    assert disruptions == ["Evicted", "Preempted", "NodeLost"]
    assert not any(cause.is_restart and cause.is_disruption for cause in Cause)
    neither = [cause.value for cause in Cause if not cause.is_restart and not cause.is_disruption]
    assert neither == ["Resize", "Suspend", "User"]


def test_members_are_named_by_role_and_index() -> None:
    assert Member(role=Role.WORKER, index=1, uid="a").name == "worker-1"
    side = Side(role=Role.EVALUATOR, index=0, uid="a", run=1, start_time=datetime(2026, 1, 1, tzinfo=UTC))
    assert side.name == "evaluator-0"
