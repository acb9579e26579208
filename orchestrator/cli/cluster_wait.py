"""`tfo wait`, and how other commands follow a job: by a watch, never by asking again and again.

Called by `dispatch` and the modules of those commands.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from enum import Enum

from orchestrator.api.status import JobStatus, Phase
from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import ApiError, Unreachable
from orchestrator.cli import cluster, exit_codes
from orchestrator.cli.cluster import Cluster
from orchestrator.cli.cluster_arguments import JobOnCluster

_WATCH_SECONDS = 300
_BROKEN_SECONDS = 1.0
"""Where watches end or break at once, as behind some proxies, a job is not asked for more often than this."""
Trouble = Callable[[Unreachable | ApiError], Awaitable[None]]
"""Told why a job cannot be followed for now: returns when it is to be tried again, or raises."""


class Absence(Enum):
    """Why there is no job any more. DELETED: that was seen, and all that had become of it before; MISSED: it went, or
    became another job, while nothing was heard, perhaps after its end."""

    DELETED = "deleted"
    MISSED = "missed"


_GOALS: dict[str, tuple[Phase, ...]] = {
    "succeeded": (Phase.SUCCEEDED,),
    "failed": (Phase.FAILED,),
    "finished": (Phase.SUCCEEDED, Phase.FAILED),
    "running": (Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED),
    "suspended": (Phase.SUSPENDED,),
    "deleted": (),
}
"""A short job may have run and ended between two looks: it was running all the same."""


async def _raise(error: Unreachable | ApiError) -> None:
    raise error


async def follow(
    found: Cluster, name: str, since: JsonObject | None = None, on_trouble: Trouble = _raise
) -> AsyncGenerator[JsonObject | Absence, None]:
    """The job now, and after every change; at last, when it is gone, why. Raises Refused when there is none.

    `since`: the job as it is known already, which need not be asked for. A namesake that comes later is another job.
    """
    first = since or await found.job(name)
    uid = first["metadata"]["uid"]
    job: JsonObject | None = first
    while job is not None and job["metadata"]["uid"] == uid:
        yield job
        try:
            async for changed in _changes(found, name, job["metadata"]["resourceVersion"]):
                if isinstance(changed, Absence) or changed["metadata"]["uid"] != uid:
                    yield changed if isinstance(changed, Absence) else Absence.MISSED
                    return
                yield changed
        except (Unreachable, ApiError) as error:
            _check_mendable(error)
        await asyncio.sleep(_BROKEN_SECONDS)
        job = await _again(found, name, on_trouble)
    yield Absence.MISSED


def _check_mendable(error: Unreachable | ApiError) -> None:
    """Whether the server is well the next request shows. Raises what asking again does not mend."""
    if isinstance(error, ApiError) and error.status != 410 and not error.is_transient:
        raise error


async def _changes(found: Cluster, name: str, version: str) -> AsyncIterator[JsonObject | Absence]:
    request = resources.watch(
        resources.JOBS,
        found.namespace,
        version=version,
        seconds=_WATCH_SECONDS,
        field=f"metadata.name={name}",
    )
    async for change in found.changes(request):
        if change.type != "BOOKMARK":
            yield Absence.DELETED if change.type == "DELETED" else change.object


async def _again(found: Cluster, name: str, on_trouble: Trouble) -> JsonObject | None:
    """As it is by now; None: it is gone."""
    while True:
        try:
            return await found.send(resources.get(resources.JOBS, found.namespace, name))
        except Unreachable as error:
            await on_trouble(error)
        except ApiError as error:
            if error.status == 404:
                return None
            await on_trouble(error)


def wait_command(options: JobOnCluster) -> int:
    async def work(found: Cluster) -> int:
        try:
            async with cluster.limited(options.timeout):
                return await _wait(found, options)
        except TimeoutError:
            print(
                f"tfo wait: {options.name} is not {options.state} after {options.timeout:g} s",
                file=sys.stderr,
            )
            return exit_codes.FAILED

    return cluster.run(options.reach, work)


async def _wait(found: Cluster, options: JobOnCluster) -> int:
    goals = _GOALS[options.state]
    async for job in follow(found, options.name):
        if isinstance(job, Absence):
            return _gone(options)
        status = cluster.status_of(job)
        if status.phase in goals:
            print(f"{options.name}: {status.phase}{_because(status)}")
            return exit_codes.OK
        if status.phase.is_final and options.state != "deleted":
            print(f"{options.name}: {status.phase}{_because(status)}", file=sys.stderr)
            return exit_codes.FAILED
    return exit_codes.FAILED


def _gone(options: JobOnCluster) -> int:
    is_right = options.state == "deleted"
    print(f"{options.name} is gone", file=sys.stdout if is_right else sys.stderr)
    return exit_codes.OK if is_right else exit_codes.FAILED


def _because(status: JobStatus) -> str:
    return f": {status.message}" if status.message else ""
