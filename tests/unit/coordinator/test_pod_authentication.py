"""A stream from a pod: it is the pod that counts, whatever the message says."""

import asyncio

import pytest

from orchestrator.api.types import Role
from orchestrator.coordinator.authentication import Denial, Denied, PodAuthenticator, Registration, ReplicaId
from orchestrator.protocol.messages import Hello

CHIEF, WORKER = ReplicaId(Role.CHIEF, 0, "pod-c"), ReplicaId(Role.WORKER, 1, "pod-w")
KNOWN = {"job": Registration(1, "", {one.uid: one for one in (CHIEF, WORKER)})}


def hello(**changes: object) -> Hello:
    found: dict[str, object] = {"job_uid": "job", "role": "worker", "index": 1, "uid": "pod-w", **changes}
    return Hello(**found)  # type: ignore[arg-type]  # a message may say anything


async def denied(said: Hello, token: str = "token", pod: str | None = "pod-w") -> Denial:
    async def review(given: str) -> str | None:
        return pod

    with pytest.raises(Denied) as found:
        await PodAuthenticator(KNOWN, review).identify(said, token)
    return found.value.denial


async def test_a_pod_of_the_job_is_who_its_token_says() -> None:
    async def review(given: str) -> str | None:
        assert given == "token"
        return "pod-w"

    assert await PodAuthenticator(KNOWN, review).identify(hello(), "token") == ("job", WORKER)


async def test_refusals() -> None:
    assert await denied(hello(), token="") is Denial.WRONG_TOKEN
    assert await denied(hello(), pod=None) is Denial.WRONG_TOKEN
    assert await denied(hello(), pod="pod-of-another-job") is Denial.UNKNOWN_REPLICA
    assert await denied(hello(job_uid="other")) is Denial.UNKNOWN_JOB
    assert await denied(hello(role="chief", index=0)) is Denial.WRONG_IDENTITY
    assert await denied(hello(uid="pod-c")) is Denial.WRONG_IDENTITY


async def test_that_nobody_can_tell_is_no_wrong_token() -> None:
    async def review(given: str) -> str | None:
        raise ConnectionError("the API server is away")

    with pytest.raises(Denied) as found:
        await PodAuthenticator(KNOWN, review).identify(hello(), "token")
    assert found.value.denial is Denial.UNVERIFIED


async def test_thousands_at_once_are_reviewed_a_few_at_a_time() -> None:
    at_once = most = 0

    async def review(given: str) -> str | None:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0)
        at_once -= 1
        return "pod-w"

    made = PodAuthenticator(KNOWN, review, most=10)
    await asyncio.gather(*(made.identify(hello(), "token") for _ in range(200)))
    assert most == 10
