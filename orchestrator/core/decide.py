"""decide: what is observed of one job, and the moment, to what should happen: the heart of the project.

Called by `controller.reconcile` for every backend and by the simulation. An ordered chain of judgements, the first
that has something to say decides; replicas outside the gang are looked after beside it. Pure: no clock, no I/O.
"""

from datetime import datetime

from msgspec.structs import replace

from orchestrator.api.status import Phase
from orchestrator.core import ending, opening, plan, running, sides, status, stopping, waiting
from orchestrator.core.actions import Decision, Event, EventType, Reason
from orchestrator.core.observed import Observed
from orchestrator.core.turn import Turn

_CHAIN = (
    ending.finish,
    stopping.stop_for_user,
    stopping.suspend,
    ending.reject,
    ending.succeed,
    ending.expire,
    running.go_on,
    opening.open_attempt,
)


def decide(seen: Observed, now: datetime) -> Decision:
    """The decision for one job. The status in it is to be written before anything else of it is performed."""
    if seen.deleting:
        return Decision(status=seen.status)
    turn, events = _begin(Turn(seen, now))
    main = next(found for judge in _CHAIN if (found := judge(turn)) is not None)
    decision = waiting.hindrance(turn, sides.attend(turn, main))
    return replace(
        decision,
        status=status.complete(turn, decision.status, seen.status.conditions),
        wanted=tuple(one for one in decision.wanted if one.uid) if turn.has_agents else (),
        events=(*events, *decision.events),
        requeue_after=_next_look(turn, decision),
    )


def _next_look(turn: Turn, decision: Decision) -> float | None:
    """At the latest when the job's deadline has come."""
    left = None if decision.status.phase.is_final else ending.remaining(turn)
    looks = [one for one in (decision.requeue_after, left) if one is not None and one >= 0]
    return min(looks, default=None)


def _begin(turn: Turn) -> tuple[Turn, tuple[Event, ...]]:
    """The job's first turn, or its first after a suspension, starts its clock."""
    recorded = turn.status
    has_begun = recorded.start_time is not None and recorded.phase is not Phase.SUSPENDED
    if turn.spec.run_policy.suspend or has_begun or recorded.phase.is_final:
        return turn, ()
    if recorded.phase is Phase.SUSPENDED:
        entered = status.enter(recorded, Phase.RESTARTING, Reason.RESUMED, "the job was resumed", turn.now)
        entered = replace(entered, resume_time=turn.now)
    else:
        entered = status.enter(recorded, Phase.CREATED, Reason.CREATED, _accepted(turn), turn.now)
    entered = replace(entered, start_time=turn.now)
    event = Event(type=EventType.NORMAL, reason=Reason(entered.reason), message=entered.message)
    return turn.with_status(entered), (event,)


def _accepted(turn: Turn) -> str:
    """With what of the spec means something else than its words say: told here, once."""
    idle, always = plan.not_built_yet(turn.spec), plan.roles_that_always_restart(turn.spec)
    notes = [f"without effect in this version: {', '.join(idle)}"] if idle else []
    notes += [f"restartPolicy Always of {', '.join(always)} means OnFailure"] if always else []
    return "; ".join(("the job was accepted", *notes))
