"""TF_CONFIG, rendered from an attempt's record: the same cluster in every member, dense task indexes.

Called by `wanted` (what an agent runs, what stands in a pod without one) and `capacity`. Pure: same record, same bytes.
Format: https://www.tensorflow.org/api_docs/python/tf/distribute/cluster_resolver/TFConfigClusterResolver
"""

import json
from collections.abc import Mapping, Sequence

from orchestrator.api.status import Member
from orchestrator.api.types import JobSpec, Role, Strategy
from orchestrator.core import membership
from orchestrator.protocol.tf_config import join


def is_needed(spec: JobSpec) -> bool:
    """Follows from the spec alone, never from who happens to be alive."""
    if spec.strategy is Strategy.INDEPENDENT:
        return False
    return spec.strategy is Strategy.PARAMETER_SERVER or len(membership.seats(spec)) > 1


def cluster(members: Sequence[Member]) -> str:
    """JSON of role to addresses in the order of rank, compact with sorted keys; without the evaluator, which is
    never part of the training."""
    found: dict[str, list[str]] = {}
    for one in members:
        if membership.is_trainer(one.role):
            found.setdefault(one.role.value, []).append(one.address)
    return _text(found)


def cluster_of_evaluator(me: Member) -> str:
    """It is alone in a cluster of its own."""
    return _text({Role.EVALUATOR.value: [me.address]})


def _text(shape: Mapping[str, Sequence[str]]) -> str:
    return json.dumps(shape, sort_keys=True, separators=(",", ":"))


def task_indexes(members: Sequence[Member]) -> dict[membership.Seat, int]:
    """Rank among the members of the same role: dense, whatever indexes are missing."""
    found: dict[membership.Seat, int] = {}
    counts = dict.fromkeys(Role, 0)
    for one in members:
        found[one.role, one.index] = counts[one.role]
        counts[one.role] += 1
    return found


def longest(members: Sequence[Member]) -> int:
    """Bytes of the longest TF_CONFIG among those of these members."""
    tasks = (len(join("", role.value, index)) for (role, _), index in task_indexes(members).items())
    return len(cluster(members)) + max(tasks, default=0)
