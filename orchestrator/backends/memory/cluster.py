"""Nodes and replicas of a small cluster, with the levers that make things go wrong.

Owned by the memory backend; tests, the simulation and dry runs pull the levers. A replica is Pending, then Running,
then terminal, as a pod is; its seat is free only when it is gone. What runs inside replicas is the Runtime's business.
"""

from collections.abc import Callable
from typing import Protocol

from msgspec.structs import replace

from orchestrator.api.types import Role
from orchestrator.backends.memory.clock import VirtualClock
from orchestrator.core.membership import Seat
from orchestrator.core.observed import Disruption, Replica, ReplicaPhase

REMOVAL_SECONDS = 0.2
"""Between the end of a replica that is being deleted and its disappearance."""
DISRUPTION_GRACE_SECONDS = 30.0


class Runtime(Protocol):
    """What runs inside the replicas."""

    def started(self, key: str, replica: Replica) -> None:
        """The replica's container runs now."""
        ...

    def asked_to_end(self, uid: str, grace_seconds: float) -> None:
        """SIGTERM; `killed` follows after the grace unless it has ended by then."""
        ...

    def killed(self, uid: str) -> None:
        """Nothing of it is left, whatever it was doing."""
        ...


class IdleRuntime:
    """Replicas that run until they are told otherwise, and end at once when asked."""

    def __init__(self, cluster: "Cluster") -> None:
        self._cluster = cluster

    def started(self, key: str, replica: Replica) -> None:
        """Nothing to do."""

    def asked_to_end(self, uid: str, grace_seconds: float) -> None:
        self._cluster.end(uid, exit_code=143)

    def killed(self, uid: str) -> None:
        """Nothing to do."""


