"""The coordinator: one gRPC server inside the controller's event loop, a table of agents' states and one of wishes.

Made by `controller.main`; `controller.reconcile` reads `agents` and hands in `set_wanted`. It decides nothing: what it
is told it keeps and repeats, and what it hears it passes on. All methods belong to the event loop's thread, except
`counts`.
"""

from collections.abc import Callable, Iterable
from datetime import datetime

from orchestrator.api.types import Role
from orchestrator.coordinator.authentication import Authenticator, ReplicaId
from orchestrator.core.actions import WantedOrder
from orchestrator.core.observed import Agent
from orchestrator.protocol.messages import Report

OnChange = Callable[[str], None]
"""Told a job's UID whenever something that a decision may depend on has changed."""
OnReport = Callable[[str, Role, int, Report], None]
"""Told (job UID, role, index, report) of every new report."""


class Counts:
    """What the coordinator counted since its start. `messages`: by result; `denials`: by reason."""

    connected: int
    messages: dict[str, int]
    denials: dict[str, int]


class Coordinator:
    """Usage: make it, `await start()`, `register` jobs before their agents start, `await close()`."""

    def __init__(
        self,
        address: str,
        *,
        clock: Callable[[], datetime],
        on_change: OnChange,
        on_report: OnReport,
        authenticator: Authenticator | None = None,
    ) -> None:
        """`address`: unix:/path (its directory is made 0700, the socket 0600) or host:port (port 0: a free one).

        `authenticator`: default: the token given to `register`. `clock` stamps `since` and `lost_at`.
        """

    async def start(self) -> str:
        """Listen; returns the address for agents (TFO_AGENT_ADDRESS). Raises OSError."""
        raise NotImplementedError

    async def close(self) -> None:
        """End all streams, then stop listening. Agents go on by themselves and look for a coordinator."""

    def register(self, job_uid: str, term: int, token: str, replicas: Iterable[ReplicaId] = ()) -> None:
        """Make or replace what is known of a job; agents that are no longer expected are cut off and forgotten."""

    def expect(self, job_uid: str, replica: ReplicaId) -> None:
        """One more replica of a registered job may connect; to be called before its agent starts."""

    def forget(self, job_uid: str) -> None:
        """Cut off all agents of a job and forget it. Unknown jobs are no error."""

    def set_wanted(self, job_uid: str, wanted: tuple[WantedOrder, ...]) -> None:
        """Replace what is wanted of a job's agents; agents without an entry are to carry on."""

    def agents(self, job_uid: str) -> tuple[Agent, ...]:
        """All agents of a job that have ever connected and are still expected, sorted by role and index."""
        raise NotImplementedError

    def counts(self) -> Counts:
        """A copy, for the metrics; may be called from any thread."""
        raise NotImplementedError
