"""Counters and histograms of whole jobs per namespace, since this process started; part of `store`.

Counts only transitions that this process saw, so a restarted controller does not count a job twice.
"""

from orchestrator.api.status import Phase
from orchestrator.metrics.histogram import JOB_SECONDS, START_SECONDS, GrowingHistogram
from orchestrator.metrics.samples import JobSample, NamespaceSample

RESULTS = {Phase.SUCCEEDED: "succeeded", Phase.FAILED: "failed", Phase.STOPPED: "cancelled"}
WRITTEN_PHASES = tuple(phase for phase in Phase if phase is not Phase.LOST)
"""Lost is only said by `tfo ps`, never recorded."""


class _Namespace:
    def __init__(self) -> None:
        self.created = 0
        self.finished = dict.fromkeys(sorted(RESULTS.values()), 0)
        self.durations = {result: GrowingHistogram(JOB_SECONDS) for result in self.finished}
        self.to_running = GrowingHistogram(START_SECONDS)
        self.to_first_step = GrowingHistogram(START_SECONDS)


class Fleet:
    """What happened to jobs, per namespace."""

    def __init__(self) -> None:
        self._namespaces: dict[str, _Namespace] = {}

    def observe_created(self, namespace: str, watched_from_start: bool) -> None:
        self._namespace(namespace).created += watched_from_start

    def observe_running(self, namespace: str, seconds: float) -> None:
        self._namespace(namespace).to_running.observe(seconds)

    def observe_first_step(self, namespace: str, seconds: float) -> None:
        self._namespace(namespace).to_first_step.observe(seconds)

    def observe_finished(self, namespace: str, phase: Phase, seconds: float) -> None:
        known = self._namespace(namespace)
        known.finished[RESULTS[phase]] += 1
        known.durations[RESULTS[phase]].observe(seconds)

    def sample(self, jobs: tuple[JobSample, ...]) -> tuple[NamespaceSample, ...]:
        return tuple(_sample(name, self._namespaces[name], jobs) for name in sorted(self._namespaces))

    def _namespace(self, name: str) -> _Namespace:
        return self._namespaces.setdefault(name, _Namespace())


def _sample(name: str, known: _Namespace, jobs: tuple[JobSample, ...]) -> NamespaceSample:
    phases = [job.life.status.phase for job in jobs if job.life and job.key.namespace == name]
    return NamespaceSample(
        namespace=name,
        phases=tuple((phase.value, phases.count(phase)) for phase in WRITTEN_PHASES),
        created=known.created,
        finished=tuple(known.finished.items()),
        durations=tuple((result, each.sample) for result, each in known.durations.items()),
        submit_to_running=known.to_running.sample,
        submit_to_first_step=known.to_first_step.sample,
    )
