"""`tfo logs` of a job on a cluster: its pods' logs, of one seat or of all, once or until the job has ended.

Called by `logs`. A seat whose pod is replaced goes on with the next one.
"""

import asyncio
import sys

from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import ApiError, Request, Unreachable
from orchestrator.cli import cluster, exit_codes
from orchestrator.cli.arguments import LogsOptions
from orchestrator.cli.cluster import Cluster
from orchestrator.cli.cluster_wait import Absence, follow
from orchestrator.cli.errors import Refused
from orchestrator.core import names

_AGAIN_SECONDS = 1.0
_SILENCE_SECONDS = 3600.0
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


def logs_command(options: LogsOptions) -> int:
    """Raises Refused."""
    if options.attempt is not None:
        raise Refused("--attempt is for runs on this machine: the log of a pod does not tell attempts apart")

    async def work(found: Cluster) -> int:
        job = await found.job(options.run)
        seats = {seat: container_of(job, seat) for seat in _seats(job, options.replica)}
        printer = _Printer(list(seats), with_names=not options.replica)
        if not options.follow:
            for seat, container in seats.items():
                await _print_once(found, options, (seat, container), printer)
            return exit_codes.OK
        return await _follow_all(found, options, seats, printer)

    return cluster.run(options.reach, work)


def _seats(job: JsonObject, replica: str) -> list[str]:
    """Raises Refused for a replica that the job has not got."""
    roles = job["spec"]["replicaSpecs"]
    known = [
        f"{role}-{index}"
        for role in ("chief", "worker", "ps", "evaluator")
        for index in range((roles.get(role) or {}).get("replicas", 0))
    ]
    if replica and replica not in known:
        raise Refused(f"{job['metadata']['name']} has no replica {replica!r}; it has {', '.join(known[:10])}")
    return [replica] if replica else known


def _request(found: Cluster, pod: str, container: str, options: LogsOptions, since: str) -> Request:
    """A log that is followed has the times of its lines, so that nothing is printed twice after a break."""
    query = [("container", container)]
    if options.follow:
        query += [("follow", "true"), ("timestamps", "true")]
    if since:
        query.append(("sinceTime", since))
    elif options.tail is not None:
        query.append(("tailLines", str(options.tail)))
    path = resources.PODS.path(found.namespace, pod, "log")
    return Request(method="GET", path=path, query=tuple(query), accept="*/*")


def container_of(job: JsonObject, seat: str) -> str:
    """The one that trains: named as ours is, else the first."""
    role = seat.rpartition("-")[0]
    own = job["spec"]["replicaSpecs"][role].get("template") or job["spec"].get("template") or {}
    found = [one["name"] for one in (own.get("spec") or {}).get("containers") or ()]
    return names.CONTAINER if names.CONTAINER in found or not found else str(found[0])


async def _print_once(
    found: Cluster, options: LogsOptions, place: tuple[str, str], printer: "_Printer"
) -> None:
    """`place`: seat and container."""
    seat, container = place
    try:
        answer = await found.api.send(_request(found, f"{options.run}-{seat}", container, options, ""))
    except ApiError as error:
        print(f"tfo logs: {seat}: {error.message}", file=sys.stderr)
        return
    for line in answer.body.splitlines():
        printer.print(seat, line)
    printer.flush()


async def _follow_all(
    found: Cluster, options: LogsOptions, seats: dict[str, str], printer: "_Printer"
) -> int:
    """Until the job has ended, or is gone."""
    tasks = [asyncio.create_task(_follow_seat(found, options, one, printer)) for one in seats.items()]
    try:
        async for job in follow(found, options.run):
            if isinstance(job, Absence) or cluster.status_of(job).phase.is_final:
                break
        await asyncio.wait(tasks, timeout=_AGAIN_SECONDS)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return exit_codes.OK


async def _follow_seat(
    found: Cluster, options: LogsOptions, place: tuple[str, str], printer: "_Printer"
) -> None:
    """One pod after the other; what is not there yet, or not any more, is asked for again."""
    seat, container = place
    seen = Unrepeated()
    while True:
        request = _request(found, f"{options.run}-{seat}", container, options, seen.last.decode())
        seen.begin()
        try:
            async with found.api.lines(request, silence_seconds=_SILENCE_SECONDS) as lines:
                async for line in lines:
                    moment, _, text = line.partition(b" ")
                    if seen.is_new(moment):
                        printer.print(seat, text)
                        printer.flush()
        except (ApiError, Unreachable):
            pass  # not started yet, or replaced
        await asyncio.sleep(_AGAIN_SECONDS)


class Unrepeated:
    """Which lines of a log are new: after a break it begins with some that were printed before. Several may have one
    time, as some container runtimes stamp everything that they read at once.

    `last`: of the newest line."""

    def __init__(self) -> None:
        self.last = b""
        self._of_last = 0
        self._since = b""
        self._left = 0

    def begin(self) -> None:
        """The log is read anew, from `last` on."""
        self._since, self._left = self.last, self._of_last

    def is_new(self, moment: bytes) -> bool:
        if moment < self._since:
            return False
        if moment == self._since and self._left:
            self._left -= 1
            return False
        self._of_last = self._of_last + 1 if moment == self.last else 1
        self.last = moment
        return True


class _Printer:
    """Each line with its replica's name, as `tfo logs` of a run has it."""

    def __init__(self, seats: list[str], *, with_names: bool) -> None:
        self._width = max(map(len, seats), default=0)
        self._with_names = with_names
        self._is_coloured = sys.stdout.isatty()
        self._colours = {seat: _COLOURS[number % len(_COLOURS)] for number, seat in enumerate(seats)}

    def print(self, seat: str, line: bytes) -> None:
        sys.stdout.buffer.write((self._prefix(seat) if self._with_names else b"") + line + b"\n")

    def flush(self) -> None:
        sys.stdout.buffer.flush()

    def _prefix(self, seat: str) -> bytes:
        text = f"{seat.ljust(self._width)} | "
        return (f"\x1b[{self._colours[seat]}m{text}\x1b[0m" if self._is_coloured else text).encode()
