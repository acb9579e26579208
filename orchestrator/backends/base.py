"""The one seam between deciding and the world: what every backend (memory, local, Kubernetes) can do.

`controller.reconcile` is the only caller. A backend performs and reports; it never decides. tests/contract holds
the one suite that every backend passes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from orchestrator.api.status import JobStatus
from orchestrator.api.types import TensorFlowJob
from orchestrator.core.actions import Action
from orchestrator.core.observed import Replica


class Conflict(Exception):
    """The status was written by somebody else since it was read; nothing may be performed."""


class Behind(Exception):
    """What can be seen is older than our own last write: nothing may be decided. Catching up wakes the key."""


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

    @property
    def refused(self) -> str:
        """Why nothing more is created for now (a quota, say), in the words of whoever refused it; mostly empty."""
        ...


@dataclass(frozen=True)
class Rejected:
    """A stored job that is none: written past the checks, or before they were as strict. `message`: all its errors."""

    status: JobStatus
    version: str
    replicas: tuple[Replica, ...]
    message: str
    generation: int = 0


class Backend(Protocol):
    """Stores a job and its status, runs its replicas."""

    async def observe(self, key: str) -> View | Rejected | None:
        """The job with all its replicas, or None when it is gone, or is not ours to run. May raise Behind."""
        ...

    async def write_status(self, key: str, status: JobStatus, version: str) -> str:
        """Persist durably and return the new version. Raises Conflict if `version` is not the stored one."""
        ...

    async def perform(self, key: str, actions: Sequence[Action]) -> None:
        """Carry out all of them, which do not depend on each other; repeating one changes nothing."""
        ...

    async def release(self, key: str) -> None:
        """The turn that saw the newest view has been written: what was kept so that it could be seen may go."""
        ...
