"""The one seam between deciding and the world: what every backend (memory, local, Kubernetes) can do.

`controller.reconcile` is the only caller. A backend performs and reports; it never decides. tests/contract holds
the one suite that every backend passes.
"""

from typing import Protocol

from orchestrator.api.status import JobStatus
from orchestrator.api.types import TensorFlowJob
from orchestrator.core.actions import Action
from orchestrator.core.observed import Replica


class Conflict(Exception):
    """The status was written by somebody else since it was read; nothing may be performed."""


class View(Protocol):
    """One job as the backend sees it now."""

    @property
    def job(self) -> TensorFlowJob: ...
    @property
    def status(self) -> JobStatus: ...
    @property
    def version(self) -> str: ...
    @property
    def replicas(self) -> tuple[Replica, ...]: ...
    @property
    def services(self) -> tuple[str, ...]: ...
    @property
    def ports(self) -> dict[str, int]: ...
    @property
    def foreign(self) -> tuple[str, ...]:
        """Names that this job needs and that belong to somebody else."""
        ...


class Backend(Protocol):
    """Stores a job and its status, runs its replicas."""

    async def observe(self, key: str) -> "View | None":
        """The job with all its replicas, or None when it is gone."""
        ...

    async def write_status(self, key: str, status: JobStatus, version: str) -> str:
        """Persist durably and return the new version. Raises Conflict if `version` is not the stored one."""
        ...

    async def perform(self, key: str, action: Action) -> None:
        """Carry out one action; repeating it changes nothing."""
        ...
