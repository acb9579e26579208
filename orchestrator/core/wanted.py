"""What each agent should be doing, rendered from the recorded attempt: orders for the coordinator's table.

Called by `decide` and its parts. The environment of an attempt is made here; that of the job in `plan`. Pure. What all
members share is rendered once: thousands of them hold one text, and none looks for itself in a list.
"""

from dataclasses import dataclass
from functools import cached_property

from orchestrator.api.status import Attempt, Member, Side
from orchestrator.api.types import AgentMode, JobSpec, Role, Strategy
from orchestrator.core import membership, tf_config
from orchestrator.core.membership import Seat
from orchestrator.protocol import environment as env
from orchestrator.protocol.messages import Run
from orchestrator.protocol.tf_config import join


def start_env(spec: JobSpec, run: int, restore_step: int | None) -> dict[str, str]:
    """Without agents nobody tells us of checkpoints: the program restores the newest one that it finds."""
    found = {env.ATTEMPT: str(run)}
    if spec.recovery.agent is AgentMode.ENABLED:
        found[env.RESTORE_STEP] = "" if restore_step is None else str(restore_step)
    return found


@dataclass(frozen=True)
class Orders:
    """Of one attempt; `members`: of its record."""

    spec: JobSpec
    members: tuple[Member, ...]

    def run_member(self, attempt: Attempt, me: Member) -> Run:
        """The order that starts this member's program of this attempt."""
        return self._run(me, attempt.number, attempt.restore_step)

    def run_side(self, side: Side) -> Run:
        """The order that starts a replica outside the gang, under its own run number."""
        me = Member(role=side.role, index=side.index, uid=side.uid, address=side.address)
        return self._run(me, side.run, side.restore_step)

    def _run(self, me: Member, number: int, restore_step: int | None) -> Run:
        cluster = self._cluster_of(me)
        return Run(
            attempt=number,
            env=self._place(me) | start_env(self.spec, number, restore_step),
            cluster=cluster,
            task_type=me.role.value if cluster else "",
            task_index=self._task_index(me) if cluster else 0,
        )

    def bare_env(self, me: Member, run: int) -> dict[str, str]:
        """Of a replica without an agent, which is made for this one run. `me`: its address counts only where it is no
        member (the evaluator)."""
        return self.whole_env(self._seats.get((me.role, me.index), me)) | start_env(self.spec, run, None)

    def whole_env(self, me: Member) -> dict[str, str]:
        """With TF_CONFIG in it: what a program without an agent finds."""
        cluster, found = self._cluster_of(me), self._place(me)
        if cluster:
            found[env.TF_CONFIG] = join(cluster, me.role.value, self._task_index(me))
        return found

    def _place(self, me: Member) -> dict[str, str]:
        """Among the members. The evaluator is alone: rank 0 of 1."""
        if me.role is Role.EVALUATOR:
            return {env.RANK: "0", env.WORLD_SIZE: "1"}
        return {env.RANK: str(self._ranks[me.role, me.index]), env.WORLD_SIZE: str(len(self._ranks))}

    def _cluster_of(self, me: Member) -> str:
        """Empty where no TF_CONFIG is needed."""
        if not self._has_cluster:
            return ""
        return tf_config.cluster_of_evaluator(me) if me.role is Role.EVALUATOR else self._cluster

    def _task_index(self, me: Member) -> int:
        return 0 if me.role is Role.EVALUATOR else self._task_indexes[me.role, me.index]

    @cached_property
    def _seats(self) -> dict[Seat, Member]:
        return {(one.role, one.index): one for one in self.members}

    @cached_property
    def _has_cluster(self) -> bool:
        return tf_config.is_needed(self.spec)

    @cached_property
    def _cluster(self) -> str:
        return tf_config.cluster(self.members)

    @cached_property
    def _task_indexes(self) -> dict[Seat, int]:
        return tf_config.task_indexes(self.members)

    @cached_property
    def _ranks(self) -> dict[Seat, int]:
        """Where each replica is alone, they come and go as the spec says."""
        if self.spec.strategy is Strategy.INDEPENDENT:
            seats = membership.trainer_seats(self.spec)
        else:
            seats = tuple((one.role, one.index) for one in self.members if membership.is_trainer(one.role))
        return {seat: rank for rank, seat in enumerate(seats)}
