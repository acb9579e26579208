"""From samples to points: which series there are, with which labels and values; pure.

`collect` asks for the points of each job and of everything else; `exporter` turns them into Prometheus families.
What was not measured has no point: nothing is shown as 0 or NaN that is not known.
"""

import platform
import re
from collections.abc import Iterator, Mapping

import msgspec

from orchestrator.api.status import JobStatus
from orchestrator.metrics.fleet import WRITTEN_PHASES
from orchestrator.metrics.registry import EVERY
from orchestrator.metrics.samples import (
    AgentNumbers,
    Histogram,
    JobKey,
    JobSample,
    LifeSample,
    NamespaceSample,
    ReplicaSample,
    TrainingSample,
)
from orchestrator.protocol.datagrams import SAVE_BUCKETS, STEP_BUCKETS
from orchestrator.version import __version__

MAX_REPLICAS = 64
MAX_LABEL_VALUES = 16
OWN_GAUGES = ("loss", "accuracy")
_BOUNDED = re.compile(r"[a-z][a-z0-9_]{0,63}")

Value = float | Histogram


class Point(msgspec.Struct, frozen=True):
    """One labelled value of a metric in the registry; a histogram is several series."""

    name: str
    labels: tuple[str, ...]
    value: Value

    def __post_init__(self) -> None:
        if len(self.labels) != len(EVERY[self.name].labels):
            raise ValueError(f"{self.name} has the labels {EVERY[self.name].labels}, not {self.labels}")

    @property
    def series(self) -> int:
        if isinstance(self.value, Histogram):
            return len(self.value.counts) + 2
        return 1


def of_build(versions: Mapping[str, str]) -> Iterator[Point]:
    labels = (
        __version__,
        versions.get("commit", ""),
        platform.python_version(),
        versions.get("k8s_client", ""),
    )
    yield Point("tfo_build_info", labels, 1)


def of_namespace(sample: NamespaceSample) -> Iterator[Point]:
    label = (sample.namespace,)
    for phase, jobs in sample.phases:
        yield Point("tfo_jobs", (*label, phase), jobs)
    yield Point("tfo_jobs_created_total", label, sample.created)
    for result, jobs in sample.finished:
        yield Point("tfo_jobs_finished_total", (*label, result), jobs)
    for result, durations in sample.durations:
        yield Point("tfo_job_duration_seconds", (*label, result), durations)
    yield Point("tfo_job_submit_to_running_seconds", label, sample.submit_to_running)
    yield Point("tfo_job_submit_to_first_step_seconds", label, sample.submit_to_first_step)


def of_agents(numbers: AgentNumbers) -> Iterator[Point]:
    yield Point("tfo_agent_connected", (), numbers.connected)
    for result, count in _bounded(numbers.messages):
        yield Point("tfo_agent_messages_total", (result,), count)
    for reason, count in _bounded(numbers.auth_failures):
        yield Point("tfo_agent_auth_failures_total", (reason,), count)


def of_job(sample: JobSample) -> Iterator[Point]:
    labels = _labels(sample.key)
    if sample.life is not None:
        yield from _of_life(sample.key, sample.life)
    yield from _of_progress(labels, sample.training)
    yield from _of_counts(labels, sample.training)


def of_replicas(sample: JobSample) -> Iterator[Point]:
    """Nothing for larger jobs: cardinality is worth more than completeness."""
    if len(sample.training.replicas) <= MAX_REPLICAS:
        for replica in sample.training.replicas:
            yield from _of_replica(_labels(sample.key), replica)


def _labels(key: JobKey) -> tuple[str, str]:
    return key.namespace, key.name


def _of_life(key: JobKey, life: LifeSample) -> Iterator[Point]:
    labels = _labels(key)
    yield Point("tfo_job_info", (*labels, key.uid, life.strategy, life.queue), 1)
    for phase in WRITTEN_PHASES:
        yield Point("tfo_job_status_phase", (*labels, phase.value), phase is life.status.phase)
    yield from _of_replica_counts(labels, life.status)
    for (reason, replica_type), count in life.restarts:
        yield Point("tfo_job_restarts_total", (*labels, replica_type, reason), count)
    for (reason, replica_type), count in life.disruptions:
        yield Point("tfo_job_disruptions_total", (*labels, replica_type, reason), count)
    yield Point("tfo_job_resizes_total", labels, life.resizes)
    yield Point("tfo_job_lost_steps_total", labels, life.lost_steps)
    if (checkpoint := life.status.checkpoint) is not None:
        yield Point("tfo_job_checkpoint_last_timestamp_seconds", labels, checkpoint.time.timestamp())
        yield Point("tfo_job_checkpoint_last_step", labels, checkpoint.step)


def _of_replica_counts(labels: tuple[str, str], status: JobStatus) -> Iterator[Point]:
    for replica_type, counts in sorted(status.replica_statuses.items()):
        for state in ("desired", "ready", "failed", "succeeded"):
            yield Point("tfo_job_replicas", (*labels, replica_type, state), getattr(counts, state))


def _of_progress(labels: tuple[str, str], training: TrainingSample) -> Iterator[Point]:
    metrics = dict(training.metrics)
    measured = {
        "tfo_job_step": training.progress.step,
        "tfo_job_epoch": training.progress.epoch,
        "tfo_job_progress_ratio": training.progress_ratio,
        "tfo_job_eta_seconds": training.eta_seconds,
        "tfo_job_examples_per_second": training.progress.examples_per_second,
        "tfo_job_loss": metrics.get("loss"),
        "tfo_job_accuracy": metrics.get("accuracy"),
        "tfo_job_input_wait_ratio": training.input_wait_ratio,
        "tfo_job_worker_step_skew_ratio": training.step_skew_ratio,
        "tfo_job_goodput_ratio": training.goodput_ratio,
    }
    for name, value in measured.items():
        if value is not None:
            yield Point(name, labels, value)
    for metric, value in training.metrics:
        if metric not in OWN_GAUGES:
            yield Point("tfo_job_metric", (*labels, metric), value)


def _of_counts(labels: tuple[str, str], training: TrainingSample) -> Iterator[Point]:
    counts = training.counts
    steps = Histogram(STEP_BUCKETS, counts.step_buckets, counts.step_seconds)
    yield Point("tfo_job_steps_total", labels, training.steps)
    yield Point("tfo_job_examples_total", labels, counts.examples)
    yield Point("tfo_job_step_duration_seconds", labels, steps)
    yield Point("tfo_job_nonfinite_total", labels, training.non_finite)
    yield Point("tfo_job_callback_seconds_total", labels, counts.callback_seconds)
    saves = Histogram(SAVE_BUCKETS, counts.save_buckets, counts.save_seconds)
    yield Point("tfo_job_checkpoint_save_seconds", labels, saves)
    yield Point("tfo_job_checkpoint_failures_total", labels, counts.save_failures)


def _of_replica(job: tuple[str, str], replica: ReplicaSample) -> Iterator[Point]:
    labels = (*job, replica.role.value, str(replica.index))
    yield Point("tfo_replica_heartbeat_timestamp_seconds", labels, replica.heartbeat.timestamp())
    if replica.step is not None:
        yield Point("tfo_replica_step", labels, replica.step)
    if replica.step_seconds is not None:
        yield Point("tfo_replica_step_duration_seconds", labels, replica.step_seconds)


def _bounded(counts: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    """At most 16 label values, all of them plain words."""
    usable = sorted(item for item in counts.items() if _BOUNDED.fullmatch(item[0]))
    yield from usable[:MAX_LABEL_VALUES]
