"""TF_CONFIG, rendered from an attempt's record: the same cluster in every member, dense task indexes.

Called by `wanted` (what an agent runs) and `plan` (what would run). Pure: same record, same bytes.
Format: https://www.tensorflow.org/api_docs/python/tf/distribute/cluster_resolver/TFConfigClusterResolver
"""

import json
from collections.abc import Sequence

from orchestrator.api.status import Member
from orchestrator.api.types import JobSpec, Role, Strategy
from orchestrator.core import membership


def is_needed(spec: JobSpec) -> bool:
    """Follows from the spec alone, never from who happens to be alive."""
    if spec.strategy is Strategy.INDEPENDENT:
        return False
    return spec.strategy is Strategy.PARAMETER_SERVER or len(membership.seats(spec)) > 1


def cluster(members: Sequence[Member]) -> dict[str, list[str]]:
    """Role to addresses in the order of rank; without the evaluator, which is never part of the training."""
    found: dict[str, list[str]] = {}
    for one in members:
        if membership.is_trainer(one.role):
            found.setdefault(one.role.value, []).append(one.address)
    return found


def task_index(members: Sequence[Member], me: Member) -> int:
    """Rank among the members of the same role: dense, whatever indexes are missing."""
    return [one.index for one in members if one.role is me.role].index(me.index)


def render(members: Sequence[Member], me: Member) -> str:
    """The TF_CONFIG of `me`, compact with sorted keys. The evaluator is alone in a cluster of its own."""
    if me.role is Role.EVALUATOR:
        shape, index = {Role.EVALUATOR.value: [me.address]}, 0
    else:
        shape, index = cluster(members), task_index(members, me)
    config = {"cluster": shape, "task": {"type": me.role.value, "index": index}}
    return json.dumps(config, sort_keys=True, separators=(",", ":"))