class Node:
    """A machine. A lost one says nothing any more, and nothing on it runs; a full one takes no more replicas."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_up = True
        self.is_full = False
        self.uids: set[str] = set()


class Cluster:
    """Everything that exists, by UID. `on_change` is told the key of a job whose replicas have changed."""

    def __init__(self, clock: VirtualClock, nodes: int, start_seconds: float) -> None:
        self._clock = clock
        self.start_seconds = start_seconds
        self.nodes = {f"node-{number}": Node(f"node-{number}") for number in range(nodes)}
        self.runtime: Runtime = IdleRuntime(self)
        self.on_change: Callable[[str], None] = lambda key: None
        self._replicas: dict[str, Replica] = {}
        self._keys: dict[str, str] = {}
        self._seats: dict[tuple[str, Seat], str] = {}
        self._errors: dict[tuple[str, Seat], str] = {}
        self._count = 0

    def replicas(self, key: str) -> tuple[Replica, ...]:
        found = [self._replicas[uid] for uid, owner in self._keys.items() if owner == key]
        return tuple(sorted(found, key=lambda one: (list(Role).index(one.role), one.index)))

    def get(self, uid: str) -> Replica | None:
        return self._replicas.get(uid)

    def node_of(self, uid: str) -> Node | None:
        return next((one for one in self.nodes.values() if uid in one.uids), None)

    # --- what the backend does

    def create(self, key: str, seat: Seat, attempt: int) -> None:
        """A seat that is taken stays as it is: creating is idempotent."""
        if (key, seat) in self._seats:
            return
        self._count += 1
        uid = f"{seat[0].value}-{seat[1]}-{self._count}"
        self._keys[uid], self._seats[key, seat] = key, uid
        self._replicas[uid] = Replica(
            role=seat[0],
            index=seat[1],
            uid=uid,
            attempt=attempt,
            phase=ReplicaPhase.PENDING,
            since=self._clock(),
            error=self._errors.get((key, seat), ""),
        )
        self._place(uid)
        self.on_change(key)

    def delete(self, uid: str, grace_seconds: float, *, foreign: bool = False) -> None:
        """Asks it to end; it disappears when it has, or when the grace is over and its node can say so."""
        replica = self._replicas.get(uid)
        if replica is None or replica.deleting:
            return
        self._change(uid, replace(replica, deleting=True, foreign_deletion=foreign))
        if replica.phase is not ReplicaPhase.RUNNING:
            self._clock.after(REMOVAL_SECONDS, lambda: self._remove(uid))
            return
        self._clock.after(grace_seconds, lambda: self._kill(uid))
        if self._is_reachable(uid) and grace_seconds > 0:
            self.runtime.asked_to_end(uid, grace_seconds)

    # --- levers

    def refuse(self, key: str, seat: Seat, error: str) -> None:
        """From now on the server says this when the replica is to be created."""
        self._errors[key, seat] = error

    def end(
        self,
        uid: str,
        *,
        exit_code: int | None = None,
        signal: int | None = None,
        out_of_memory: bool = False,
        ended_attempt: int | None = None,
        last_lines: tuple[str, ...] = (),
    ) -> None:
        """Its container has ended by itself; a lost node cannot say so."""
        replica = self._replicas.get(uid)
        if replica is None or replica.phase is not ReplicaPhase.RUNNING or not self._is_reachable(uid):
            return
        ended = replace(
            replica,
            phase=ReplicaPhase.SUCCEEDED if exit_code == 0 else ReplicaPhase.FAILED,
            exit_code=exit_code,
            signal=signal,
            out_of_memory=out_of_memory,
            ended_attempt=ended_attempt,
            last_lines=last_lines,
            since=self._clock(),
        )
        self._change(uid, ended)
        if replica.deleting:
            self._clock.after(REMOVAL_SECONDS, lambda: self._remove(uid))

    def disrupt(self, uid: str, disruption: Disruption) -> None:
        """Somebody takes its place away: announced, asked to end, gone."""
        replica = self._replicas.get(uid)
        if replica is not None and not replica.deleting and not replica.phase.is_terminal:
            self._change(uid, replace(replica, disruption=disruption))
            self.delete(uid, DISRUPTION_GRACE_SECONDS, foreign=True)

    def vanish(self, uid: str) -> None:
        """Deleted by force: gone without a trace, its program killed."""
        if uid in self._replicas:
            self.runtime.killed(uid)
            self._remove(uid)

    def lose_node(self, name: str) -> None:
        """The power fails. Nobody is told yet: its replicas still read as they were."""
        node = self.nodes[name]
        node.is_up = False
        for uid in sorted(node.uids):
            self.runtime.killed(uid)

    def announce_loss(self, name: str) -> None:
        """The control plane has noticed: its replicas are marked, but cannot end."""
        for uid in sorted(self.nodes[name].uids):
            replica = self._replicas[uid]
            if not replica.phase.is_terminal:
                marked = replace(
                    replica, disruption=Disruption.NODE_LOST, deleting=True, foreign_deletion=True
                )
                self._change(uid, marked)

    def restore_node(self, name: str) -> None:
        """The machine is back, empty: what was on it is gone."""
        node = self.nodes[name]
        for uid in sorted(node.uids):
            self._remove(uid)
        node.is_up = True
        for uid, replica in list(self._replicas.items()):
            if replica.phase is ReplicaPhase.PENDING and self.node_of(uid) is None:
                self._place(uid)

    # --- inside

    def _place(self, uid: str) -> None:
        """On the emptiest node that has room; without one it stays Pending."""
        usable = [one for one in self.nodes.values() if one.is_up and not one.is_full]
        if not usable or self._replicas[uid].error:
            return
        node = min(usable, key=lambda one: (len(one.uids), one.name))
        node.uids.add(uid)
        self._clock.after(self.start_seconds, lambda: self._start(uid))

    def _start(self, uid: str) -> None:
        replica = self._replicas.get(uid)
        if replica is None or replica.phase is not ReplicaPhase.PENDING or replica.deleting:
            return
        if self._is_reachable(uid):
            running = replace(replica, phase=ReplicaPhase.RUNNING, since=self._clock())
            self._change(uid, running)
            self.runtime.started(self._keys[uid], running)

    def _kill(self, uid: str) -> None:
        replica = self._replicas.get(uid)
        if replica is not None and replica.phase is ReplicaPhase.RUNNING and self._is_reachable(uid):
            self.runtime.killed(uid)
            self.end(uid, signal=9)

    def _is_reachable(self, uid: str) -> bool:
        node = self.node_of(uid)
        return node is None or node.is_up

    def _change(self, uid: str, replica: Replica) -> None:
        self._replicas[uid] = replica
        self.on_change(self._keys[uid])

    def _remove(self, uid: str) -> None:
        replica = self._replicas.pop(uid, None)
        if replica is None:
            return
        key = self._keys.pop(uid)
        del self._seats[key, (replica.role, replica.index)]
        for node in self.nodes.values():
            node.uids.discard(uid)
        self.on_change(key)
