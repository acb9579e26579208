"""A cluster as the command line talks to it: connect, ask, and say in one line what went wrong.

Called by the modules `cluster_…` of single commands. Everything that networks and servers do becomes Refused or an exit
code with words that say where; the client itself is imported only when a command connects.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from orchestrator.api.status import JobStatus
from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import Api, ApiError, Request, Unreachable
from orchestrator.backends.kubernetes.jobs import status_from
from orchestrator.backends.kubernetes.transport import ConfigurationError, open_api
from orchestrator.cli import exit_codes
from orchestrator.cli.cluster_arguments import Reach
from orchestrator.cli.errors import PROGRAM, Refused

_NOT_INSTALLED = (
    "this cluster knows no TensorFlowJob: kubectl apply -f manifests/crd.yaml, and run the controller"
)
SILENCE_SECONDS = 120.0


class Change(msgspec.Struct, frozen=True):
    """An event of a watch. `object` by `type`: the item, only its version (BOOKMARK), or a Status (ERROR)."""

    type: str
    object: JsonObject


@dataclass(frozen=True)
class Cluster:
    """`namespace`: the one that was asked for, or that of the context."""

    api: Api
    namespace: str

    async def send(self, request: Request) -> JsonObject:
        """The answer as JSON. Raises ApiError and Unreachable."""
        return _read((await self.api.send(request)).body, JsonObject)

    async def job(self, name: str) -> JsonObject:
        """Raises Refused when there is none."""
        try:
            return await self.send(resources.get(resources.JOBS, self.namespace, name))
        except ApiError as error:
            if error.status == 404 and error.reason == "NotFound":
                raise Refused(await self._say_missing(name)) from None
            raise

    async def _say_missing(self, name: str) -> str:
        listed = await self.send(resources.list_page(resources.JOBS, self.namespace))
        known = [one["metadata"]["name"] for one in listed["items"]]
        shown = f"; it has {', '.join(known[:10])}" if known else "; it has none"
        return f"namespace {self.namespace} has no job {name!r}{shown}"

    async def changes(self, request: Request) -> AsyncIterator[Change]:
        """Every event of a watch, until the server ends it. Raises ApiError and Unreachable."""
        async with self.api.lines(request, silence_seconds=SILENCE_SECONDS) as lines:
            async for line in lines:
                if not line:
                    continue
                change = _read(line, Change)
                if change.type == "ERROR":
                    found = change.object
                    raise ApiError(found.get("code", 500), found.get("reason", ""), found.get("message", ""))
                yield change


Wanted = TypeVar("Wanted")


def _read(text: bytes, kind: type[Wanted]) -> Wanted:
    """A line that was cut in the middle, or the page of a proxy, is no answer. Raises Unreachable."""
    try:
        return msgspec.json.decode(text, type=kind)
    except msgspec.DecodeError as error:
        raise Unreachable(f"what came is no answer of an API server: {error}") from None


Work = Callable[[Cluster], Awaitable[int]]


def run(reach: Reach, work: Work) -> int:
    """Connects, does the work, gives its exit code. Raises Refused."""
    try:
        return asyncio.run(_run(reach, work))
    except ConfigurationError as error:
        raise Refused(str(error)) from None
    except Unreachable as error:
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return exit_codes.FAILED
    except ApiError as error:
        return _say(error)


async def _run(reach: Reach, work: Work) -> int:
    async with await open_api(kubeconfig=reach.kubeconfig, context=reach.context) as api:
        return await work(Cluster(api, reach.namespace or api.namespace))


def _say(error: ApiError) -> int:
    """What the server refuses is wrong input, unless it is the server that is not well."""
    if error.status == 404 and not error.reason:
        raise Refused(_NOT_INSTALLED)
    if error.is_transient:
        print(f"{PROGRAM}: the API server: {error.message}", file=sys.stderr)
        return exit_codes.FAILED
    raise Refused(f"the API server: {error.message or error}")


def status_of(job: JsonObject) -> JobStatus:
    """Raises Refused for a status that is none of ours."""
    try:
        return status_from(job.get("status") or {})
    except msgspec.ValidationError as error:
        name = job["metadata"]["name"]
        raise Refused(f"the status of {name} was written by another version: {error}") from None


@asynccontextmanager
async def limited(seconds: float | None) -> AsyncIterator[None]:
    """Raises TimeoutError when the time is over."""
    async with asyncio.timeout(seconds):
        yield
