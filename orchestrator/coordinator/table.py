"""What is known of each agent: its last State, latest Report and the moments when things were first seen.

Owned by `coordinator.server`. Folds messages into entries and renders them as `core.observed.Agent`; no I/O, and both
clocks are arguments.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.coordinator.authentication import ReplicaId
from orchestrator.core.observed import Agent
from orchestrator.protocol.messages import ProgramState, Report, State

CATCH_UP_SECONDS = 5.0
"""Within which an agent that has come back has sent its Report too."""
LONGEST_SECONDS = 30 * 24 * 3600.0
"""An agent that says that its program ended longer ago than this is believed no further."""


@dataclass
class Entry:
    """One agent. `since`: when its present (attempt, program state) was first seen; an exited program's is its end.

    `reported_at`, `connected_at`: monotonic.
    """

    replica: ReplicaId
    state: State = field(default_factory=State)
    since: datetime | None = None
    connected: bool = False
    lost_at: datetime | None = None
    report: Report | None = None
    reported_at: float = 0.0
    connected_at: float = 0.0

    def lose(self, now: datetime, silence: float = 0.0) -> None:
        """Its stream has ended, after so many seconds in which nothing was heard."""
        self.connected, self.lost_at = False, now - timedelta(seconds=silence)

    def hear_state(self, state: State, now: datetime, monotonic: float) -> bool:
        """Whether it says anything new, apart from what the agent itself costs and what changes by time alone.

        Only now is the agent connected: before its State nobody knows what it is doing.
        """
        was_connected, self.connected, self.lost_at = self.connected, True, None
        if not was_connected:
            self.connected_at = monotonic
        if self.since is None or (state.attempt, state.state) != (self.state.attempt, self.state.state):
            self.since = begun(state, now)
        old = replace(
            self.state,
            cpu_seconds=state.cpu_seconds,
            rss_bytes=state.rss_bytes,
            ended_seconds=state.ended_seconds,
        )
        self.state = state
        return state != old or not was_connected

    def hear_report(self, report: Report, monotonic: float) -> bool:
        """Whether it is news: of the present attempt, and not heard before."""
        if report.attempt != self.state.attempt:
            return False
        known = self.report
        if known is not None and known.attempt == report.attempt and known.sequence >= report.sequence:
            return False
        self.report, self.reported_at = report, monotonic
        return True

    def observe(self, monotonic: float) -> Agent:
        state = self.state
        report = self.report if self.report and self.report.attempt == state.attempt else None
        steps = [state.checkpoint_step, report.checkpoint_step if report else None]
        return Agent(
            uid=self.replica.uid,
            connected=self.connected,
            attempt=state.attempt,
            state=state.state,
            pid=state.pid,
            exit_code=state.exit_code,
            signal=state.signal,
            asked=state.asked,
            stopped=state.stopped,
            out_of_memory=state.oom,
            start_error=state.start_error,
            last_lines=state.last_lines,
            checkpoint_step=max((step for step in steps if step is not None), default=None),
            since=self.since,
            lost_at=self.lost_at,
            step=report.step if report else None,
            seconds_since_step=self._silence(report, monotonic),
            busy=report.busy if report else "",
            reported=report is not None,
        )

    def _silence(self, report: Report | None, monotonic: float) -> float | None:
        """Seconds since the last step; they go on counting only while somebody would tell us of the next one.

        An agent that comes back says its State first: what its program has done meanwhile it tells a moment later.
        """
        if report is None or report.seconds_since_step is None:
            return None
        is_up_to_date = self.connected and monotonic - self.connected_at >= CATCH_UP_SECONDS
        since = max(0.0, monotonic - self.reported_at) if is_up_to_date else 0.0
        return report.seconds_since_step + since


def begun(state: State, now: datetime) -> datetime:
    """Ends may come to light long after they happened, in any order."""
    if state.state is not ProgramState.EXITED or state.ended_seconds is None:
        return now
    return now - timedelta(seconds=min(max(0.0, state.ended_seconds), LONGEST_SECONDS))
