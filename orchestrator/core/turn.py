"""One turn of deciding: the observation, the moment, and what both derive, looked up once.

Built by `decide` and read by every judgement after it. Holds no decision.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

from msgspec.structs import replace

from orchestrator.api.status import Attempt, JobStatus, Member, Side
from orchestrator.api.types import AgentMode, JobSpec
from orchestrator.core import membership
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Agent, Observed, Replica
from orchestrator.core.wanted import Orders

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
    def sides(self) -> dict[Seat, Side]:
        return {(side.role, side.index): side for side in self.status.sides}

    @cached_property
    def members(self) -> dict[Seat, Member]:
        """Those of the open attempt, in the order of rank."""
        return {(one.role, one.index): one for one in (self.attempt.members if self.attempt else ())}

    @cached_property
    def leader(self) -> Seat:
        """Rank 0: the first member of the open attempt, which need not be the first seat of the spec."""
        return next(iter(self.members), membership.leader_seat(self.spec))

    @cached_property
    def orders(self) -> Orders:
        """Rendered from the record of the open attempt."""
        return Orders(self.spec, self.attempt.members if self.attempt else ())

    @property
    def last_number(self) -> int:
        """Number of the newest attempt ever opened; 0 before the first."""
        if self.attempt:
            return self.attempt.number
        return self.status.attempts[-1].number if self.status.attempts else 0

    @property
    def settling_left(self) -> float:
        """Seconds for which this controller has led for too short a time for anybody's absence to mean anything."""
        since = self.seen.leader_since
        return max(0.0, LEADER_SETTLE_SECONDS - self.since(since)) if since else 0.0

    def checkpoint_at(self, seat: Seat) -> int | None:
        """Newest committed checkpoint: as the agent in this seat sees its directory, else as last recorded."""
        agent = self.agent_at(seat)
        return agent.checkpoint_step if agent is not None else self.recorded_checkpoint

    @cached_property
    def checkpoint_step(self) -> int | None:
        """Newest committed checkpoint in the directory that all who train together share: whoever sees it first."""
        seats = [self.leader] if membership.is_alone(self.spec, self.leader[0]) else list(self.seats)
        agents = [self.agent_at(seat) for seat in seats if membership.is_trainer(seat[0])]
        seen = [one.checkpoint_step for one in agents if one is not None]
        return (
            max((step for step in seen if step is not None), default=None)
            if seen
            else self.recorded_checkpoint
        )

    @property
    def recorded_checkpoint(self) -> int | None:
        recorded = self.status.checkpoint
        return recorded.step if recorded else None

    def agent_at(self, seat: Seat) -> Agent | None:
        replica = self.seats.get(seat)
        return self.agents.get(replica.uid) if replica else None

    def since(self, moment: datetime | None) -> float:
        """Seconds since a recorded moment, at least 0 (clocks step back); 0 for none."""
        return max(0.0, (self.now - moment).total_seconds()) if moment else 0.0

    def until(self, moment: datetime | None) -> float:
        """Seconds until a recorded moment, at least 0; 0 for none."""
        return max(0.0, (moment - self.now).total_seconds()) if moment else 0.0

    def later(self, seconds: float) -> datetime:
        return self.now + timedelta(seconds=seconds)

    def with_status(self, status: JobStatus) -> "Turn":
        """The same moment, with what this turn has decided so far."""
        return Turn(replace(self.seen, status=status), self.now)
