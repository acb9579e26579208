"""Keeps the books of a simulated job and checks the invariants whenever something is recorded, ordered or started.

The numbers are those of the project's list of invariants. A violation is an AssertionError at the moment it happens.
What is written is held against what the simulated programs really did, which `truth` knows.
"""

from collections import Counter
from typing import TYPE_CHECKING

from orchestrator.api.status import (
    Attempt,
    Cause,
    ConditionType,
    EndedAttempt,
    JobStatus,
    Member,
    Phase,
    Side,
)
from orchestrator.api.types import Role, Strategy
from orchestrator.core.actions import CreateReplica, WantedOrder
from orchestrator.core.membership import Seat, is_gang, is_server, is_trainer
from orchestrator.protocol.messages import Run, SaveAndStop, Stop
from tests.simulation import truth
from tests.simulation.programs import Program

if TYPE_CHECKING:
    from tests.simulation.world import World


class Ledger:
    """`starts`: (seat, run) -> UID of the replica whose program it was. `ran`: replicas that ever ran, by seat."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.records: dict[int, Attempt] = {}
        self.ended: dict[int, EndedAttempt] = {}
        self.starts: dict[tuple[Seat, int], str] = {}
        self.programs: dict[tuple[Seat, int], Program] = {}
        self.ran: Counter[Seat] = Counter()
        self.sides: dict[tuple[Seat, int], Side] = {}
        self.side_ends: list[Side] = []
        self.last_starts: dict[Seat, Side] = {}
        self.vacated: set[Seat] = set()
        self.maps: dict[int, str] = {}
        self.done: set[Seat] = set()

    # --- what is recorded

    def recorded(self, before: JobStatus, after: JobStatus) -> None:
        self._counts(before, after)
        self._phases(before, after)
        self._attempts(before, after)
        known = {one.name: one for one in before.sides}
        for side in after.sides:
            self._side(known.get(side.name), side)
        self._each_end_once(after)
        if after.phase is Phase.SUCCEEDED and before.phase is not Phase.SUCCEEDED:
            truth.check_success(self._world, after)

    def _counts(self, before: JobStatus, after: JobStatus) -> None:
        """I4: nothing that was counted is taken back, and restarts keep within the budget."""
        assert before.restarts <= after.restarts <= self._world.job.spec.run_policy.backoff_limit
        assert before.disruptions <= after.disruptions
        assert before.resizes <= after.resizes
        assert before.steps_lost <= after.steps_lost
        if before.checkpoint:
            assert after.checkpoint
            assert before.checkpoint.step <= after.checkpoint.step, "I7: the recorded checkpoint went back"

    def _phases(self, before: JobStatus, after: JobStatus) -> None:
        """I3: a job that has ended stays as it ended, with one ending condition."""
        if before.phase.is_final:
            assert after.phase is before.phase
            assert after.completion_time == before.completion_time
            assert after.restarts == before.restarts
        true = {one.type for one in after.conditions if one.status}
        assert not {ConditionType.SUCCEEDED, ConditionType.FAILED} <= true
        assert (ConditionType.SUCCEEDED in true) == (after.phase is Phase.SUCCEEDED)
        assert (ConditionType.FAILED in true) == (after.phase is Phase.FAILED)
        kinds = [one.type for one in after.conditions]
        assert len(kinds) == len(set(kinds))

    def _attempts(self, before: JobStatus, after: JobStatus) -> None:
        """Numbers grow by one, members never change, and every attempt is closed once with one cause (I3)."""
        if after.attempt is not None:
            self._opened(before, after.attempt)
        for one in after.attempts:
            if one.number not in self.ended:
                self.ended[one.number] = one
                truth.check_cause(self._world, one)
            known = self.ended[one.number]
            assert one.opened == (one.number in self.records)
            assert (known.cause, known.member, known.end_time) == (one.cause, one.member, one.end_time)

    def _each_end_once(self, after: JobStatus) -> None:
        """I3, I4: the counts are those of attempts and of replicas outside the gang, and of nothing else."""
        causes = [
            *(one.cause for one in self.ended.values()),
            *(one.cause for one in self.side_ends if one.cause),
        ]
        last_failed = after.phase is Phase.FAILED and after.attempt is None
        restarts = sum(one.is_restart for one in causes) - after.restarts
        assert restarts in ((0, 1) if last_failed else (0,)), "a restart was not counted once"
        assert sum(one.is_disruption for one in causes) == after.disruptions, (
            "a disruption was not counted once"
        )

    def _side(self, before: Side | None, after: Side) -> None:
        """A replica outside the gang: each of its ends is one restart, and uses up a run number."""
        seat = (after.role, after.index)
        grown = after.restarts - (before.restarts if before else 0)
        assert grown in (0, 1)
        if grown and is_trainer(after.role):
            self.side_ends.append(after)
        if grown and before and after.cause is Cause.HANG:
            truth.check_hang(self._world, self.programs[seat, before.run])
        if before and before.uid and not after.uid and not grown:
            self.vacated.add(seat)
        self.sides[seat, after.run] = after
        if after.succeeded and self._world.job.spec.strategy is Strategy.INDEPENDENT:
            self.done.add(seat)

    def _opened(self, before: JobStatus, attempt: Attempt) -> None:
        known = self.records.get(attempt.number)
        if known is None:
            assert attempt.number == max((*self.records, *self.ended), default=0) + 1
            assert before.attempt is None
            self._restores(attempt)
            truth.check_barrier(self._world, attempt)
        else:
            assert [(one.name, one.address) for one in known.members] == [
                (one.name, one.address) for one in attempt.members
            ]
            assert all(
                old.uid in ("", new.uid) for old, new in zip(known.members, attempt.members, strict=True)
            )
            assert known.restore_step == attempt.restore_step
        self.records[attempt.number] = attempt

    def _restores(self, attempt: Attempt) -> None:
        """I7: nothing that was committed is thrown away."""
        spec = self._world.job.spec
        if self._world.has_agents and spec.strategy is not Strategy.INDEPENDENT:
            assert (attempt.restore_step or 0) == (self._world.disk.step or 0), (
                "I7: an older step is restored"
            )

    # --- what is ordered and started

    def orders(self, orders: tuple[WantedOrder, ...]) -> None:
        """Nobody is told to run in a job that has ended, is suspended, or in an attempt that is to end."""
        status = self._world.status
        running = [one for one in orders if isinstance(one.order, Run)]
        assert len({one.uid for one in orders}) == len(orders), "two orders for one agent"
        if status.phase.is_final or status.phase is Phase.SUSPENDED:
            assert not running
        if status.attempt is not None and any(isinstance(one.order, SaveAndStop) for one in orders):
            told = {one.uid for one in orders if isinstance(one.order, SaveAndStop | Stop)}
            gang = [one for one in status.attempt.members if is_gang(self._world.job.spec, one.role)]
            alive = {one.uid for one in gang if one.uid in self._world.living_uids}
            assert alive - self._serving(gang, told) <= told, "somebody is not asked to save"

    def _serving(self, gang: list[Member], told: set[str]) -> set[str]:
        """Whoever only serves the chief, while that is asked."""
        servers = {one.uid for one in gang if is_server(self._world.job.spec, one.role)}
        return servers if any(one.uid in told for one in gang if one.uid not in servers) else set()

    def creates(self, action: CreateReplica) -> None:
        """Without agents a replica is the attempt's program: the record comes first, and nobody runs twice in it."""
        seat = (action.role, action.index)
        if not self._world.has_agents and is_gang(self._world.job.spec, action.role):
            self._persisted(seat, action.attempt)
        assert self._world.status.phase is not Phase.SUSPENDED, "I15: a replica for a suspended job"
        assert not self._world.status.phase.is_final

    def removes(self) -> None:
        """The job itself is deleted: it has ended, and its time to live is over."""
        status, ttl = self._world.status, self._world.job.spec.run_policy.ttl_seconds_after_finished
        assert status.phase.is_final
        assert status.completion_time is not None
        assert ttl is not None
        assert (self._world.clock() - status.completion_time).total_seconds() >= ttl

    def started(self, uid: str, program: Program) -> None:
        """A program is about to run."""
        seat, run = program.seat, program.run
        others = [one for one in self._world.living if one.seat == seat and one is not program]
        assert not others, f"I1: two programs of {seat} at once"
        self._once(seat, run)
        assert seat not in self.done, f"I2: {seat} had succeeded"
        self.starts[seat, run], self.programs[seat, run] = uid, program
        if is_gang(self._world.job.spec, seat[0]):
            self._persisted(seat, run, uid)
            self._same_map(program, run)
            truth.check_lost_work(self._world, program)
        elif self._world.has_agents:
            self._side_started(seat, program)

    def _once(self, seat: Seat, run: int) -> None:
        """Without agents a replica that nobody ever saw may be made again."""
        earlier = self.starts.get((seat, run))
        status = self._world.status
        seen = {one.uid for one in status.attempt.members} if status.attempt else set()
        seen |= {one.uid for one in status.sides}
        was_seen = self._world.has_agents or earlier in seen
        assert earlier is None or not was_seen, f"{seat} started twice for run {run}"

    def _persisted(self, seat: Seat, run: int, uid: str = "") -> None:
        """Persist, then act."""
        record = self.records.get(run)
        assert record is not None, f"attempt {run} runs without a record"
        member = next((one for one in record.members if (one.role, one.index) == seat), None)
        assert member is not None, f"{seat} is no member of attempt {run}"
        assert member.uid in ("", uid) or not uid, f"{uid} is not the member of attempt {run}"

    def _side_started(self, seat: Seat, program: Program) -> None:
        """Outside the gang: what has ended within an attempt was counted before it starts again."""
        record, last = self.sides.get((seat, program.run)), self.last_starts.get(seat)
        assert record, f"{seat} runs without a record"
        self.last_starts[seat] = record
        is_same = last is not None and last.attempt == record.attempt and seat not in self.vacated
        if last is not None and is_same and not self.programs[seat, last.run].is_told:
            assert record.restarts > last.restarts, f"an end of {seat} was not counted"
        self.vacated.discard(seat)
        if is_trainer(seat[0]):
            self._same_map(program, record.attempt)

    def _same_map(self, program: Program, attempt: int) -> None:
        """I12: all who run in one attempt have the same cluster map, which never has the evaluator in it."""
        assert Role.EVALUATOR.value not in program.cluster
        known = self.maps.setdefault(attempt, str(program.cluster))
        assert known == str(program.cluster), f"I12: {program.seat} has another map"
