"""Whether a pod will ever be confirmed gone: one that is being deleted, on a node that nobody hears of.

Called by `backend`. Waiting for the time that the pod has would help nobody: its node knows nothing of it. The server
is asked about a node only when a deletion takes longer than usual; the answer is remembered for a while.
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import Api, ApiError
from orchestrator.backends.kubernetes.objects import Condition, Pod

USUAL_SECONDS = 10.0
_REMEMBERED_SECONDS = 10.0


class _NodeStatus(msgspec.Struct, frozen=True):
    conditions: tuple[Condition, ...] = ()


class _Node(msgspec.Struct, frozen=True):
    status: _NodeStatus = _NodeStatus()


class LostNodes:
    def __init__(self, api: Api, clock: Callable[[], datetime]) -> None:
        self._api, self._clock = api, clock
        self._known: dict[str, tuple[datetime, bool]] = {}

    async def is_orphaned(self, pod: Pod) -> bool:
        found = pod.metadata
        if found.deletion_timestamp is None or not pod.spec.node_name:
            return False
        now = self._clock()
        given = timedelta(seconds=found.deletion_grace_period_seconds or 0)
        asked_at = datetime.fromisoformat(found.deletion_timestamp) - given
        if now < asked_at + timedelta(seconds=USUAL_SECONDS):
            return False
        return await self._is_lost(pod.spec.node_name, now)

    async def _is_lost(self, node: str, now: datetime) -> bool:
        looked, is_lost = self._known.get(node, (None, False))
        if looked is None or (now - looked).total_seconds() >= _REMEMBERED_SECONDS:
            is_lost = await self._ask(node)
            self._known[node] = (now, is_lost)
        return is_lost

    async def _ask(self, node: str) -> bool:
        """Gone, or not heard of by the node controller. Whoever may not know assumes that it is there."""
        try:
            answer = await self._api.send(resources.get(resources.NODES, None, node))
        except ApiError as error:
            return error.status == 404
        conditions = msgspec.json.decode(answer.body, type=_Node).status.conditions
        return any(one.type == "Ready" and one.status == "Unknown" for one in conditions)
