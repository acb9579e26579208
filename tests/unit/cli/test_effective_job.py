"""A job as it runs on this machine: what only a cluster can lift must not hold it up here."""

from orchestrator.api.types import AgentMode
from orchestrator.cli.preparation import effective
from tests.fixtures.job_texts import cnn, load_one


def test_a_suspended_job_runs_and_always_with_agents() -> None:
    job = load_one(cnn("runPolicy: {suspend: true}\nrecovery: {agent: Disabled}"))
    assert job.spec.run_policy.suspend
    found = effective(job).spec
    assert not found.run_policy.suspend
    assert found.recovery.agent is AgentMode.ENABLED
