"""What is wanted of each agent of a job: values, which a Link encodes whenever it says one.

Owned by `coordinator.server`. Thousands of orders share one text of their cluster; encoded, each would have a copy of
its own. Sends nothing.
"""

import dataclasses
from collections.abc import Iterable

from orchestrator.core.actions import WantedOrder
from orchestrator.protocol.codec import ProtocolError, encode
from orchestrator.protocol.messages import MAX_COORDINATOR_MESSAGE_BYTES, Order, Run, Wanted


class Wishes:
    """Of one job under one term."""

    def __init__(self, job_uid: str, term: int) -> None:
        self.term = term
        self._nothing = Wanted(job_uid, term)
        self._wishes: dict[str, Wanted] = {}

    def of(self, uid: str) -> Wanted:
        """An agent without an order is to carry on."""
        return self._wishes.get(uid, self._nothing)

    def replace(self, orders: Iterable[WantedOrder]) -> None:
        """Raises ProtocolError, and changes nothing, if an order is too large to be sent."""
        sizes: dict[str, int] = {}
        self._wishes = {each.uid: self._wish(each.uid, each.order, sizes) for each in orders}

    def _wish(self, uid: str, order: Order | None, sizes: dict[str, int]) -> Wanted:
        """The one that is there, if it says the same: most turns of the controller change nobody's order."""
        known = self._wishes.get(uid)
        if known is not None and known.order == order:
            return known
        made = dataclasses.replace(self._nothing, order=order)
        _check(made, sizes)
        return made


def _check(wish: Wanted, sizes: dict[str, int]) -> None:
    """Refuses what `encode` would refuse. `sizes`: of the clusters met so far, each of which is encoded only once."""
    order = wish.order
    if not isinstance(order, Run) or not order.cluster:
        encode(wish)
        return
    bare = len(encode(dataclasses.replace(wish, order=dataclasses.replace(order, cluster=""))))
    if order.cluster not in sizes:
        sizes[order.cluster] = len(encode(wish)) - bare
    if bare + sizes[order.cluster] > MAX_COORDINATOR_MESSAGE_BYTES:
        raise ProtocolError(f"order for a cluster of {len(order.cluster)} characters is too large")
