"""`tfo get`: jobs of a cluster in a table, or one as the server has it.

Called by `dispatch`. The columns are those of `kubectl get tfo`.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import yaml

from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.cli import cluster, exit_codes
from orchestrator.cli.cluster import Cluster
from orchestrator.cli.cluster_arguments import JobOnCluster

_COLUMNS = ("NAME", "PHASE", "READY", "STEP", "LOSS", "ACCURACY", "RESTARTS", "AGE")
_WIDE = ("ATTEMPT", "CHECKPOINT", "MESSAGE")


def get_command(options: JobOnCluster) -> int:
    async def work(found: Cluster) -> int:
        if options.name:
            jobs = [await found.job(options.name)]
        else:
            jobs = await _all(found, options.all_namespaces)
        if options.output in ("json", "yaml"):
            _print_document(jobs, options)
        else:
            _print_table(jobs, found, options)
        return exit_codes.OK

    return cluster.run(options.reach, work)


async def _all(found: Cluster, everywhere: bool) -> list[JsonObject]:
    jobs: list[JsonObject] = []
    following = ""
    while True:
        request = resources.list_page(
            resources.JOBS, None if everywhere else found.namespace, following=following
        )
        page = await found.send(request)
        jobs += page["items"]
        following = page["metadata"].get("continue") or ""
        if not following:
            return jobs


def _print_document(jobs: list[JsonObject], options: JobOnCluster) -> None:
    found: JsonObject = jobs[0] if options.name else {"apiVersion": "v1", "kind": "List", "items": jobs}
    is_json = options.output == "json"
    print(
        json.dumps(found, indent=2) if is_json else yaml.safe_dump(found, sort_keys=False),
        end="\n" if is_json else "",
    )


def _print_table(jobs: list[JsonObject], found: Cluster, options: JobOnCluster) -> None:
    if not jobs:
        where = "the cluster" if options.all_namespaces else f"namespace {found.namespace}"
        print(f"no jobs in {where}")
        return
    is_wide = options.output == "wide"
    header = (
        *(("NAMESPACE",) if options.all_namespaces else ()),
        *_COLUMNS,
        *(_WIDE if is_wide else ()),
    )
    now = datetime.now(UTC)
    rows = [_row(job, now, is_wide, options.all_namespaces) for job in jobs]
    for line in table([header, *rows]):
        print(line)


def _row(job: JsonObject, now: datetime, is_wide: bool, with_namespace: bool) -> tuple[str, ...]:
    status = job.get("status") or {}
    progress = status.get("progress") or {}
    cells = [
        job["metadata"]["name"],
        status.get("phase", "-"),
        status.get("ready", "-"),
        _text(progress.get("step")),
        _text(progress.get("loss")),
        _text(progress.get("accuracy")),
        _text(status.get("restarts", 0)),
        age(job["metadata"]["creationTimestamp"], now),
    ]
    if is_wide:
        attempt, checkpoint = status.get("attempt") or {}, status.get("checkpoint") or {}
        cells += [_text(attempt.get("number")), _text(checkpoint.get("step")), status.get("message", "")]
    return (*((job["metadata"]["namespace"],) if with_namespace else ()), *cells)


def _text(value: object) -> str:
    return "-" if value is None else str(value)


def table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Columns as wide as their longest cell."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "   ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def age(timestamp: str, now: datetime) -> str:
    """As kubectl says it: 45s, 12m, 3h, 2d."""
    seconds = max(0, int((now - datetime.fromisoformat(timestamp)).total_seconds()))
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "m"), (172800, 3600, "h")):
        if seconds < limit:
            return f"{seconds // size}{unit}"
    return f"{seconds // 86400}d"
