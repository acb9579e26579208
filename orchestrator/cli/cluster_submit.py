"""`tfo submit`: a job, checked here, created there, and followed to its end if that is asked for.

Called by `dispatch`.
"""

import asyncio
import sys
from contextlib import suppress
from datetime import datetime

import yaml

from orchestrator.api.dump import dump
from orchestrator.api.status import JobStatus, Phase, Progress
from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import ApiError, Request
from orchestrator.cli import cluster, exit_codes, jobs
from orchestrator.cli.arguments import SubmitOptions
from orchestrator.cli.cluster import Cluster
from orchestrator.cli.cluster_wait import follow
from orchestrator.cli.errors import Refused, WrongJob


def submit_command(options: SubmitOptions) -> int:
    """Raises Refused and WrongJob."""
    built = jobs.job_from_options(options.job)
    if not isinstance(built, jobs.BuiltJob):
        raise WrongJob("\n".join(str(error) for error in built))
    document = with_image(dump(built.written), options.image)
    if options.dry_run == "client":
        print(yaml.safe_dump(document, sort_keys=False), end="")
        return exit_codes.OK

    async def work(found: Cluster) -> int:
        return await _submit(found, document, options)

    return cluster.run(options.reach, work)


def with_image(document: JsonObject, image: str) -> JsonObject:
    """The image in every container that names none; in a template of its own where there is none at all."""
    if not image:
        return document
    spec = dict(document["spec"])
    template = spec.get("template") or {}
    pod = dict(template.get("spec") or {})
    pod["containers"] = [{"image": image, **one} for one in pod.get("containers") or [{"name": "tensorflow"}]]
    spec["template"] = {**template, "spec": pod}
    return {**document, "spec": spec}


async def _submit(found: Cluster, document: JsonObject, options: SubmitOptions) -> int:
    name = document["metadata"]["name"]
    namespace = options.reach.namespace or document["metadata"].get("namespace") or found.namespace
    target = Cluster(found.api, namespace)
    placed = {**document, "metadata": {**document["metadata"], "namespace": namespace}}
    try:
        await target.send(_request(namespace, placed, options.dry_run == "server"))
    except ApiError as error:
        if error.reason == "AlreadyExists":
            raise Refused(
                f"namespace {namespace} has a job {name!r} already; delete it (tfo delete {name} -n {namespace}), or "
                "give this one another name: --name"
            ) from None
        raise
    kept = " (server dry run)" if options.dry_run else ""
    print(f"{namespace}/{name} created{kept}", flush=True)
    if options.dry_run:
        return exit_codes.OK
    if not options.watch:
        print(f"  follow it: tfo logs {name} -n {namespace} -f")
        print(f"  its story: tfo describe {name} -n {namespace}")
        return exit_codes.OK
    return await watch(target, name)


def _request(namespace: str, document: JsonObject, is_dry: bool) -> Request:
    request = resources.create(resources.JOBS, namespace, document, strict=True)
    query = (*request.query, *((("dryRun", "All"),) if is_dry else ()))
    return Request(method=request.method, path=request.path, query=query, body=request.body)


async def watch(found: Cluster, name: str) -> int:
    """Lines as things happen; the exit code is that of the job's end. Ctrl-C ends only the watching."""
    shown = _Shown()
    try:
        async for job in follow(found, name):
            if job is None:
                print(f"{name} is gone", file=sys.stderr)
                return exit_codes.FAILED
            status = cluster.status_of(job)
            shown.show(status)
            if status.phase.is_final:
                return exit_codes.OK if status.phase is Phase.SUCCEEDED else exit_codes.FAILED
    except asyncio.CancelledError:
        with suppress(OSError):
            print(
                f"\nnot watching any more; the job goes on (tfo delete {name} -n {found.namespace} ends it)",
                file=sys.stderr,
            )
        raise
    return exit_codes.FAILED


class _Shown:
    """What has been shown already."""

    def __init__(self) -> None:
        self._said = ""
        self._progress = Progress()

    def show(self, status: JobStatus) -> None:
        said = f"{status.phase}: {status.message}" if status.message else status.phase.value
        attempt = f" (attempt {status.attempt.number})" if status.attempt else ""
        if said + attempt != self._said:
            self._said = said + attempt
            self._print(said + attempt)
        if status.progress != self._progress and status.progress.step is not None:
            self._progress = status.progress
            self._print(_progress_line(status.progress))

    def _print(self, text: str) -> None:
        print(f"{datetime.now().astimezone():%H:%M:%S}  {text}", flush=True)


def _progress_line(progress: Progress) -> str:
    total = f"/{progress.total_steps}" if progress.total_steps else ""
    found = {
        "loss": progress.loss,
        "accuracy": progress.accuracy,
        "examples/s": f"{progress.examples_per_second:.0f}" if progress.examples_per_second else None,
    }
    rest = "".join(f"  {name} {value}" for name, value in found.items() if value is not None)
    return f"step {progress.step}{total}{rest}"
