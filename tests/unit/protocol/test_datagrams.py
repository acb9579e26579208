"""Datagrams from a training process."""

import pytest

from orchestrator.protocol.datagrams import (
    MAX_DATAGRAM_BYTES,
    Checkpointed,
    Datagram,
    ProtocolError,
    decode,
    encode,
)


def test_any_part_may_be_missing() -> None:
    assert decode(b"{}") == Datagram()
    assert decode(b'{"step":3,"metrics":{"loss":1,"acc":null},"future":0}') == Datagram(
        step=3, metrics={"loss": 1.0, "acc": None}
    )
    assert decode(b'{"checkpoint":{"step":5}}') == Datagram(checkpoint=Checkpointed(5, ok=True, seconds=0.0))
    full = Datagram(
        1, 2, 3, 4, 5, 6, {"a": None}, 7, 8, 9, (1, 2), 1.5, 2.5, 3.5, "saving", Checkpointed(1), "note"
    )
    assert decode(encode(full)) == full


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"[]", "datagram must be an object"),
        (b'{"steps":-1}', "datagram.steps must not be negative"),
        (b'{"step":-1}', "datagram.step must not be negative"),
        (b'{"callback_seconds":-0.5}', "datagram.callback_seconds must not be negative"),
        (b'{"step_seconds":[1,-1]}', "datagram.step_seconds[1] must not be negative"),
        (b'{"metrics":{"loss":Infinity}}', "Infinity is not a finite number"),
        (b'{"checkpoint":{}}', "datagram.checkpoint.step is missing"),
        (b'{"busy":3}', "datagram.busy must be a string, not int"),
        (b" " * (MAX_DATAGRAM_BYTES + 1), "at most 16384 are allowed"),
    ],
)
def test_nonsense_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(data)
    assert message in str(caught.value)
