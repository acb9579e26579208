"""What a new leader needs is asked for until the server answers."""

import pytest

from orchestrator.backends.kubernetes.api import ApiError, Unreachable
from orchestrator.controller.patience import LONGEST_SECONDS, until_answered


class Server:
    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)
        self.slept: list[float] = []

    async def ask(self) -> str:
        if self._errors:
            raise self._errors.pop(0)
        return "answer"

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_what_goes_unanswered_is_asked_again_as_late_as_the_server_says() -> None:
    server = Server(Unreachable("no"), ApiError(500, "", "ill"), ApiError(429, "", "busy", retry_after=30))
    assert await until_answered(server.ask, server.sleep) == "answer"
    assert server.slept[2] == 30
    assert max(server.slept[:2]) <= LONGEST_SECONDS


async def test_what_is_refused_for_good_is_raised() -> None:
    server = Server(ApiError(403, "Forbidden", "no right to it"))
    with pytest.raises(ApiError):
        await until_answered(server.ask, server.sleep)
    assert server.slept == []
