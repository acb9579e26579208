"""Events of a job: the same thing told twice is one event, and nothing delays a turn."""

import asyncio
from datetime import UTC, datetime

from orchestrator.backends.kubernetes.api import ApiError
from orchestrator.backends.kubernetes.events import MAX_NOTE, MAX_WAITING, Events, render
from orchestrator.backends.kubernetes.objects import JobMeta
from orchestrator.core.actions import Event, EventType, Reason
from tests.fixtures.scripted_api import ScriptedApi

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
JOB = JobMeta(name="job", namespace="ns", uid="u")
PATH = "/api/v1/namespaces/ns/events"


def event(message: str = "worker-1 was killed by SIGKILL", attempt: int = 2) -> Event:
    return Event(
        type=EventType.WARNING, reason=Reason.MEMBER_LOST, message=message, attempt=attempt, member="worker-1"
    )


def test_the_same_thing_has_the_same_name_and_another_attempt_another() -> None:
    names = [render(JOB, event(attempt=number), "me", NOW)["metadata"]["name"] for number in (2, 2, 3)]
    assert names[0] == names[1] != names[2]


def test_it_says_which_attempt_and_is_cut_where_the_server_would_refuse_it() -> None:
    found = render(JOB, event(), "me", NOW)
    assert found["message"] == "attempt 2: worker-1 was killed by SIGKILL"
    assert (found["reason"], found["type"], found["involvedObject"]["uid"]) == ("MemberLost", "Warning", "u")
    assert len(render(JOB, event("x" * 5000), "me", NOW)["message"]) == MAX_NOTE


async def test_what_is_told_is_sent_and_what_is_there_already_is_no_loss() -> None:
    api = ScriptedApi()
    api.answer("POST", PATH, {}, ApiError(409, "AlreadyExists", "told"), ApiError(500, "", "broken"))
    events = Events(api, "me", lambda: NOW)
    for number in range(3):
        events.tell(JOB, event(attempt=number), NOW)
    task = asyncio.create_task(events.run())
    await asyncio.wait_for(events.flush(), 5)
    assert (len(api.asked), events.lost) == (3, 1)
    task.cancel()


async def test_more_than_can_wait_is_lost_and_counted() -> None:
    events = Events(ScriptedApi(), "me", lambda: NOW)
    for number in range(MAX_WAITING + 2):
        events.tell(JOB, event(attempt=number), NOW)
    assert events.lost == 2
