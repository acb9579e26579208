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


def test_a_time_to_live_deletes_no_run() -> None:
    job = load_one(cnn("runPolicy: {ttlSecondsAfterFinished: 0}"))
    assert job.spec.run_policy.ttl_seconds_after_finished == 0
    assert effective(job).spec.run_policy.ttl_seconds_after_finished is None
