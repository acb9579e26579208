"""A simulated coordinator: states of agents in, wanted states out, as tables; for one job."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from orchestrator.backends.memory.clock import VirtualClock
from orchestrator.coordinator.table import begun
from orchestrator.core.actions import WantedOrder
from orchestrator.core.observed import Agent
from orchestrator.protocol.messages import Order, Report, State, Wanted
from tests.simulation.agents import SILENCE_SECONDS


@dataclass
class _Known:
    """What is known of one agent, and when it was heard last."""

    state: State
    since: datetime
    heard_at: float
    report: Report | None = None
    reported_at: float = 0.0
    is_connected: bool = True
    lost_at: datetime | None = None


@dataclass
class SimulatedCoordinator:
    """Implements controller.reconcile.Agents. A new leader has a new one: empty tables and a higher term."""

    clock: VirtualClock
    job_uid: str
    term: int
    send: Callable[[str, Wanted], None]
    on_change: Callable[[], None]
    wanted: dict[str, Order | None] = field(default_factory=dict)
    _known: dict[str, _Known] = field(default_factory=dict)

    def hear(self, uid: str, message: State | Report) -> None:
        if isinstance(message, State):
            self._hear_state(uid, message)
        elif uid in self._known:
            known = self._known[uid]
            known.report, known.reported_at = message, self.clock.seconds

    def _hear_state(self, uid: str, state: State) -> None:
        known, now = self._known.get(uid), self.clock.seconds
        if known is None:
            self._known[uid] = _Known(state, begun(state, self.clock()), now)
            has_changed = True
        else:
            old = replace(known.state, ended_seconds=state.ended_seconds)
            has_changed = old != state or not known.is_connected
            if (known.state.attempt, known.state.state) != (state.attempt, state.state):
                known.since = begun(state, self.clock())
            known.state, known.heard_at = state, now
            known.is_connected, known.lost_at = True, None
        self.send(uid, self._wish(uid))
        if has_changed:
            self.on_change()

    def _wish(self, uid: str) -> Wanted:
        return Wanted(self.job_uid, self.term, self.wanted.get(uid))

    def look(self) -> None:
        """Notices who has gone silent; to be called every few seconds."""
        for known in self._known.values():
            silence = self.clock.seconds - known.heard_at
            if known.is_connected and silence > SILENCE_SECONDS:
                known.is_connected, known.lost_at = False, self.clock() - timedelta(seconds=silence)
                self.on_change()

    def hang_up(self, uid: str) -> None:
        """The stream has ended: a dead process closes its sockets."""
        known = self._known.get(uid)
        if known is not None and known.is_connected:
            known.is_connected, known.lost_at = False, self.clock()
            self.on_change()

    def agents(self, job_uid: str) -> tuple[Agent, ...]:
        return tuple(self._agent(uid, known) for uid, known in self._known.items())

    def _agent(self, uid: str, known: _Known) -> Agent:
        state, report = known.state, known.report
        if report is not None and report.attempt != state.attempt:
            report = None
        silence = report.seconds_since_step if report else None
        return Agent(
            uid=uid,
            connected=known.is_connected,
            attempt=state.attempt,
            state=state.state,
            exit_code=state.exit_code,
            signal=state.signal,
            asked=state.asked,
            stopped=state.stopped,
            out_of_memory=state.oom,
            start_error=state.start_error,
            last_lines=state.last_lines,
            checkpoint_step=state.checkpoint_step,
            since=known.since,
            lost_at=known.lost_at,
            step=report.step if report else None,
            seconds_since_step=None if silence is None else silence + self.clock.seconds - known.reported_at,
            reported=report is not None,
        )

    def set_wanted(self, job_uid: str, orders: tuple[WantedOrder, ...]) -> None:
        before, self.wanted = self.wanted, {one.uid: one.order for one in orders}
        for uid in {**before, **self.wanted}:
            if uid in self._known and before.get(uid) != self.wanted.get(uid):
                self.send(uid, self._wish(uid))
