"""Who may speak: which replicas of which job are expected, and how a stream proves to be one of them.

Called by `coordinator.sessions` with the first message of every stream. Changes nothing; a refusal is an exception
with a reason from the closed list, which is counted and told to the agent.
"""

import hmac
from collections.abc import Mapping
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
