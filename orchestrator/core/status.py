"""Building the next status: conditions, replica counts, progress, checkpoint.

Called by `decide` and its parts. Pure; a condition's transition time changes only with its status.
"""

from datetime import datetime

from msgspec.structs import replace

from orchestrator.api.status import (
    CheckpointStatus,
    Condition,
    ConditionType,
    JobStatus,
    Phase,
    Progress,
    ReplicaStatus,
)
from orchestrator.api.types import Role
from orchestrator.core import membership, names, seating
from orchestrator.core.actions import Reason
from orchestrator.core.observed import Replica, ReplicaPhase
from orchestrator.core.turn import Turn

_UNDER_WAY = (ConditionType.RUNNING, ConditionType.RESTARTING, ConditionType.WAITING)
_CONDITIONS: dict[Phase, tuple[ConditionType, tuple[ConditionType, ...]]] = {
    Phase.CREATED: (ConditionType.CREATED, ()),
    Phase.RUNNING: (ConditionType.RUNNING, (ConditionType.RESTARTING, ConditionType.SUSPENDED)),
    Phase.RESTARTING: (ConditionType.RESTARTING, (ConditionType.RUNNING, ConditionType.SUSPENDED)),
    Phase.SUSPENDED: (ConditionType.SUSPENDED, _UNDER_WAY),
    Phase.SUCCEEDED: (ConditionType.SUCCEEDED, _UNDER_WAY),
    Phase.FAILED: (ConditionType.FAILED, _UNDER_WAY),
    Phase.STOPPED: (ConditionType.SUSPENDED, _UNDER_WAY),
}
"""Phase -> the condition it makes true, and those it makes false where they exist."""


def enter(status: JobStatus, phase: Phase, reason: Reason, message: str, now: datetime) -> JobStatus:
    """The status in another phase, with its conditions moved along."""
    true, false = _CONDITIONS[phase]
    conditions = status.conditions
    for kind in false:
        if any(one.type is kind for one in conditions):
            conditions = with_condition(conditions, _condition(kind, False, reason, message, now))
    conditions = with_condition(conditions, _condition(true, True, reason, message, now))
    completion = now if phase.is_final else None
    return replace(
        status,
        phase=phase,
        reason=reason.value,
        message=message,
        conditions=conditions,
        completion_time=completion,
    )


def _condition(kind: ConditionType, status: bool, reason: Reason, message: str, now: datetime) -> Condition:
    return Condition(kind, status, reason.value, message, now)


def with_condition(conditions: tuple[Condition, ...], new: Condition) -> tuple[Condition, ...]:
    """Replaces the condition of the same type; a changed one moves to the end of the list."""
    old = next((one for one in conditions if one.type is new.type), None)
    if old is None:
        return (*conditions, new)
    if (old.status, old.reason, old.message) == (new.status, new.reason, new.message):
        return conditions
    if old.status == new.status:
        new = replace(new, last_transition_time=old.last_transition_time)
    return (*(one for one in conditions if one.type is not new.type), new)


def complete(turn: Turn, status: JobStatus, known: tuple[Condition, ...]) -> JobStatus:
    """What every turn brings up to date: counts, progress, checkpoint, generation. `known`: conditions before it."""
    counts = replica_statuses(turn, is_over=status.phase is Phase.SUCCEEDED)
    desired = sum(one.desired for one in counts.values())
    generation = turn.seen.job.metadata.generation or 0
    return replace(
        status,
        conditions=tuple(_stamped(known, one, generation) for one in status.conditions),
        observed_generation=generation,
        selector=names.selector(turn.seen.job.metadata.name),
        replica_statuses=counts,
        ready=f"{sum(one.ready for one in counts.values())}/{desired}",
        progress=_progress(turn, status),
        checkpoint=_checkpoint(turn),
    )


def _stamped(known: tuple[Condition, ...], condition: Condition, generation: int) -> Condition:
    """What this turn has set was set with this generation of the spec before its eyes."""
    is_new = condition not in known
    return replace(condition, observed_generation=generation) if is_new else condition


