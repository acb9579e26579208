"""What is wanted of a job's agents: shared values, checked when they change."""

import pytest

from orchestrator.coordinator import wishes
from orchestrator.coordinator.wishes import Wishes
from orchestrator.core.actions import WantedOrder
from orchestrator.protocol.codec import Message, ProtocolError, encode
from orchestrator.protocol.messages import MAX_COORDINATOR_MESSAGE_BYTES, Order, Run, Stop, Wanted

QUOTES = '"' * 480_000
"""Twice as long when encoded."""


def orders(**found: Order | None) -> list[WantedOrder]:
    return [WantedOrder(uid=uid, order=order) for uid, order in found.items()]


def room(cluster: str) -> int:
    """Characters that an environment may have beside this cluster."""
    return MAX_COORDINATOR_MESSAGE_BYTES - len(encode(Wanted("job", 1, Run(1, {"A": ""}, cluster))))


def test_who_has_no_order_is_to_carry_on() -> None:
    made = Wishes("job", 7)
    made.replace(orders(a=Stop(1), b=None))
    assert made.of("a") == Wanted("job", 7, Stop(1))
    assert made.of("b") == made.of("c") == Wanted("job", 7)
    made.replace([])
    assert made.of("a") == Wanted("job", 7)


def test_an_order_that_is_said_again_stays_the_value_that_it_was() -> None:
    made = Wishes("job", 1)
    made.replace(orders(a=Run(1, {}, "x" * 1000, "worker", 0)))
    first = made.of("a")
    made.replace(orders(a=Run(1, {}, "".join(["x"] * 1000), "worker", 0)))
    assert made.of("a") is first
    made.replace(orders(a=Run(1, {}, "x" * 1000, "worker", 1)))
    assert made.of("a") is not first


def test_a_cluster_that_many_share_is_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def count(message: Message) -> bytes:
        found = encode(message)
        sizes.append(len(found))
        return found

    monkeypatch.setattr(wishes, "encode", count)
    cluster = "x" * 100_000
    Wishes("job", 1).replace(
        orders(**{str(index): Run(1, {}, cluster, "worker", index) for index in range(50)})
    )
    assert sum(size > len(cluster) for size in sizes) == 1


@pytest.mark.parametrize("cluster", ["", QUOTES])
def test_an_order_that_is_too_large_changes_nothing(cluster: str) -> None:
    """Also the second one of a cluster whose first one is not."""
    made = Wishes("job", 1)
    many = {str(number): "x" * 100_000 for number in range(room(cluster) // 101_000)}
    fitting = Run(1, many, cluster)
    left = MAX_COORDINATOR_MESSAGE_BYTES - len(encode(Wanted("job", 1, Run(1, {**many, "A": ""}, cluster))))
    last = Run(1, {**many, "A": "x" * left}, cluster)
    made.replace(orders(a=fitting, b=last))
    assert len(encode(made.of("b"))) == MAX_COORDINATOR_MESSAGE_BYTES
    with pytest.raises(ProtocolError):
        made.replace(orders(a=fitting, b=Run(1, {**many, "A": "x" * (left + 1)}, cluster)))
    assert (made.of("a").order, made.of("b").order) == (fitting, last)
