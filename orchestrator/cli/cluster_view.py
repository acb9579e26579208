"""A job on a cluster as a RunView and, at its end, a Summary: from what the API server has, and nothing else.

Called by `cluster_watch`. What only a run on this machine has (number, process ids, folders, metrics) is left out; so
are steps of single replicas, which no API server is told. Pure; `now` is an argument.
"""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import msgspec

from orchestrator.api.status import ConditionType, JobStatus, Phase, Progress
from orchestrator.api.types import (
    AgentMode,
    CleanPodPolicy,
    JobSpec,
    JsonObject,
    Metadata,
    ReplicaSpecs,
    TensorFlowJob,
)
from orchestrator.backends.kubernetes.jobs import decode_job
from orchestrator.backends.kubernetes.objects import Pod, StoredJob
from orchestrator.backends.kubernetes.replicas import replica_of, seat_of
from orchestrator.cli import exit_codes, wording
from orchestrator.cli.summary import Ending, Result, Summary, collect_summary
from orchestrator.cli.view import ReplicaRow, RunInfo, RunView, attempt_number
from orchestrator.core import membership, names
from orchestrator.core.observed import Disruption, Replica, ReplicaPhase
from orchestrator.core.policies import signal_name
from orchestrator.metrics.store import FinalMetrics

NO_CONTROLLER = "no controller has looked at the job yet"
UNKNOWN = "unknown"
_PULLING = "cannot be pulled"
_DISRUPTED = {
    Disruption.EVICTED: "evicted",
    Disruption.PREEMPTED: "preempted",
    Disruption.NODE_LOST: "node lost",
}


class Pace(msgspec.Struct, frozen=True):
    """How fast an attempt goes: its newest progress, and seconds per step since the one before."""

    attempt: int = 0
    newest: Progress = Progress()
    step_seconds: float | None = None


class _Record(msgspec.Struct, frozen=True, kw_only=True):
    """What the status says of replicas, by name, or by UID (`members`, and `alone`: those outside the gang).

    `done`: whatever becomes of their pods, their programs have done their work."""

    done: set[str]
    members: set[str]
    alone: set[str]
    halted: set[str]
    restarts: Counter[str]
    is_running: bool
    has_agents: bool


def fold_pace(pace: Pace, status: JobStatus) -> Pace:
    """Only what the same attempt has told twice makes a speed."""
    newest, attempt = status.progress, attempt_number(status)
    if attempt != pace.attempt:
        return Pace(attempt, newest)
    before, after = pace.newest, newest
    if before.update_time == after.update_time or before.update_time is None or after.update_time is None:
        return pace
    steps = (after.step or 0) - (before.step or 0)
    seconds = (after.update_time - before.update_time).total_seconds()
    return Pace(attempt, newest, seconds / steps if steps > 0 and before.step is not None else None)


def info_of(job: JsonObject) -> RunInfo:
    """Of a job that this version of `tfo` cannot read, no replica is known."""
    stored = msgspec.json.decode(msgspec.json.encode(job), type=StoredJob)
    read = decode_job(stored)
    if not isinstance(read, TensorFlowJob):
        found = stored.metadata
        metadata = Metadata(name=found.name, namespace=found.namespace, uid=found.uid)
        read = TensorFlowJob(metadata=metadata, spec=JobSpec(replica_specs=ReplicaSpecs()))
    return RunInfo(
        job=read,
        number=None,
        started=datetime.fromisoformat(job["metadata"]["creationTimestamp"]),
        namespace=job["metadata"]["namespace"],
    )


def view_of(
    info: RunInfo, status: JobStatus, pods: Sequence[Pod] | None, pace: Pace, now: datetime
) -> RunView:
    """`pods` None: they are not to be seen."""
    return RunView(
        info=info,
        status=status,
        now=now,
        progress=status.progress,
        metrics=metrics_of(status.progress),
        eta_seconds=_eta(pace, status, now),
        rows=_rows(info.job, status, pods),
        obstacle=_obstacle(status),
    )


def metrics_of(progress: Progress) -> dict[str, float]:
    """Finite ones, as JSON wants them, whatever has been written."""
    told = {"loss": progress.loss, "accuracy": progress.accuracy}
    found = {name: _number(text) for name, text in told.items() if text is not None}
    return {name: value for name, value in found.items() if math.isfinite(value)}


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _eta(pace: Pace, status: JobStatus, now: datetime) -> float | None:
    """Counted down from the newest progress; that is as old as it is."""
    step, total, at = status.progress.step, status.progress.total_steps, status.progress.update_time
    if pace.step_seconds is None or step is None or total is None or at is None:
        return None
    if status.phase is not Phase.RUNNING or pace.newest.update_time != at:
        return None
    left = max(total - step, 0) * pace.step_seconds - (now - at).total_seconds()
    return left if left > 0 else None


def _obstacle(status: JobStatus) -> str:
    if not status.conditions and not status.phase.is_final:
        return NO_CONTROLLER
    waits = (one.message for one in status.conditions if one.type is ConditionType.WAITING and one.status)
    return next(waits, "")


def _rows(job: TensorFlowJob, status: JobStatus, pods: Sequence[Pod] | None) -> tuple[ReplicaRow, ...]:
    by_name = {names.member(*seat): pod for pod in pods or () if (seat := _seat(pod, job)) is not None}
    record = _record(job, status)
    absent = UNKNOWN if pods is None else _absent(status)
    return tuple(
        _row(name, by_name.get(name), record, absent)
        for name in (names.member(*seat) for seat in membership.seats(job.spec))
    )


