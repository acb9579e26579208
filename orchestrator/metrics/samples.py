"""The frozen values that the store hands out: what is known of a job, a replica, the fleet, at one moment.

`store` makes them, `points` turns them into metric points, `cli.view` shows them. No behaviour, no Prometheus.
"""

from collections.abc import Callable, Mapping
from datetime import datetime

import msgspec

from orchestrator.api.status import JobStatus, Progress
from orchestrator.api.types import Role
from orchestrator.metrics.counts import Counts


class JobKey(msgspec.Struct, frozen=True, order=True):
    """Which job: a namespace ("local" for local runs), a name, and the UID that no other job ever has."""

    namespace: str
    name: str
    uid: str


class Histogram(msgspec.Struct, frozen=True):
    """Counts per bucket (not cumulated; one more than bounds, for +Inf) and the sum of all values."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    sum: float


class ReplicaSample(msgspec.Struct, frozen=True, kw_only=True):
    """A replica's latest telemetry. `step_seconds`: mean over the last half minute, None when none was done.

    `lost_lines`: of its output, over all attempts.
    """

    role: Role
    index: int
    attempt: int
    heartbeat: datetime
    step: int | None = None
    step_seconds: float | None = None
    busy: str = ""
    lost_lines: int = 0

    @property
    def name(self) -> str:
        return f"{self.role.value}-{self.index}"


class TrainingSample(msgspec.Struct, frozen=True, kw_only=True):
    """What the reports of one job say, folded. Ratios lie in 0-1; None: not measured (yet)."""

    progress: Progress = Progress()
    metrics: tuple[tuple[str, float], ...] = ()
    counts: Counts = Counts()
    steps: int = 0
    non_finite: int = 0
    progress_ratio: float | None = None
    eta_seconds: float | None = None
    input_wait_ratio: float | None = None
    step_skew_ratio: float | None = None
    goodput_ratio: float | None = None
    replicas: tuple[ReplicaSample, ...] = ()


class LifeSample(msgspec.Struct, frozen=True, kw_only=True):
    """What the recorded status of one job says. Keys of `restarts` and `disruptions`: (reason, replica type)."""

    strategy: str
    queue: str
    status: JobStatus
    restarts: tuple[tuple[tuple[str, str], int], ...] = ()
    disruptions: tuple[tuple[tuple[str, str], int], ...] = ()
    resizes: int = 0
    lost_steps: int = 0


class JobSample(msgspec.Struct, frozen=True, kw_only=True):
    """One job at one moment; `life` is None until its status was observed."""

    key: JobKey
    training: TrainingSample
    life: LifeSample | None = None


class NamespaceSample(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in one namespace since this process started. Histograms and results are sorted by result."""

    namespace: str
    phases: tuple[tuple[str, int], ...]
    created: int
    finished: tuple[tuple[str, int], ...]
    durations: tuple[tuple[str, Histogram], ...]
    submit_to_running: Histogram
    submit_to_first_step: Histogram


class StoreSample(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the store knows at one moment, sorted."""

    jobs: tuple[JobSample, ...] = ()
    namespaces: tuple[NamespaceSample, ...] = ()


class AgentNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """What the coordinator counts: agents with an open stream, messages by result, refusals by reason."""

    connected: int = 0
    messages: Mapping[str, int] = {}
    auth_failures: Mapping[str, int] = {}


AgentSource = Callable[[], AgentNumbers]
"""How the exporter asks the coordinator; called from the rendering thread."""
