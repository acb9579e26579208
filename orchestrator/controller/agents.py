"""The coordinator's door on a cluster: only the pods of a job that were seen last may come in.

Made by `controller.program` for one term of leading; called by the backend at every look at a job.
"""

from orchestrator.coordinator.authentication import ReplicaId
from orchestrator.coordinator.server import Coordinator
from orchestrator.core.observed import Replica


class ClusterDoor:
    """Implements `backends.kubernetes.backend.Door`."""

    def __init__(self, coordinator: Coordinator, term: int) -> None:
        self._coordinator, self._term = coordinator, term
        self._expected: dict[str, frozenset[str]] = {}

    def expect(self, job_uid: str, replicas: tuple[Replica, ...]) -> None:
        """Says it again only when it is news: most turns change nobody's place."""
        uids = frozenset(one.uid for one in replicas)
        if self._expected.get(job_uid) == uids:
            return
        self._expected[job_uid] = uids
        known = (ReplicaId(one.role, one.index, one.uid) for one in replicas)
        self._coordinator.register(job_uid, self._term, "", known)

    def forget(self, job_uid: str) -> None:
        self._expected.pop(job_uid, None)
        self._coordinator.forget(job_uid)
