"""`tfo submit --watch`: a job on a cluster in the views of `tfo run`, fed by watches of the job and of its pods.

Called by `cluster_submit`. Only listens and passes on: `cluster_view` and `cluster_news` work out what is shown.
Whatever the network does, it goes on as soon as it can and says so; Ctrl-C ends only the watching.
"""

import asyncio
import sys
import threading
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from orchestrator.api.status import JobStatus
from orchestrator.api.types import JsonObject
from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import ApiError, Unreachable
from orchestrator.backends.kubernetes.backoff import Backoff
from orchestrator.backends.kubernetes.cache import Cache
from orchestrator.backends.kubernetes.objects import Pod
from orchestrator.backends.kubernetes.reflector import Reflector
from orchestrator.cli import cluster, cluster_news, cluster_view, signals, wording
from orchestrator.cli.arguments import Output
from orchestrator.cli.cluster import Cluster
from orchestrator.cli.cluster_arguments import Reach, words_of
from orchestrator.cli.cluster_wait import Absence, follow
from orchestrator.cli.rendering import renderer_for
from orchestrator.cli.summary import Summary
from orchestrator.cli.view import Renderer, RunInfo
from orchestrator.core import names

REFRESH_SECONDS = 0.25
"""What becomes of pods is shown as often as this: a thousand of them come one by one."""
AGAIN_SECONDS = (0.5, 15.0)
"""Between two requests to a server that does not answer: at first, and at most."""
UNSEEN_SECONDS = 15.0
"""Then it is said that no controller seems to run."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class _Leaving:
    """What a signal does: the first ends the watching, the next one also does not wait for whoever reads."""

    def __init__(self, task: asyncio.Task[object]) -> None:
        self._task, self._loop = task, asyncio.get_running_loop()
        self.number: int | None = None
        self.leave = threading.Event()

    def __call__(self, number: int) -> None:
        if self.number is not None:
            self.leave.set()
            return
        self.number = number
        self._loop.call_soon_threadsafe(self._task.cancel)


async def watch(found: Cluster, job: JsonObject, output: Output, reach: Reach) -> int:
    """`job`: as it was created. The exit code is that of the job's end."""
    task = asyncio.current_task()
    if task is None:
        raise RuntimeError("a coroutine runs in a task")
    leaving = _Leaving(task)
    name = job["metadata"]["name"]
    renderer = renderer_for(output, sys.stdout, name, None, leaving.leave, namespace=found.namespace)
    watching = _Watching(found, job, renderer, reach)
    with signals.GivenTo(leaving):
        try:
            with renderer:
                return await watching.run()
        except asyncio.CancelledError:
            if watching.code is not None:
                return watching.code
            _say_left(words_of(reach, found.namespace), name)
            if leaving.number is None:
                raise
            return int(signals.CODES[leaving.number])


def _say_left(reach: tuple[str, ...], name: str) -> None:
    with suppress(OSError):
        ending = wording.command("tfo", "delete", name, *reach)
        print(f"\nnot watching any more; the job goes on ({ending} ends it)", file=sys.stderr)


@dataclass(frozen=True)
class _Seen:
    """What is known of the job."""

    info: RunInfo
    status: JobStatus
    pace: cluster_view.Pace


class _Watching:
    """One job, from its creation to its end. `code`: the exit code, once that is known."""

    def __init__(self, found: Cluster, job: JsonObject, renderer: Renderer, reach: Reach) -> None:
        self._found, self._job, self._renderer = found, job, renderer
        self._reach = words_of(reach, found.namespace)
        self._seen = _Seen(cluster_view.info_of(job), JobStatus(), cluster_view.Pace())
        self._pods: Cache[Pod] = Cache(lambda pod: names.LABEL_JOB)
        self._reflector = Reflector(
            found.api,
            resources.PODS,
            Pod,
            self._pods,
            namespace=found.namespace,
            label_selector=names.selector(job["metadata"]["name"]),
        )
        self._backoff = Backoff(*AGAIN_SECONDS)
        self.code: int | None = None
        self._is_lost = False
        self._said: set[str] = set()

    async def run(self) -> int:
        title = self._seen.info.title
        self._renderer.note(f"{title} created", utc_now())
        beside = [asyncio.create_task(self._reflector.run()), asyncio.create_task(self._tick())]
        try:
            return await self._follow()
        finally:
            for one in beside:
                one.cancel()
            await asyncio.gather(*beside, return_exceptions=True)

    async def _follow(self) -> int:
        name = self._seen.info.name
        absence: Absence | None = None
        async with aclosing(follow(self._found, name, self._job, self._wait_for_server)) as states:
            async for job in states:
                self._say_found()
                if isinstance(job, Absence):
                    absence = job
                    break
                self._take(job)
                if self._seen.status.phase.is_final:
                    break
        summary = self._summary(absence)
        self.code = summary.exit_code
        self._renderer.close(summary)
        return summary.exit_code

    def _summary(self, absence: Absence | None) -> Summary:
        seen, now = self._seen, utc_now()
        if absence is Absence.DELETED:
            return cluster_view.summary_of_deleted(seen.info, seen.status, now)
        if absence is Absence.MISSED:
            return cluster_view.summary_of_missed(seen.info, seen.status, now)
        return cluster_view.summary_of(seen.info, seen.status, self._reach, now)

    def _take(self, job: JsonObject) -> None:
        """A new state of the job: first what happened, then how it stands; but its end is told last."""
        before, status, now = self._seen, cluster.status_of(job), utc_now()
        info = cluster_view.info_of(job)
        self._seen = _Seen(info, status, cluster_view.fold_pace(before.pace, status))
        if status.phase.is_final:
            self._refresh()
        for event in cluster_news.news(before.status, status, info.job.spec, now):
            self._renderer.told(event)
        if not status.phase.is_final:
            self._refresh()

    def _refresh(self) -> None:
        seen, reflector = self._seen, self._reflector
        is_blind = not reflector.synced.is_set() and bool(reflector.trouble)
        pods = None if is_blind else self._pods.all()
        self._renderer.refresh(cluster_view.view_of(seen.info, seen.status, pods, seen.pace, utc_now()))
        if is_blind:
            self._say_once(f"its pods cannot be seen: {reflector.trouble}")

    async def _tick(self) -> None:
        """Time passes also where nothing happens."""
        while True:
            self._refresh()
            is_unseen = not self._seen.status.conditions
            if is_unseen and (utc_now() - self._seen.info.started).total_seconds() > UNSEEN_SECONDS:
                self._say_once(f"{cluster_view.NO_CONTROLLER}; does tfo-controller run?")
            await asyncio.sleep(REFRESH_SECONDS)

    async def _wait_for_server(self, error: Unreachable | ApiError) -> None:
        """Raises what asking again does not mend."""
        if isinstance(error, ApiError) and not error.is_transient:
            raise error
        if not self._is_lost:
            self._is_lost = True
            words = error.message if isinstance(error, ApiError) else str(error)
            self._renderer.note(
                f"the API server does not answer ({words}); what is shown is how it was", utc_now()
            )
        await asyncio.sleep(self._backoff.next(error.retry_after if isinstance(error, ApiError) else None))

    def _say_found(self) -> None:
        if self._is_lost:
            self._is_lost = False
            self._renderer.note("the API server answers again", utc_now())
        self._backoff.reset()

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._renderer.note(text, utc_now())
