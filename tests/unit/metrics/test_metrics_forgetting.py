"""The store forgets jobs that ended long ago, whoever asks or not."""

from msgspec.structs import replace

from orchestrator.api.status import Phase
from orchestrator.api.types import Role
from tests.fixtures.training_reports import (
    KEY,
    RUNNING,
    build_job,
    build_report,
    build_store,
    later,
    replaced,
)


def test_old_jobs_are_forgotten_where_nobody_scrapes() -> None:
    store = build_store()
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 99, notes=("disk full",)), later(4))
    ended = replaced(RUNNING, phase=Phase.SUCCEEDED, completion_time=later(60))
    store.observe_status(build_job(), ended, later(60))
    job = build_job()
    other = replace(job, metadata=replace(job.metadata, name="other", uid="other"))
    store.observe_status(other, RUNNING, later(60 + 300.5))
    assert store.notes(KEY.uid) == ()
