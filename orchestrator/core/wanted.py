"""What each agent should be doing, rendered from the recorded attempt: orders for the coordinator's table.

Called by `decide`. The environment of an attempt is made here; that of the job in `plan`. Pure.
"""

from orchestrator.api.status import Attempt, Member, Side
from orchestrator.api.types import AgentMode, JobSpec, Role, Strategy
from orchestrator.core import membership, tf_config
from orchestrator.protocol import environment as env
from orchestrator.protocol.messages import Run


def attempt_env(spec: JobSpec, members: tuple[Member, ...], me: Member) -> dict[str, str]:
    """TF_CONFIG and place among the members. The evaluator is alone: rank 0 of 1."""
    seat: membership.Seat = (me.role, me.index)
    places = [seat] if me.role is Role.EVALUATOR else _places(spec, members)
    place = places.index(seat)
    found = {env.RANK: str(place), env.WORLD_SIZE: str(len(places))}
    if tf_config.is_needed(spec):
        found[env.TF_CONFIG] = tf_config.render(members, me)
    return found


def _places(spec: JobSpec, members: tuple[Member, ...]) -> list[membership.Seat]:
    """In the order of rank. Where each replica is alone, they come and go as the spec says."""
    if spec.strategy is Strategy.INDEPENDENT:
        return list(membership.trainer_seats(spec))
    return [(one.role, one.index) for one in members if membership.is_trainer(one.role)]


def start_env(spec: JobSpec, run: int, restore_step: int | None) -> dict[str, str]:
    """Without agents nobody tells us of checkpoints: the program restores the newest one that it finds."""
    found = {env.ATTEMPT: str(run)}
    if spec.recovery.agent is AgentMode.ENABLED:
        found[env.RESTORE_STEP] = "" if restore_step is None else str(restore_step)
    return found


def run_member(spec: JobSpec, attempt: Attempt, me: Member) -> Run:
    """The order that starts this member's program of this attempt."""
    found = attempt_env(spec, attempt.members, me) | start_env(spec, attempt.number, attempt.restore_step)
    return Run(attempt=attempt.number, env=found)


def run_side(spec: JobSpec, attempt: Attempt | None, side: Side) -> Run:
    """The order that starts a replica outside the gang, under its own run number."""
    me = Member(role=side.role, index=side.index, uid=side.uid, address=side.address)
    members = attempt.members if attempt else ()
    found = attempt_env(spec, members, me) | start_env(spec, side.run, side.restore_step)
    return Run(attempt=side.run, env=found)
