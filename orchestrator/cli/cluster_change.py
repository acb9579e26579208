"""`tfo suspend`, `resume`, `scale` and `delete`: one change of one job on a cluster, in the server's words if refused.

Called by `dispatch`.
"""

import sys

from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.cli import cluster, exit_codes
from orchestrator.cli.cluster import Cluster
from orchestrator.cli.cluster_arguments import JobOnCluster
from orchestrator.cli.cluster_wait import Absence, follow
from orchestrator.cli.errors import Refused


def suspend_command(options: JobOnCluster) -> int:
    return _set_suspend(options, True)


def resume_command(options: JobOnCluster) -> int:
    return _set_suspend(options, False)


def _set_suspend(options: JobOnCluster, wish: bool) -> int:
    word = "suspended" if wish else "resumed"

    async def work(found: Cluster) -> int:
        job = await found.job(options.name)
        if bool(job["spec"].get("runPolicy", {}).get("suspend")) is wish:
            print(f"{options.name} is {'suspended' if wish else 'not suspended'} already")
            return exit_codes.OK
        await _patch(found, options.name, {"spec": {"runPolicy": {"suspend": wish}}})
        print(f"{options.name} {word}")
        return exit_codes.OK

    return cluster.run(options.reach, work)


def scale_command(options: JobOnCluster) -> int:
    async def work(found: Cluster) -> int:
        job = await found.job(options.name)
        before = job["spec"]["replicaSpecs"].get("worker", {}).get("replicas")
        if before is None:
            raise Refused(f"{options.name} has no workers to scale")
        await _patch(found, options.name, {"spec": {"replicas": options.replicas}}, "scale")
        print(f"{options.name} scaled from {before} to {options.replicas} workers")
        return exit_codes.OK

    return cluster.run(options.reach, work)


async def _patch(found: Cluster, name: str, body: JsonObject, subresource: str = "") -> None:
    await found.send(resources.patch(resources.JOBS, found.namespace, name, body, subresource))


def delete_command(options: JobOnCluster) -> int:
    async def work(found: Cluster) -> int:
        job = await found.job(options.name)
        uid = job["metadata"]["uid"]
        await found.send(resources.delete(resources.JOBS, found.namespace, options.name, uid=uid))
        print(f"{options.name} deleted")
        return await _until_gone(found, options) if options.wait else exit_codes.OK

    return cluster.run(options.reach, work)


async def _until_gone(found: Cluster, options: JobOnCluster) -> int:
    try:
        async with cluster.limited(options.timeout):
            async for job in follow(found, options.name):
                if isinstance(job, Absence):
                    break
    except Refused:
        return exit_codes.OK  # gone before we looked
    except TimeoutError:
        print(f"tfo delete: {options.name} is still there after {options.timeout:g} s", file=sys.stderr)
        return exit_codes.FAILED
    return exit_codes.OK
