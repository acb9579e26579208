"""Who may speak: which replicas of which job are expected, and how a stream proves to be one of them.

Called by `coordinator.sessions` with the first message of every stream. Changes nothing; a refusal is an exception
with a reason from the closed list, which is counted and told to the agent.
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from orchestrator.api.types import Role
from orchestrator.protocol.messages import Hello


class Denial(StrEnum):
    """Why a stream was refused: the closed list, a label of the metric."""

    NO_HELLO = "no_hello"
    MALFORMED = "malformed"
    UNKNOWN_JOB = "unknown_job"
    WRONG_TOKEN = "wrong_token"
    UNKNOWN_REPLICA = "unknown_replica"
    WRONG_IDENTITY = "wrong_identity"
    UNVERIFIED = "unverified"


class Denied(Exception):
    """This stream is not accepted."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.value)
        self.denial = denial


@dataclass(frozen=True)
class ReplicaId:
    """One replica of a job: its seat and the UID of its pod or, locally, of its agent."""

    role: Role
    index: int
    uid: str


@dataclass
class Registration:
    """What the controller said of one job. `replicas`: by UID."""

    term: int
    token: str
    replicas: dict[str, ReplicaId] = field(default_factory=dict)


class Authenticator(Protocol):
    """Finds out who opened a stream."""

    async def identify(self, hello: Hello, token: str) -> tuple[str, ReplicaId]:
        """The job's UID and the replica. Raises Denied."""
        ...


Review = Callable[[str], Awaitable[str | None]]
"""UID of the pod that bears this token; None: nobody whom it was made for. Raises ConnectionError when that cannot be
found out now."""


class PodAuthenticator:
    """On Kubernetes: a token that is bound to a pod, which must be an expected replica of the job.

    Job, role and index follow from the pod, whatever the message says; one that says another is refused.
    """

    def __init__(self, registrations: Mapping[str, Registration], review: Review, most: int = 100) -> None:
        """`most`: reviews at once; thousands of agents may come back at the same moment."""
        self._registrations = registrations
        self._review = review
        self._gate = asyncio.Semaphore(most)

    async def identify(self, hello: Hello, token: str) -> tuple[str, ReplicaId]:
        known = self._registrations.get(hello.job_uid)
        if known is None:
            raise Denied(Denial.UNKNOWN_JOB)
        pod_uid = await self._bearer(token)
        if pod_uid is None:
            raise Denied(Denial.WRONG_TOKEN)
        replica = known.replicas.get(pod_uid)
        if replica is None:
            raise Denied(Denial.UNKNOWN_REPLICA)
        if (replica.role.value, replica.index, replica.uid) != (hello.role, hello.index, hello.uid):
            raise Denied(Denial.WRONG_IDENTITY)
        return hello.job_uid, replica

    async def _bearer(self, token: str) -> str | None:
        if not token:
            return None
        try:
            async with self._gate:
                return await self._review(token)
        except ConnectionError:
            raise Denied(Denial.UNVERIFIED) from None


class TokenAuthenticator:
    """Local runs: a random token per job, and an identity that the controller expects."""

    def __init__(self, registrations: Mapping[str, Registration]) -> None:
        self._registrations = registrations

    async def identify(self, hello: Hello, token: str) -> tuple[str, ReplicaId]:
        known = self._registrations.get(hello.job_uid)
        if known is None:
            raise Denied(Denial.UNKNOWN_JOB)
        if not known.token or not hmac.compare_digest(token.encode(), known.token.encode()):
            raise Denied(Denial.WRONG_TOKEN)
        replica = known.replicas.get(hello.uid)
        if replica is None:
            raise Denied(Denial.UNKNOWN_REPLICA)
        if (replica.role.value, replica.index) != (hello.role, hello.index):
            raise Denied(Denial.WRONG_IDENTITY)
        return hello.job_uid, replica
