"""`tfo wait`, and how `submit --watch` and `delete --wait` follow a job: by a watch, never by asking again and again.

Called by `dispatch` and the modules of those commands.
"""

import sys
from collections.abc import AsyncIterator

from orchestrator.api.status import JobStatus, Phase
from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import ApiError, Unreachable
from orchestrator.cli import cluster, exit_codes
from orchestrator.cli.cluster import Cluster
from orchestrator.cli.cluster_arguments import JobOnCluster

_WATCH_SECONDS = 300
_GOALS: dict[str, tuple[Phase, ...]] = {
    "succeeded": (Phase.SUCCEEDED,),
    "failed": (Phase.FAILED,),
    "finished": (Phase.SUCCEEDED, Phase.FAILED),
    "running": (Phase.RUNNING, Phase.SUCCEEDED, Phase.FAILED),
    "suspended": (Phase.SUSPENDED,),
    "deleted": (),
}
"""A short job may have run and ended between two looks: it was running all the same."""


async def follow(found: Cluster, name: str) -> AsyncIterator[JsonObject | None]:
    """The job now, and after every change; None at last, when it is gone. Raises Refused when there is none."""
    job: JsonObject | None = await found.job(name)
    while job is not None:
        yield job
        uid, version = job["metadata"]["uid"], job["metadata"]["resourceVersion"]
        try:
            async for changed in _changes(found, name, version):
                job = changed
                if job is None or job["metadata"]["uid"] != uid:
                    yield None
                    return
                yield job
        except (Unreachable, ApiError) as error:
            if isinstance(error, ApiError) and error.status != 410:
                raise
        job = await _again(found, name)
    yield None


async def _changes(found: Cluster, name: str, version: str) -> AsyncIterator[JsonObject | None]:
    request = resources.watch(
        resources.JOBS,
        found.namespace,
        version=version,
        seconds=_WATCH_SECONDS,
        field=f"metadata.name={name}",
    )
    async for event in found.changes(request):
        if event["type"] != "BOOKMARK":
            yield None if event["type"] == "DELETED" else event["object"]


async def _again(found: Cluster, name: str) -> JsonObject | None:
    try:
        return await found.send(resources.get(resources.JOBS, found.namespace, name))
    except ApiError as error:
        if error.status == 404:
            return None
        raise


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
        if job is None:
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
