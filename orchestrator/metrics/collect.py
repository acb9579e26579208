"""Everything that is exported at one moment, as points, within the cap on series.

`exporter` calls it for every scrape, `runlog` for the final files. Over the cap whole jobs, then their replicas, are
left out, always the same ones, and what was left out is counted once.
"""

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from importlib import metadata

from orchestrator.metrics import points
from orchestrator.metrics.points import Point
from orchestrator.metrics.samples import AgentNumbers, AgentSource, StoreSample
from orchestrator.metrics.store import Store

MAX_SERIES = 20_000
Clock = Callable[[], datetime]


class Cap:
    """Lets points pass until there are too many series; remembers what it has counted as dropped."""

    def __init__(self, max_series: int) -> None:
        self._max = max_series
        self._counted: dict[tuple[str, str], int] = {}
        self._passed = 0
        self._seen: set[tuple[str, str]] = set()
        self.dropped = 0

    def begin(self) -> None:
        self._passed = 0
        self._seen = set()

    def admit(
        self, key: tuple[str, str], candidates: Iterator[Point], *, is_wanted: bool = True
    ) -> list[Point]:
        """All or none of them; those that are not wanted count as dropped too."""
        found = list(candidates)
        series = sum(point.series for point in found)
        if is_wanted and self._passed + series <= self._max:
            self._passed += series
            return found
        self._seen.add(key)
        counted = self._counted.get(key, 0)
        self.dropped += max(series - counted, 0)
        self._counted[key] = max(series, counted)
        return []

    def end(self) -> None:
        """Forgets what is gone, so that nothing grows for ever."""
        self._counted = {key: count for key, count in self._counted.items() if key in self._seen}


class Collection:
    """The points of a store; one per exporter, safe to call from several threads."""

    def __init__(
        self, store: Store, clock: Clock, agents: AgentSource | None = None, max_series: int = MAX_SERIES
    ) -> None:
        self._store = store
        self._clock = clock
        self._agents = agents
        self._cap = Cap(max_series)
        self._versions = {"k8s_client": _version_of("kubernetes")}
        self._lock = threading.Lock()

    def collect(self) -> list[Point]:
        numbers = self._agents() if self._agents else AgentNumbers()
        with self._lock:
            sample = self._store.sample(self._clock())
            return [
                *points.of_build(self._versions),
                *points.of_agents(numbers),
                *self._of_jobs(sample),
                Point("tfo_metrics_dropped_series_total", (), self._cap.dropped),
            ]

    def _of_jobs(self, sample: StoreSample) -> list[Point]:
        self._cap.begin()
        found = []
        for namespace in sample.namespaces:
            found += self._cap.admit(("namespace", namespace.namespace), points.of_namespace(namespace))
        shown = set()
        for job in sample.jobs:
            if admitted := self._cap.admit(("job", job.key.uid), points.of_job(job)):
                shown.add(job.key.uid)
                found += admitted
        for job in sample.jobs:
            is_shown = job.key.uid in shown
            found += self._cap.admit(("replicas", job.key.uid), points.of_replicas(job), is_wanted=is_shown)
        self._cap.end()
        return found


def _version_of(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