def replica_statuses(turn: Turn, *, is_over: bool) -> dict[str, ReplicaStatus]:
    """`is_over`: the job has succeeded, and with it everybody who took part and has not failed by itself."""
    found = {}
    for role in Role:
        desired = membership.replicas(turn.spec, role)
        if desired:
            found[role.value] = _count(turn, role, desired, is_over)
    return found


def _count(turn: Turn, role: Role, desired: int, is_over: bool) -> ReplicaStatus:
    """Ready of those that are desired: one that the spec has given up may live on for a while.

    Active are those that run: one that does not run yet counts nowhere.
    """
    replicas = [one for one in turn.seen.replicas if one.role is role and not (is_over and _has_left(one))]
    phases = [one.phase for one in replicas]
    done, failed = _done(turn, role, is_over), phases.count(ReplicaPhase.FAILED)
    succeeded = phases.count(ReplicaPhase.SUCCEEDED) + len(done - {one.uid for one in replicas})
    if is_over:
        failed = max(failed, _failed_before(turn, role))
        succeeded = max(0, len(done) - failed - sum(not one.is_terminal for one in phases))
    return ReplicaStatus(
        desired=desired,
        ready=sum(1 for one in replicas if one.index < desired and _is_ready(turn, one)),
        active=phases.count(ReplicaPhase.RUNNING),
        succeeded=succeeded,
        failed=failed,
    )


def _has_left(replica: Replica) -> bool:
    return replica.deleting and replica.phase.is_terminal


def _failed_before(turn: Turn, role: Role) -> int:
    """Of those that have failed by themselves since the job succeeded: their pods may be gone by now."""
    recorded = turn.seen.status
    found = recorded.replica_statuses.get(role.value) if recorded.phase is Phase.SUCCEEDED else None
    return found.failed if found else 0


def _done(turn: Turn, role: Role, is_over: bool) -> set[str]:
    """UIDs of those whose work is done: pods that have ended are deleted and drained like others."""
    if membership.is_gang(turn.spec, role):
        members = turn.attempt.members if turn.attempt else ()
        return {one.uid for one in members if one.role is role and one.uid and (one.succeeded or is_over)}
    sides = (one for one in turn.status.sides if one.role is role and one.uid and not one.over)
    return {one.uid for one in sides if one.succeeded or is_over}


def _is_ready(turn: Turn, replica: Replica) -> bool:
    if replica.phase is not ReplicaPhase.RUNNING or replica.deleting:
        return False
    agent = turn.agents.get(replica.uid)
    return agent is not None and agent.connected if turn.has_agents else True


def _progress(turn: Turn, status: JobStatus) -> Progress:
    """The newest progress when it is due, the phase changed, or the job and all its programs have ended.

    Else as written. The last reports may come after the success.
    """
    recorded, newest = turn.seen.status.progress, turn.seen.progress
    if not _is_newer(newest, recorded):
        return recorded
    is_due = is_progress_due(newest, recorded, turn.now, turn.seen.progress_seconds)
    has_turned = status.phase is not turn.seen.status.phase or status.attempt != turn.seen.status.attempt
    speakers = (one for one in turn.seen.agents if one.connected and not seating.is_at_rest(one))
    is_over = status.phase.is_final and not any(speakers)
    return newest if is_due or has_turned or is_over else recorded


def is_progress_due(newest: Progress, recorded: Progress, now: datetime, seconds: float) -> bool:
    """Whether it is written though nothing else happens, which is at most every so many seconds."""
    before = recorded.update_time
    return _is_newer(newest, recorded) and (before is None or (now - before).total_seconds() >= seconds)


def _is_newer(newest: Progress, recorded: Progress) -> bool:
    """Only a newer report counts as new: rates sink by themselves in a job that has gone silent."""
    return newest.update_time is not None and newest.update_time != recorded.update_time


def _checkpoint(turn: Turn) -> CheckpointStatus | None:
    """Never decreases: an agent that does not see its volume yet knows of no checkpoint."""
    recorded = turn.seen.status.checkpoint
    step = turn.checkpoint_step
    if step is None or (recorded is not None and step <= recorded.step):
        return recorded
    return CheckpointStatus(step, turn.now)
