"""What the contract suite needs of a world around a backend: the backend itself, one job, and outside forces.

Each backend has one implementation beside this file. The job of every harness is `CONTRACT_JOB`, so that all
backends face the same seats; nothing here knows any backend.
"""

from typing import Protocol

from orchestrator.api.defaults import default
from orchestrator.api.status import JobStatus
from orchestrator.api.types import JobSpec, Metadata, ReplicaSpec, ReplicaSpecs, TensorFlowJob
from orchestrator.backends.base import Backend
from orchestrator.core.observed import Replica

_FOR_EVER = {"name": "tensorflow", "image": "any", "command": ["sleep", "1000000"]}

CONTRACT_JOB = default(
    TensorFlowJob(
        metadata=Metadata(name="contract", namespace="default", uid="contract-uid", generation=1),
        spec=JobSpec(
            template={"spec": {"containers": [_FOR_EVER]}},
            replica_specs=ReplicaSpecs(
                chief=ReplicaSpec(), worker=ReplicaSpec(replicas=11), evaluator=ReplicaSpec()
            ),
        ),
    )
)
"""Eleven workers, so that worker-10 is there to be sorted; its programs run until they are ended."""


class Harness(Protocol):
    """A world of one job, nothing created yet. All waits have a limit and fail the test when it has passed."""

    @property
    def backend(self) -> Backend: ...

    @property
    def key(self) -> str:
        """Under which the backend knows `CONTRACT_JOB`."""
        ...

    async def settle(self) -> None:
        """Until what has been asked for is done: created replicas run their programs, deleted ones are gone."""
        ...

    async def kill(self, replica: Replica) -> None:
        """A running replica dies by SIGKILL that the backend did not send; returns when the backend says so."""
        ...

    async def finish(self, replica: Replica, exit_code: int) -> None:
        """A running replica ends by itself with this code; returns when the backend says so."""
        ...

    async def stored(self) -> JobStatus:
        """The status as another process would find it, past whatever the backend keeps in memory."""
        ...

    async def close(self) -> None:
        """Nothing of this world is left."""
        ...
