"""A pod, as the API server has it -> `core.observed.Replica`.

Called by `backend` for every pod of a job. Pure. What a pod says of itself is read here and nowhere else: conditions,
reasons and exit codes of Kubernetes, and the words that our agent leaves when it ends.
"""

import re

from orchestrator.api.types import Role
from orchestrator.backends.kubernetes.agents import INIT_CONTAINER
from orchestrator.backends.kubernetes.objects import ContainerStatus, Pod, Terminated
from orchestrator.core import names
from orchestrator.core.cause import signal_in
from orchestrator.core.observed import Disruption, Replica, ReplicaPhase
from orchestrator.protocol.termination import LastWords, decode

DISRUPTION_TARGET = "DisruptionTarget"
_CONDITIONS = {
    "PreemptionByScheduler": Disruption.PREEMPTED,
    "DeletionByTaintManager": Disruption.NODE_LOST,
    "DeletionByPodGC": Disruption.NODE_LOST,
    "EvictionByEvictionAPI": Disruption.EVICTED,
    "TerminationByKubelet": Disruption.EVICTED,
}
"""https://kubernetes.io/docs/concepts/workloads/pods/disruptions/#pod-disruption-conditions"""
_REASONS = {
    "Evicted": Disruption.EVICTED,
    "Preempting": Disruption.PREEMPTED,
    "Terminated": Disruption.EVICTED,
    "Shutdown": Disruption.EVICTED,
    "NodeShutdown": Disruption.EVICTED,
    "NodeLost": Disruption.NODE_LOST,
    "NodeAffinity": Disruption.EVICTED,
    "UnexpectedAdmissionError": Disruption.EVICTED,
}
"""`status.reason` of a pod that its node ended, or did not take after all; and `OutOf...`."""
_OUT_OF = re.compile(r"OutOf\w+")
_NEVER_STARTED = ("StartError", "ContainerCannotRun", "RunContainerError")
_PULL = ("ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "RegistryUnavailable")
_UNUSABLE_IMAGE = "InvalidImageName"
_USUAL_WAITS = ("ContainerCreating", "PodInitializing", "")
_LAST_LINES = 10
_LONGEST = 300


def seat_of(pod: Pod) -> tuple[Role, int] | None:
    """None: not a pod of ours, whatever its labels are."""
    labels = pod.metadata.labels
    role, index = labels.get(names.LABEL_ROLE, ""), labels.get(names.LABEL_INDEX, "")
    if role not in list(Role) or not index.isdecimal():
        return None
    return Role(role), int(index)


def replica_of(pod: Pod, seat: tuple[Role, int], *, is_ours_to_delete: bool, is_orphaned: bool) -> Replica:
    """`is_ours_to_delete`: if it is being deleted, we have asked for that. `since` is the caller's to know."""
    ended = _terminated(pod)
    words = decode(ended.message) if ended and ended.message else None
    exit_code, signal = _exit(ended, words)
    deleting = pod.metadata.deletion_timestamp is not None
    return Replica(
        role=seat[0],
        index=seat[1],
        uid=pod.metadata.uid,
        attempt=_attempt(pod),
        phase=phase_of(pod),
        deleting=deleting,
        foreign_deletion=deleting and not is_ours_to_delete,
        disruption=disruption_of(pod),
        out_of_memory=_is_out_of_memory(ended, words),
        exit_code=exit_code,
        signal=signal,
        ended_attempt=words.attempt if words and not words.asked and words.attempt else None,
        last_lines=_last_lines(ended, words),
        error=_error(pod, ended),
        obstacle=_obstacle(pod),
        orphaned=is_orphaned,
    )


def phase_of(pod: Pod) -> ReplicaPhase:
    """Unknown, which old nodes say, is no end. Once its program has ended a pod has, whatever else is in it."""
    found = {one.value: one for one in ReplicaPhase}.get(pod.status.phase or "Pending", ReplicaPhase.RUNNING)
    ended = _terminated(pod)
    if found is ReplicaPhase.RUNNING and ended is not None:
        return ReplicaPhase.SUCCEEDED if ended.exit_code == 0 else ReplicaPhase.FAILED
    return found


def disruption_of(pod: Pod) -> Disruption | None:
    for one in pod.status.conditions:
        if one.type == DISRUPTION_TARGET and one.status == "True":
            return _CONDITIONS.get(one.reason, Disruption.EVICTED)
    reason = pod.status.reason
    if pod.status.phase != ReplicaPhase.FAILED.value:
        return None
    return Disruption.EVICTED if _OUT_OF.fullmatch(reason) else _REASONS.get(reason)


def _attempt(pod: Pod) -> int:
    text = pod.metadata.labels.get(names.LABEL_ATTEMPT, "")
    return int(text) if text.isdecimal() else 0


def _container(pod: Pod) -> ContainerStatus | None:
    """The one that trains: named as ours is, else the first."""
    found = pod.status.container_statuses
    named = (one for one in found if one.name == names.CONTAINER)
    return next(named, found[0] if found else None)


def _terminated(pod: Pod) -> Terminated | None:
    """How the program's container ended, or the init container that was to bring the agent."""
    trainer = _container(pod)
    if trainer is not None and trainer.state.terminated is not None:
        return trainer.state.terminated
    if pod.status.phase != ReplicaPhase.FAILED.value:
        return None
    failed = (one.state.terminated for one in pod.status.init_container_statuses)
    return next((one for one in failed if one is not None and one.exit_code != 0), None)


def _exit(ended: Terminated | None, words: LastWords | None) -> tuple[int | None, int | None]:
    """Exit code or signal, one of them: as the agent saw it, else as a shell would say it (128 + n)."""
    if words is not None and words.attempt:
        return words.exit_code, words.signal
    if ended is None:
        return None, None
    signal = ended.signal or signal_in(ended.exit_code)
    return (None, signal) if signal else (ended.exit_code, None)


def _is_out_of_memory(ended: Terminated | None, words: LastWords | None) -> bool:
    return (ended is not None and ended.reason == "OOMKilled") or (words is not None and words.oom)


def _last_lines(ended: Terminated | None, words: LastWords | None) -> tuple[str, ...]:
    """The agent's; without one the kubelet has put the end of the log there, of a program that failed."""
    if words is not None:
        return words.last_lines
    if ended is None or ended.exit_code == 0 or ended.reason in _NEVER_STARTED:
        return ()
    return tuple(ended.message.splitlines()[-_LAST_LINES:])


def _error(pod: Pod, ended: Terminated | None) -> str:
    """Why it can never start."""
    for one in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = one.state.waiting
        if waiting is not None and waiting.reason == _UNUSABLE_IMAGE:
            return f"the image of container {one.name} has an invalid name: {_short(waiting.message)}"
    if ended is not None and ended.reason in _NEVER_STARTED:
        return f"the container could not be started: {_short(ended.message)}"
    return ""


def _obstacle(pod: Pod) -> str:
    """What keeps it from running, in words that stay the same while nothing changes."""
    if pod.status.phase not in ("", ReplicaPhase.PENDING.value):
        return ""
    for one in pod.status.conditions:
        if one.type == "PodScheduled" and one.status == "False" and one.reason:
            return f"{one.reason}: {_short(one.message)}"
    for container in (*pod.status.init_container_statuses, *pod.status.container_statuses):
        waiting = container.state.waiting
        if waiting is not None and waiting.reason in _PULL:
            what = "of the agent" if container.name == INIT_CONTAINER else f"of container {container.name}"
            return f"the image {what} cannot be pulled"
        if waiting is not None and waiting.reason not in _USUAL_WAITS:
            return f"{waiting.reason}: {_short(waiting.message)}"
    return ""


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
