"""`tfo submit`: a job, checked here and created there; `cluster_watch` shows it to its end if that is asked for.

Called by `dispatch`.
"""

import yaml

from orchestrator.api.dump import dump
from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import ApiError, Request
from orchestrator.cli import cluster, exit_codes, jobs, wording
from orchestrator.cli.arguments import SubmitOptions
from orchestrator.cli.cluster import Cluster
from orchestrator.cli.cluster_arguments import words_of
from orchestrator.cli.cluster_watch import watch
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
        job = await target.send(_request(namespace, placed, options.dry_run == "server"))
    except ApiError as error:
        if error.reason == "AlreadyExists":
            raise Refused(
                f"namespace {namespace} has a job {name!r} already; delete it (tfo delete {name} -n {namespace}), or "
                "give this one another name: --name"
            ) from None
        raise
    if options.watch and not options.dry_run:
        return await watch(target, job, options.output, options.reach)
    kept = " (server dry run)" if options.dry_run else ""
    print(f"{namespace}/{name} created{kept}", flush=True)
    if not options.dry_run:
        where = words_of(options.reach, namespace)
        print(f"  follow it: {wording.command('tfo', 'logs', name, *where, '-f')}")
        print(f"  its story: {wording.command('tfo', 'describe', name, *where)}")
    return exit_codes.OK


def _request(namespace: str, document: JsonObject, is_dry: bool) -> Request:
    request = resources.create(resources.JOBS, namespace, document, strict=True)
    query = (*request.query, *((("dryRun", "All"),) if is_dry else ()))
    return Request(method=request.method, path=request.path, query=query, body=request.body)
