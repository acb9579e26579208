"""One HTTP request to the API server and its answer, as values; and the one seam behind which the network lies.

Everything of this package (and `controller.leader`, `cli`) speaks through `Api`; `transport` is the real one, tests
that inject faults wrap it. Knows no resource and no object.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
REQUEST_SECONDS = 30.0
"""No call is without a limit."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """`path` begins with /api or /apis. `query`: not yet percent-encoded. `body`: encoded already."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    content_type: str = JSON
    accept: str = JSON


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """An answer below 400."""

    status: int
    body: bytes


class ApiError(Exception):
    """The server refused. `status`: HTTP's; `reason`: Kubernetes' word for it (NotFound, AlreadyExists, Conflict,
    Invalid, Expired, Forbidden, ...), "" where it gave none; `message`: the server's words for people."""

    def __init__(self, status: int, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}" if reason else f"{status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after

    @property
    def is_transient(self) -> bool:
        """Asking again later may do: the server is too busy, or not well."""
        return self.status == 429 or self.status >= 500


class Unreachable(Exception):
    """No answer: no connection, a broken one, or none in time. A change may or may not have been made."""


class Api(Protocol):
    """The API server."""

    async def send(self, request: Request, *, seconds: float = REQUEST_SECONDS) -> Response:
        """One answer, within so many seconds. Raises ApiError and Unreachable, nothing else."""
        ...

    def lines(
        self, request: Request, *, silence_seconds: float
    ) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The lines of an answer that goes on: a watch, or the log of a container that is followed.

        Raises ApiError and Unreachable when entered and while iterating; Unreachable also after so long a silence. The
        iterator ends when the server ends the answer.
        """
        ...
