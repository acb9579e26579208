"""Jobs and their statuses in memory: implements `backends.base.Backend`, with the levers of an unreliable API server.

Called by `controller.reconcile` in tests, the simulation and dry runs. What is written is encoded and decoded again,
so that nothing is kept that a real store would lose. It performs and reports, and decides nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import msgspec
from msgspec.structs import replace

from orchestrator.api.status import JobStatus
from orchestrator.api.types import JobSpec, TensorFlowJob
from orchestrator.backends.base import Conflict
from orchestrator.backends.memory.clock import VirtualClock
from orchestrator.backends.memory.cluster import Cluster
from orchestrator.core import names
from orchestrator.core.actions import Action, CreateReplica, CreateService, DeleteJob, DeleteReplica
from orchestrator.core.observed import Replica


@dataclass(frozen=True)
class MemoryView:
    job: TensorFlowJob
    status: JobStatus
    version: str
    replicas: tuple[Replica, ...]
    services: tuple[str, ...]
    foreign: tuple[str, ...] = ()
    refused: str = ""
    ports: dict[str, int] = field(default_factory=dict)


@dataclass
class _Stored:
    job: TensorFlowJob
    status: JobStatus
    version: int = 1
    services: set[str] = field(default_factory=set)
    taken: frozenset[str] = frozenset()
    refused: str = ""
    stale: tuple[tuple[Replica, ...], tuple[str, ...]] | None = None
    conflicts: int = 0


class MemoryBackend:
    """`on_change` is told the key of a job of which something has changed."""

    def __init__(self, clock: VirtualClock, *, nodes: int = 3, start_seconds: float = 1.0) -> None:
        self.cluster = Cluster(clock, nodes, start_seconds)
        self.cluster.on_change = self._changed
        self.on_change: Callable[[str], None] = lambda key: None
        self._jobs: dict[str, _Stored] = {}

    # --- what a user does

    def submit(self, job: TensorFlowJob, status: JobStatus | None = None) -> str:
        """`job` is defaulted, valid and has a UID. Returns its key."""
        key = f"{names.namespace(job)}/{job.metadata.name}"
        if key in self._jobs:
            raise ValueError(f"{key} exists")
        self._jobs[key] = _Stored(job, _stored(status or JobStatus()))
        return key

    def edit(self, key: str, change: Callable[[JobSpec], JobSpec]) -> None:
        """Changes the spec, as `kubectl edit` does: a new generation and a new version."""
        stored = self._jobs[key]
        metadata = replace(stored.job.metadata, generation=(stored.job.metadata.generation or 0) + 1)
        stored.job = replace(stored.job, spec=change(stored.job.spec), metadata=metadata)
        stored.version += 1
        self._changed(key)

    def remove(self, key: str) -> None:
        """The job is gone, and its replicas with it."""
        if self._jobs.pop(key, None) is not None:
            for one in self.cluster.replicas(key):
                self.cluster.vanish(one.uid)

    def job(self, key: str) -> TensorFlowJob:
        return self._jobs[key].job

    def status(self, key: str) -> JobStatus:
        """What is stored, however stale the reads are."""
        return self._jobs[key].status

    # --- backends.base.Backend

    async def observe(self, key: str) -> MemoryView | None:
        stored = self._jobs.get(key)
        if stored is None:
            return None
        replicas, services = stored.stale or self._present(key)
        foreign = tuple(sorted(stored.taken))
        version = str(stored.version)
        return MemoryView(stored.job, stored.status, version, replicas, services, foreign, stored.refused)

    async def write_status(self, key: str, status: JobStatus, version: str) -> str:
        stored = self._jobs.get(key)
        if stored is not None and stored.conflicts:
            stored.conflicts -= 1
            stored.version += 1
        if stored is None or version != str(stored.version):
            raise Conflict(f"{key}: version {version} is not the newest")
        stored.status = _stored(status)
        stored.version += 1
        return str(stored.version)

    async def perform(self, key: str, actions: Sequence[Action]) -> None:
        for action in actions:
            stored = self._jobs.get(key)
            if stored is None:
                return
            self._perform(key, stored, action)
            if stored.stale is not None and key in self._jobs:
                stored.stale = self._present(key)

    async def release(self, key: str) -> None:
        """Nothing here goes before it has been seen."""

    def _perform(self, key: str, stored: _Stored, action: Action) -> None:
        match action:
            case CreateReplica():
                self._create(key, stored, action)
            case DeleteReplica():
                self._delete(key, action)
            case CreateService():
                stored.services |= {action.name} - stored.taken
                self._changed(key)
            case DeleteJob():
                self.remove(key)
            case _:
                assert_never(action)

    def _create(self, key: str, stored: _Stored, action: CreateReplica) -> None:
        """What has the name already stays as it is, whoever's it is."""
        if (
            not stored.refused
            and names.replica(stored.job.metadata.name, action.role, action.index) not in stored.taken
        ):
            self.cluster.create(key, (action.role, action.index), action.attempt)

    def _delete(self, key: str, action: DeleteReplica) -> None:
        """Only the very replica that is meant: a namesake that has taken its seat stays."""
        if any(one.uid == action.uid for one in self.cluster.replicas(key)):
            self.cluster.delete(action.uid, action.grace_seconds)

    # --- levers

    def fall_behind(self, key: str) -> None:
        """From now on reads are as of this moment, or as of our own last write if that is later: never older."""
        self._jobs[key].stale = self._present(key)

    def catch_up(self, key: str) -> None:
        self._jobs[key].stale = None
        self._changed(key)

    def take(self, key: str, *taken: str) -> None:
        """Somebody else's objects have these names from now on, and no others that this job needs."""
        self._jobs[key].taken = frozenset(taken)
        self._changed(key)

    def refuse(self, key: str, words: str) -> None:
        """From now on nothing is created for this job, for this reason; empty: again."""
        self._jobs[key].refused = words
        self._changed(key)

    def interfere(self, key: str, times: int = 1) -> None:
        """Somebody else writes the job just before our next writes of its status."""
        self._jobs[key].conflicts = times

    def _present(self, key: str) -> tuple[tuple[Replica, ...], tuple[str, ...]]:
        return self.cluster.replicas(key), tuple(sorted(self._jobs[key].services))

    def _changed(self, key: str) -> None:
        stored = self._jobs.get(key)
        if stored is not None and stored.stale is None:
            self.on_change(key)


def _stored(status: JobStatus) -> JobStatus:
    return msgspec.json.decode(msgspec.json.encode(status), type=JobStatus)
