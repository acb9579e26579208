"""Whether every program of a job can be told of all replicas: how large a cluster may be.

Called by `opening`, before anything is got for an attempt, by `running`, before one is stopped for a resize, and by
`waiting`, which tells. Judged by the spec, whoever is ready. Pure.
"""

from orchestrator.api.status import Member
from orchestrator.core import membership, names, plan, seating, tf_config
from orchestrator.core.turn import Turn
from orchestrator.protocol.fields import MAX_ENVIRONMENT_VALUE

_LONGEST_ADDRESS = 253 + len(":65535") + len('"",')
"""In JSON, of a host's DNS name (RFC 1035, 2.3.4)."""
_LONGEST_REST = 1024
ALWAYS_FIT = (MAX_ENVIRONMENT_VALUE - _LONGEST_REST) // _LONGEST_ADDRESS
"""So many replicas fit whatever they are called, and nothing is rendered at each turn only to be measured."""


def refusal(turn: Turn) -> str:
    """What is wrong with the number of replicas, and what would be right; empty: nothing is."""
    lacking = _lacking(turn)
    if not lacking or not tf_config.is_needed(turn.spec):
        return ""
    if len(membership.trainer_seats(turn.spec)) <= ALWAYS_FIT:
        return ""
    members = _members(turn)
    size = tf_config.longest(members)
    if size <= MAX_ENVIRONMENT_VALUE:
        return ""
    return (
        f"TF_CONFIG of {len(members):,} replicas would have {size:,} bytes, and a variable can have "
        f"{MAX_ENVIRONMENT_VALUE:,}; it would go through a file with {lacking}; fewer replicas, a shorter job name or "
        "a shorter namespace would do, too"
    )


def _lacking(turn: Turn) -> str:
    """What it takes to pass TF_CONFIG on in a file: an agent that writes it, and the start-up hook that reads it."""
    wishes = {
        "recovery.agent: Enabled": turn.has_agents,
        "something of instrument set to Auto": bool(plan.instruments(turn.spec)),
    }
    return " and ".join(name for name, is_there in wishes.items() if not is_there)


def _members(turn: Turn) -> tuple[Member, ...]:
    """With the highest of their ports, so that no later attempt is judged otherwise."""
    number = names.PORT_RANGE - 1
    seats = membership.trainer_seats(turn.spec)
    return tuple(Member(*seat, "", seating.address(turn, seat, number)) for seat in seats)
