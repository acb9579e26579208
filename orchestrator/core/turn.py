"""One turn of deciding: the observation, the moment, and what both derive, looked up once.

Built by `decide` and read by every judgement after it. Holds no decision.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from orchestrator.api.status import Attempt, JobStatus
from orchestrator.api.types import AgentMode, JobSpec
from orchestrator.core import membership
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Agent, Observed, Replica

LEADER_SETTLE_SECONDS = 60.0


@dataclass(frozen=True)
class Turn:
    """An observation at a moment."""

    seen: Observed
    now: datetime

    @property
    def spec(self) -> JobSpec:
        return self.seen.job.spec

    @property
    def status(self) -> JobStatus:
        return self.seen.status

    @property
    def attempt(self) -> Attempt | None:
        return self.seen.status.attempt

    @property
    def has_agents(self) -> bool:
        return self.spec.recovery.agent is AgentMode.ENABLED

    @cached_property
    def agents(self) -> dict[str, Agent]:
        return {agent.uid: agent for agent in self.seen.agents}

    @cached_property
    def replicas(self) -> dict[str, Replica]:
        return {replica.uid: replica for replica in self.seen.replicas}

    @cached_property
    def seats(self) -> dict[Seat, Replica]:
        """The replica in each seat."""
        return {(replica.role, replica.index): replica for replica in self.seen.replicas}

    @cached_property
    def leader(self) -> Seat:
        return membership.leader_seat(self.spec)

    @property
    def last_number(self) -> int:
        """Number of the newest attempt ever opened; 0 before the first."""
        if self.attempt:
            return self.attempt.number
        return self.status.attempts[-1].number if self.status.attempts else 0

    @property
    def is_settling(self) -> bool:
        """This controller has led for less than 60 s: nobody's absence means anything yet."""
        since = self.seen.leader_since
        return since is not None and self.since(since) < LEADER_SETTLE_SECONDS

    @property
    def checkpoint_step(self) -> int | None:
        """Newest committed checkpoint: as rank 0's agent sees its directory, else as last recorded."""
        agent = self.agent_at(self.leader)
        if agent is not None:
            return agent.checkpoint_step
        recorded = self.status.checkpoint
        return recorded.step if recorded else None

    def agent_at(self, seat: Seat) -> Agent | None:
        replica = self.seats.get(seat)
        return self.agents.get(replica.uid) if replica else None

    def since(self, moment: datetime | None) -> float:
        """Seconds since a recorded moment, at least 0 (clocks step back); 0 for none."""
        return max(0.0, (self.now - moment).total_seconds()) if moment else 0.0

    def later(self, seconds: float) -> datetime:
        return self.now + timedelta(seconds=seconds)
