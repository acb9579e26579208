"""What the controller counts of itself, as points for the exporter: queue, requests, caches, election.

Made by `controller.program`; `points` is called from the thread that renders metrics and only reads.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from orchestrator.backends.kubernetes.backend import KubernetesBackend
from orchestrator.controller.pulse import Pulse
from orchestrator.controller.queue import Queue
from orchestrator.metrics.histogram import TURN_SECONDS, GrowingHistogram
from orchestrator.metrics.points import Point

NAME = "tensorflowjob"
RESULTS = ("success", "requeue", "requeue_after", "error")


class Requests:
    """Told of every request by the transport."""

    def __init__(self, server: str) -> None:
        self._host = urlsplit(server).netloc
        self._counts: Counter[tuple[str, str]] = Counter()
        self._durations: dict[str, GrowingHistogram] = defaultdict(lambda: GrowingHistogram(TURN_SECONDS))

    def observe(self, method: str, code: str, seconds: float) -> None:
        self._counts[method, code] += 1
        self._durations[method].observe(seconds)

    def points(self) -> Iterator[Point]:
        for (method, code), count in sorted(self._counts.copy().items()):
            yield Point("rest_client_requests_total", (code, self._host, method), count)
        for method, found in sorted(self._durations.copy().items()):
            labels = (self._host, method)
            yield Point("rest_client_request_duration_seconds", labels, found.sample)


class Numbers:
    """`is_leading`, `lost`: asked at every scrape. `workers`: how many turns may run."""

    def __init__(
        self,
        queue: Queue,
        workers: int,
        backend: KubernetesBackend,
        requests: Requests,
        lost: Callable[[], int],
        pulse: Pulse,
    ) -> None:
        self._pulse = pulse
        self._queue, self._workers, self._backend = queue, workers, backend
        self._requests, self._lost = requests, lost
        self.lease = ""
        self.is_leading: Callable[[], bool] = lambda: False

    def points(self) -> list[Point]:
        return [
            *self._of_queue(),
            *self._of_turns(),
            *self._requests.points(),
            *self._of_caches(),
            *self._pulse.points(),
            Point("leader_election_master_status", (self.lease,), float(self.is_leading())),
            Point("tfo_events_lost_total", (), self._lost()),
        ]

    def _of_queue(self) -> Iterator[Point]:
        labels, numbers = (NAME, NAME), self._queue.numbers
        yield Point("workqueue_depth", labels, self._queue.depth)
        yield Point("workqueue_adds_total", labels, numbers.adds)
        yield Point("workqueue_retries_total", labels, numbers.retries)
        yield Point("workqueue_queue_duration_seconds", labels, numbers.waited.sample)
        yield Point("workqueue_work_duration_seconds", labels, numbers.worked.sample)
        yield Point("workqueue_longest_running_processor_seconds", labels, self._queue.longest_seconds)

    def _of_turns(self) -> Iterator[Point]:
        numbers = self._queue.numbers
        for result in RESULTS:
            yield Point("controller_runtime_reconcile_total", (NAME, result), numbers.results[result])
        yield Point("controller_runtime_reconcile_errors_total", (NAME,), numbers.errors)
        yield Point("controller_runtime_active_workers", (NAME,), self._queue.running)
        yield Point("controller_runtime_max_concurrent_reconciles", (NAME,), self._workers)

    def _of_caches(self) -> Iterator[Point]:
        for name, cache in self._backend.caches.items():
            reflectors = [one for one in self._backend.reflectors if one.resource.plural == name]
            yield Point("tfo_cache_objects", (name,), len(cache))
            yield Point("tfo_cache_lists_total", (name,), sum(one.lists for one in reflectors))
            yield Point("tfo_cache_events_total", (name,), sum(one.events for one in reflectors))
            yield Point("tfo_cache_errors_total", (name,), sum(one.errors for one in reflectors))
