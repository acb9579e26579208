"""`tfo wait`: what it waits for, when it gives up, and what exit code says so."""

import asyncio

import pytest

from orchestrator.api.status import JobStatus, Phase
from orchestrator.backends.kubernetes.api import ApiError, Unreachable
from orchestrator.cli import cluster_wait
from tests.fixtures.scripted_api import CUT
from tests.fixtures.scripted_cluster import JOB, JOBS, ScriptedCluster, document
from tests.fixtures.scripted_cluster import scripted as scripted

GONE = {"code": 410, "reason": "Expired", "message": "too old resource version"}
FAILED = JobStatus(phase=Phase.FAILED, message="worker-1 exited with code 3")


def states(*phases: Phase | JobStatus) -> list[tuple[str, object]]:
    found = [one if isinstance(one, JobStatus) else JobStatus(phase=one) for one in phases]
    return [("MODIFIED", document(2 + number, status)) for number, status in enumerate(found)]


@pytest.mark.parametrize(
    ("state", "phases", "code", "out", "err"),
    [
        ("succeeded", (Phase.RUNNING, Phase.SUCCEEDED), 0, "job: Succeeded\n", ""),
        ("succeeded", (Phase.RUNNING, FAILED), 1, "", "job: Failed: worker-1 exited with code 3\n"),
        ("failed", (FAILED,), 0, "job: Failed: worker-1 exited with code 3\n", ""),
        ("failed", (Phase.SUCCEEDED,), 1, "", "job: Succeeded\n"),
        ("finished", (Phase.SUCCEEDED,), 0, "job: Succeeded\n", ""),
        ("finished", (FAILED,), 0, "job: Failed: worker-1 exited with code 3\n", ""),
        ("running", (Phase.RUNNING,), 0, "job: Running\n", ""),
        ("running", (Phase.SUCCEEDED,), 0, "job: Succeeded\n", ""),
        ("suspended", (Phase.RUNNING, Phase.SUSPENDED), 0, "job: Suspended\n", ""),
        ("suspended", (Phase.SUCCEEDED,), 1, "", "job: Succeeded\n"),
    ],
)
def test_it_ends_when_it_has_come_true_or_cannot_any_more(
    scripted: ScriptedCluster,
    state: str,
    phases: tuple[Phase | JobStatus, ...],
    code: int,
    out: str,
    err: str,
) -> None:
    scripted.script(JOBS, *states(*phases))
    assert scripted.tfo("wait", "job", "--for", state) == (code, out, err)


def test_who_waits_for_the_end_of_a_job_is_told_that_it_is_gone(scripted: ScriptedCluster) -> None:
    scripted.script(JOBS, ("BOOKMARK", {"metadata": {}}), ("DELETED", document(9)))
    assert scripted.tfo("wait", "job") == (1, "", "job is gone\n")


def test_who_waits_for_its_deletion_does_so_beyond_its_end(scripted: ScriptedCluster) -> None:
    scripted.script(JOBS, *states(Phase.SUCCEEDED), ("DELETED", document(9)))
    assert scripted.tfo("wait", "job", "--for", "deleted") == (0, "job is gone\n", "")


def test_a_namesake_is_another_job(scripted: ScriptedCluster) -> None:
    scripted.script(JOBS, ("ADDED", document(9, JobStatus(phase=Phase.SUCCEEDED), uid="another")))
    assert scripted.tfo("wait", "job") == (1, "", "job is gone\n")
    scripted.answer("GET", JOB, document(), document(9, JobStatus(phase=Phase.SUCCEEDED), uid="another"))
    scripted.script(JOBS, CUT)
    assert scripted.tfo("wait", "job") == (1, "", "job is gone\n")


def test_a_wait_that_takes_too_long_says_so(scripted: ScriptedCluster) -> None:
    scripted.script(JOBS, *states(Phase.RUNNING))
    assert scripted.tfo("wait", "job", "--timeout", "0.01") == (
        1,
        "",
        "tfo wait: job is not succeeded after 0.01 s\n",
    )


def test_watches_that_end_break_or_expire_are_taken_up_where_they_ended(scripted: ScriptedCluster) -> None:
    scripted.script(JOBS, None, CUT, ("ERROR", GONE), *states(Phase.SUCCEEDED))
    scripted.answer("GET", JOB, document(1), document(5), document(6), document(7))
    assert scripted.tfo("wait", "job")[0] == 0
    assert [dict(one.query)["resourceVersion"] for one in scripted.watched] == ["1", "5", "6", "7"]


@pytest.mark.parametrize("line", [b'{"type": "MODIFIED", "obj', b"<html>", b"{}", b"[]"])
def test_half_a_line_and_the_page_of_a_proxy_are_a_broken_watch_and_no_crash(
    scripted: ScriptedCluster, line: bytes
) -> None:
    scripted.script(JOBS, b"", line, *states(Phase.SUCCEEDED))
    assert scripted.tfo("wait", "job") == (0, "job: Succeeded\n", "")
    assert len(scripted.watched) == 2


def test_who_is_answered_by_something_else_than_an_api_server_is_told_so(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOB, b"<html>please log in</html>")
    code, _, err = scripted.tfo("wait", "job")
    assert (code, err.startswith("tfo: what came is no answer of an API server: ")) == (1, True)


@pytest.mark.parametrize("end", [None, CUT, ("ERROR", GONE)])
def test_watches_that_end_at_once_do_not_make_it_ask_all_the_time(
    scripted: ScriptedCluster, monkeypatch: pytest.MonkeyPatch, end: object
) -> None:
    waits: list[float] = []
    at_once = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        await at_once(0)

    monkeypatch.setattr("asyncio.sleep", sleep)
    monkeypatch.setattr(cluster_wait, "_BROKEN_SECONDS", 1.5)
    scripted.script(JOBS, end, end, *states(Phase.SUCCEEDED))
    assert scripted.tfo("wait", "job")[0] == 0
    assert [seconds for seconds in waits if seconds] == [1.5, 1.5]


def test_what_has_happened_while_nothing_was_heard_counts(scripted: ScriptedCluster) -> None:
    scripted.script(JOBS, CUT)
    scripted.answer("GET", JOB, document(1), document(5, JobStatus(phase=Phase.SUCCEEDED)))
    assert scripted.tfo("wait", "job")[:2] == (0, "job: Succeeded\n")
    scripted.script(JOBS, CUT)
    scripted.answer("GET", JOB, document(1), ApiError(404, "NotFound", "no"))
    assert scripted.tfo("wait", "job") == (1, "", "job is gone\n")


@pytest.mark.parametrize("error", [Unreachable("no route"), ApiError(500, "InternalError", "no route")])
def test_a_server_that_is_not_there_any_more_ends_a_wait(scripted: ScriptedCluster, error: Exception) -> None:
    scripted.script(JOBS, CUT)
    scripted.answer("GET", JOB, document(1), error)
    code, _, err = scripted.tfo("wait", "job")
    assert (code, err.endswith("no route\n")) == (1, True)


def test_a_job_that_never_was_cannot_be_waited_for(scripted: ScriptedCluster) -> None:
    scripted.answer("GET", JOBS, {"metadata": {}, "items": [document(name="other")]})
    scripted.answer("GET", JOB, ApiError(404, "NotFound", "no"))
    assert scripted.tfo("wait", "job") == (2, "", "tfo: namespace team has no job 'job'; it has other\n")
