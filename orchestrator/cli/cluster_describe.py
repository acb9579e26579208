"""`tfo describe` and `tfo events`: what became of a job on a cluster, in a page.

Called by `dispatch`. It tells what the API server has: status, pods, events; nothing is worked out here.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

from orchestrator.api.status import EndedAttempt, JobStatus
from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.cli import cluster, exit_codes
from orchestrator.cli.cluster import Cluster
from orchestrator.cli.cluster_arguments import JobOnCluster
from orchestrator.cli.cluster_get import age, table
from orchestrator.core import names


def describe_command(options: JobOnCluster) -> int:
    async def work(found: Cluster) -> int:
        job = await found.job(options.name)
        pods = await found.send(
            resources.list_page(resources.PODS, found.namespace, selector=names.selector(options.name))
        )
        events = await _events(found, job)
        now = datetime.now(UTC)
        for line in describe(job, pods["items"], events, now):
            print(line)
        return exit_codes.OK

    return cluster.run(options.reach, work)


def events_command(options: JobOnCluster) -> int:
    async def work(found: Cluster) -> int:
        events = await _events(found, await found.job(options.name))
        for line in _event_lines(events, datetime.now(UTC)):
            print(line)
        return exit_codes.OK

    return cluster.run(options.reach, work)


async def _events(found: Cluster, job: JsonObject) -> list[JsonObject]:
    """Of this very job, oldest first."""
    field = f"involvedObject.uid={job['metadata']['uid']}"
    listed = await found.send(resources.list_page(resources.EVENTS, found.namespace, field=field))
    return sorted(
        listed["items"], key=lambda one: str(one.get("lastTimestamp") or one.get("eventTime") or "")
    )


def describe(
    job: JsonObject, pods: list[JsonObject], events: list[JsonObject], now: datetime
) -> Iterator[str]:
    status = cluster.status_of(job)
    metadata, spec = job["metadata"], job["spec"]
    workload = (spec.get("workload") or {}).get("name")
    yield f"{metadata['namespace']}/{metadata['name']}: {status.phase}{_because(status)}"
    old = age(metadata["creationTimestamp"], now)
    yield f"  {workload or 'own program'}, {spec.get('strategy', '')}, {_roles(spec)}, {old} old"
    yield f"  restarts {status.restarts}, disruptions {status.disruptions}, resizes {status.resizes}"
    yield from _progress(status)
    yield from _section("Conditions", _conditions(status, now))
    yield from _section("Attempts", _attempts(status))
    yield from _section("Pods", _pods(pods, now))
    yield from _section("Events", list(_event_lines(events, now)))


def _because(status: JobStatus) -> str:
    return f", {status.message}" if status.message else ""


def _roles(spec: JsonObject) -> str:
    return " + ".join(
        f"{one.get('replicas', 1)} {role}" for role, one in spec["replicaSpecs"].items() if one is not None
    )


def _progress(status: JobStatus) -> Iterator[str]:
    progress = status.progress
    found = {
        "step": progress.step if progress.total_steps is None else f"{progress.step}/{progress.total_steps}",
        "epoch": progress.epoch,
        "loss": progress.loss,
        "accuracy": progress.accuracy,
        "examples/s": f"{progress.examples_per_second:.0f}" if progress.examples_per_second else None,
        "checkpoint": status.checkpoint.step if status.checkpoint else None,
    }
    text = ", ".join(f"{name} {value}" for name, value in found.items() if value is not None)
    if text:
        yield f"  {text}"


def _section(title: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield f"{title}:"
        yield from (f"  {line}" for line in lines)


def _conditions(status: JobStatus, now: datetime) -> list[str]:
    rows = [
        (
            one.type.value,
            str(one.status),
            age(one.last_transition_time.isoformat(), now),
            one.reason,
            one.message,
        )
        for one in status.conditions
    ]
    return table([("TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"), *rows]) if rows else []


def _attempts(status: JobStatus) -> list[str]:
    rows = [_attempt_row(one) for one in status.attempts]
    if status.attempt is not None:
        opened = status.attempt
        rows.append(
            (str(opened.number), "open", f"{len(opened.members)} members", _from(opened.restore_step), "")
        )
    return table([("NUMBER", "CAUSE", "MEMBER", "FROM STEP", "MESSAGE"), *rows]) if rows else []


def _attempt_row(one: EndedAttempt) -> tuple[str, str, str, str, str]:
    return (str(one.number), one.cause.value, one.member or "-", _from(one.restore_step), one.message)


def _from(step: int | None) -> str:
    return "0" if step is None else str(step)


def _pods(pods: list[JsonObject], now: datetime) -> list[str]:
    rows = [
        (
            one["metadata"]["name"],
            one.get("status", {}).get("phase", "-"),
            one["spec"].get("nodeName") or "-",
            age(one["metadata"]["creationTimestamp"], now),
        )
        for one in pods
    ]
    return table([("NAME", "PHASE", "NODE", "AGE"), *rows]) if rows else []


def _event_lines(events: list[JsonObject], now: datetime) -> list[str]:
    rows = [
        (
            age(str(one.get("lastTimestamp") or one.get("eventTime")), now),
            one.get("type", ""),
            one.get("reason", ""),
            one.get("message", ""),
        )
        for one in events
    ]
    return table([("AGE", "TYPE", "REASON", "MESSAGE"), *rows]) if rows else []