def _record(job: TensorFlowJob, status: JobStatus) -> _Record:
    attempt, sides = status.attempt, status.sides
    members = attempt.members if attempt else ()
    halted = {one.member for one in attempt.halted} if attempt else set()
    alone = Counter({side.name: side.restarts for side in sides})
    return _Record(
        done={one.name for one in members if one.succeeded} | {one.name for one in sides if one.succeeded},
        members={one.uid for one in members},
        alone={one.uid for one in sides},
        halted=halted | {one.name for one in sides if one.stopped_since is not None},
        restarts=alone + Counter(one.member for one in status.attempts if one.cause.is_restart),
        is_running=status.phase is Phase.RUNNING,
        has_agents=job.spec.recovery.agent is not AgentMode.DISABLED,
    )


def _seat(pod: Pod, job: TensorFlowJob) -> membership.Seat | None:
    """A pod of a namesake that is gone sits nowhere."""
    is_ours = any(owner.uid == job.metadata.uid for owner in pod.metadata.owner_references)
    return seat_of(pod) if is_ours else None


def _row(name: str, pod: Pod | None, record: _Record, absent: str) -> ReplicaRow:
    is_done = name in record.done
    state = "done" if is_done else _state(pod, record) if pod is not None else absent
    return ReplicaRow(
        name=name, state=state, node=pod.spec.node_name if pod else "", restarts=record.restarts[name]
    )


def _absent(status: JobStatus) -> str:
    if status.phase is Phase.SUSPENDED:
        return "suspended"
    return "gone" if status.phase.is_final else "waiting"


def _state(pod: Pod, record: _Record) -> str:
    seat = seat_of(pod)
    if seat is None:
        return UNKNOWN
    replica = replica_of(pod, seat, is_ours_to_delete=True, is_orphaned=False)
    if replica.phase is ReplicaPhase.SUCCEEDED:
        return "done"
    if replica.phase is ReplicaPhase.FAILED:
        return _end(replica)
    if replica.error:
        return "cannot start"
    if replica.phase is ReplicaPhase.PENDING:
        return _pending(replica, pod)
    return _running(replica, record)


def _end(replica: Replica) -> str:
    if replica.disruption is not None:
        return _DISRUPTED[replica.disruption]
    if replica.error:
        return "cannot start"
    if replica.out_of_memory:
        return "out of memory"
    if replica.signal is not None:
        return f"killed by {signal_name(replica.signal)}"
    return "failed" if replica.exit_code is None else f"exited {replica.exit_code}"


def _pending(replica: Replica, pod: Pod) -> str:
    """In few words, Kubernetes' own where it gives a reason; all of them are in the job's condition Waiting."""
    if replica.deleting:
        return "ending"
    if replica.obstacle.endswith(_PULLING):
        return f"image {_PULLING}"
    return replica.obstacle.partition(":")[0] or ("creating" if pod.spec.node_name else "scheduling")


def _running(replica: Replica, record: _Record) -> str:
    """That a pod runs says little where an agent does: its program runs while the attempt, or its side, has it."""
    if replica.deleting:
        return "ending"
    if replica.uid not in record.members and replica.uid not in record.alone:
        return "ready" if record.has_agents else "running"
    if replica.name in record.halted:
        return "running, stopped"
    return "running" if record.is_running or replica.uid in record.alone else "starting"


def summary_of(info: RunInfo, status: JobStatus, reach: Sequence[str], now: datetime) -> Summary:
    """Of a job that has ended. `reach`: the words that lead to it."""
    return collect_summary(info.name, None, status, _final(status), _ending(info, status, reach, now))


def summary_of_deleted(info: RunInfo, status: JobStatus, now: datetime) -> Summary:
    """Of a job that somebody has deleted before its end; `status`: its last."""
    return _without_end(info, status, now, "cancelled", "the job was deleted before it had ended")


def summary_of_missed(info: RunInfo, status: JobStatus, now: datetime) -> Summary:
    """Of a job that is gone, nobody saw how; `status`: the last that was seen. A `ttlSecondsAfterFinished` is enough
    for that, and a notebook that slept for longer."""
    return _without_end(
        info, status, now, "gone", "the job is gone; whether it had ended before was not seen"
    )


def _without_end(info: RunInfo, status: JobStatus, now: datetime, result: Result, message: str) -> Summary:
    ending = Ending(exit_code=exit_codes.FAILED, started=info.started, now=now, namespace=info.namespace)
    found = collect_summary(info.name, None, status, _final(status), ending)
    return msgspec.structs.replace(found, result=result, reason="", message=message, cause=None)


def _ending(info: RunInfo, status: JobStatus, reach: Sequence[str], now: datetime) -> Ending:
    is_success = status.phase is Phase.SUCCEEDED
    has_logs = info.job.spec.run_policy.clean_pod_policy is not CleanPodPolicy.ALL
    commands = (*(() if is_success else ("describe",)), *(("logs",) if has_logs else ()))
    return Ending(
        exit_code=exit_codes.OK if is_success else exit_codes.FAILED,
        started=info.started,
        now=status.completion_time or now,
        next=tuple(wording.command("tfo", word, info.name, *reach) for word in commands),
        namespace=info.namespace,
    )


def _final(status: JobStatus) -> FinalMetrics:
    progress = status.progress
    return FinalMetrics(
        metrics=metrics_of(progress),
        step=progress.step,
        non_finite=progress.non_finite,
        examples_per_second=progress.examples_per_second,
    )
