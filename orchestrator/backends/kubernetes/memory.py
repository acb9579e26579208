"""What the backend remembers of one job between two turns: its own writes, and what it has worked out already.

Owned by `backend`. None of it is needed for a right decision after a restart: it saves work, and keeps a decision from
being made on what is older than our own last write.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestrator.api.status import JobStatus
from orchestrator.api.types import TensorFlowJob
from orchestrator.backends.kubernetes.jobs import Invalid, decode_job, decode_status
from orchestrator.backends.kubernetes.objects import ObjectMeta, Pod, StoredJob
from orchestrator.backends.kubernetes.pods import folders
from orchestrator.core import membership
from orchestrator.core.membership import Seat
from orchestrator.core.observed import ReplicaPhase
from orchestrator.core.plan import ReplicaPlan, plan

FOREIGN_SECONDS = 5.0
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
OUTDATED_SECONDS = 5.0
"""How long nothing is asked again of the server on the ground of what it has called outdated. A cache mostly catches up
within milliseconds, and wakes the job; one whose watch has fallen silent takes a minute to notice that."""


@dataclass
class Refusal:
    """The server creates nothing more for now. `until`: when to ask again."""

    words: str
    until: datetime
    seconds: float


@dataclass
class Memory:
    """Of the job with this UID. `deleted`: UIDs of pods whose deletion we asked for; `invalid`: seat -> the server's
    words about a pod that it will never take; `foreign`: taken names, and when they were looked at last; `outdated`:
    UID -> a version that the server no longer has, and when it said so."""

    uid: str
    status: JobStatus = field(default_factory=JobStatus)
    awaited_job: str = ""
    awaited_pods: set[str] = field(default_factory=set)
    awaited_services: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    invalid: dict[Seat, tuple[int, str]] = field(default_factory=dict)
    foreign: dict[str, datetime] = field(default_factory=dict)
    refusal: Refusal | None = None
    outdated: dict[str, tuple[str, datetime]] = field(default_factory=dict)
    _alive: set[str] = field(default_factory=set)
    _job: tuple[tuple[object, ...], TensorFlowJob | Invalid] | None = None
    _read: tuple[str, JobStatus] | None = None
    _plans: tuple[TensorFlowJob, dict[Seat, ReplicaPlan], frozenset[Seat]] | None = None
    _phases: dict[str, tuple[ReplicaPhase, datetime]] = field(default_factory=dict)

    def job_of(self, stored: StoredJob) -> TensorFlowJob | Invalid:
        """Decoded once per version of the spec."""
        found = stored.metadata
        version = (found.generation, found.labels, found.annotations, found.deletion_timestamp)
        if self._job is None or self._job[0] != version:
            self._job = (version, decode_job(stored))
        return self._job[1]

    def status_of(self, stored: StoredJob) -> JobStatus:
        version = stored.metadata.resource_version
        if self._read is None or self._read[0] != version:
            self._read = (version, decode_status(stored))
        return self._read[1]

    def plans(self, job: TensorFlowJob, report_seconds: float) -> dict[Seat, ReplicaPlan]:
        return self._planned(job, report_seconds)[1]

    def counted(self, job: TensorFlowJob, report_seconds: float) -> frozenset[Seat]:
        """Seats whose success decides the job's."""
        return self._planned(job, report_seconds)[2]

    def _planned(
        self, job: TensorFlowJob, report_seconds: float
    ) -> tuple[TensorFlowJob, dict[Seat, ReplicaPlan], frozenset[Seat]]:
        if self._plans is None or self._plans[0] is not job:
            made = plan(job, folders(job), report_seconds=report_seconds)
            deciding = membership.deciding_seats(job.spec, membership.trainer_seats(job.spec))
            self._plans = (job, {(one.role, one.index): one for one in made.replicas}, frozenset(deciding))
        return self._plans

    def since(self, uid: str, phase: ReplicaPhase, now: datetime) -> datetime:
        """When it was first seen in this phase."""
        known = self._phases.get(uid)
        if known is None or known[0] is not phase:
            known = self._phases[uid] = (phase, now)
        return known[1]

    def is_ours_to_delete(self, pod: Pod) -> bool:
        """Of a pod that is being deleted: whether we have asked for it, perhaps before a restart.

        Whoever else deletes a pod mostly gives it the time that the pod itself asks for, which we never do.
        """
        found = pod.metadata
        if found.deletion_timestamp is None:
            self._alive.add(found.uid)
            return False
        if found.uid in self.deleted:
            return True
        own_time = pod.spec.termination_grace_period_seconds
        return found.uid not in self._alive and found.deletion_grace_period_seconds != own_time

    def keep_only(self, pods: tuple[Pod, ...]) -> None:
        """Forgets pods that are gone."""
        living = {one.metadata.uid for one in pods}
        self.deleted &= living
        self._alive &= living
        for uid in [uid for uid in self._phases if uid not in living]:
            del self._phases[uid]

    def outdate(self, uid: str, version: str, now: datetime) -> None:
        """The server has something newer, or nothing at all."""
        self.outdated[uid] = (version, now)

    def is_outdated(self, shown: Iterable[ObjectMeta], now: datetime) -> bool:
        """Whether the caches still show what the server has called outdated only just now."""
        if not self.outdated:
            return False
        versions = {one.uid: one.resource_version for one in shown}
        self.outdated = {
            uid: (version, at)
            for uid, (version, at) in self.outdated.items()
            if versions.get(uid) == version and (now - at).total_seconds() < OUTDATED_SECONDS
        }
        return bool(self.outdated)

    def refuse(self, words: str, now: datetime) -> None:
        """Longer each time."""
        before = self.refusal
        seconds = min(before.seconds * 2, LONGEST_WAIT_SECONDS) if before else FIRST_WAIT_SECONDS
        self.refusal = Refusal(words, now + timedelta(seconds=seconds), seconds)

    def may_create(self, now: datetime) -> bool:
        return self.refusal is None or now >= self.refusal.until
