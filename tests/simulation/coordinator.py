"""A simulated coordinator for one job: the real table's entries, folded from whatever the network delivers."""

from collections.abc import Callable
from dataclasses import dataclass, field

from orchestrator.backends.memory.clock import VirtualClock
from orchestrator.coordinator.authentication import ReplicaId
from orchestrator.coordinator.table import Entry
from orchestrator.core.actions import WantedOrder
from orchestrator.core.observed import Agent
from orchestrator.protocol.messages import Order, Report, State, Wanted
from tests.simulation.agents import SILENCE_SECONDS


@dataclass
class SimulatedCoordinator:
    """Implements controller.reconcile.Agents. A new leader has a new one: empty tables and a higher term."""

    clock: VirtualClock
    job_uid: str
    term: int
    send: Callable[[str, Wanted], None]
    on_change: Callable[[], None]
    on_report: Callable[[ReplicaId, Report], None]
    wanted: dict[str, Order | None] = field(default_factory=dict)
    _entries: dict[str, Entry] = field(default_factory=dict)
    _heard_at: dict[str, float] = field(default_factory=dict)

    def hear(self, replica: ReplicaId, message: State | Report) -> None:
        entry = self._entries.setdefault(replica.uid, Entry(replica))
        if isinstance(message, State):
            self._heard_at[replica.uid] = self.clock.seconds
            has_changed = entry.hear_state(message, self.clock(), self.clock.seconds)
            self._say(replica.uid)
            if has_changed:
                self.on_change()
            return
        known = entry.report
        if entry.hear_report(message, self.clock.seconds):
            assert message.attempt == entry.state.attempt, "a report of another attempt counts"
            assert known is None or known.attempt != message.attempt or known.sequence < message.sequence, (
                "a report counts that is not newer than the last one"
            )
            self.on_report(replica, message)

    def _say(self, uid: str) -> None:
        self.send(uid, Wanted(self.job_uid, self.term, self.wanted.get(uid)))

    def repeat(self) -> None:
        """Says again to everybody what is wanted."""
        for uid in self._entries:
            self._say(uid)

    def look(self) -> None:
        """Notices who has gone silent; to be called every few seconds."""
        for uid, heard_at in self._heard_at.items():
            silence = self.clock.seconds - heard_at
            if silence > SILENCE_SECONDS:
                self.hang_up(uid, silence)

    def hang_up(self, uid: str, silence: float = 0.0) -> None:
        """The stream has ended: a dead process closes its sockets."""
        entry = self._entries.get(uid)
        if entry is not None and entry.connected:
            entry.lose(self.clock(), silence)
            self.on_change()

    def agents(self, job_uid: str) -> tuple[Agent, ...]:
        entries = (one for one in self._entries.values() if one.since)
        return tuple(one.observe(self.clock.seconds) for one in entries)

    def set_wanted(self, job_uid: str, orders: tuple[WantedOrder, ...]) -> None:
        before, self.wanted = self.wanted, {one.uid: one.order for one in orders}
        for uid in {**before, **self.wanted}:
            if uid in self._entries and before.get(uid) != self.wanted.get(uid):
                self._say(uid)
