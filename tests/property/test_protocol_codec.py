"""For every message: it survives the wire; for every byte string: an answer or a ProtocolError, nothing else."""

import json
from contextlib import suppress

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.protocol import codec, datagrams
from orchestrator.protocol.codec import Message, ProtocolError
from orchestrator.protocol.messages import (
    Finish,
    Hello,
    ProgramState,
    Refused,
    Report,
    Run,
    SaveAndStop,
    State,
    Stop,
    Wanted,
)

texts = st.text(st.characters(codec="utf-8"), max_size=100)
counts = st.integers(0, 2**63 - 1)
maybe = st.none() | counts
seconds = st.floats(0, 1e12)
names = st.text(st.characters(codec="utf-8"), max_size=64)
values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=100)

hellos = st.builds(Hello, texts, texts, counts, texts, texts, texts, counts, texts, counts)
states = st.builds(
    State,
    counts,
    st.sampled_from(ProgramState),
    counts,
    maybe,
    maybe,
    st.booleans(),
    st.booleans(),
    st.booleans(),
    texts,
    st.lists(texts, max_size=20).map(tuple),
    maybe,
    counts,
    seconds,
    counts,
)
reports = st.builds(
    Report,
    counts,
    counts,
    maybe,
    metrics=st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False), max_size=16),
    step_seconds=st.lists(counts, max_size=64).map(tuple),
    step_seconds_sum=seconds,
    seconds_since_step=st.none() | seconds,
    busy=texts,
    notes=st.lists(texts, max_size=8).map(tuple),
)
orders = st.one_of(
    st.none(),
    st.builds(Run, counts, st.dictionaries(texts, values, max_size=10), values, texts, counts),
    st.builds(SaveAndStop, counts, seconds),
    st.builds(Stop, counts, seconds),
    st.builds(Finish, counts, seconds),
)
messages = st.one_of(
    hellos, states, reports, st.builds(Wanted, texts, counts, orders), st.builds(Refused, texts)
)

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
known_names = sorted(
    {
        name
        for kind in (Hello, State, Report, Wanted, datagrams.Datagram)
        for name in kind.__dataclass_fields__
    }
)
documents = st.dictionaries(st.sampled_from(known_names), json_values, max_size=6)


@given(messages)
def test_every_message_survives_the_wire(message: Message) -> None:
    assert codec.decode(codec.encode(message)) == message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_refused(data: bytes) -> None:
    for decode in (codec.decode, datagrams.decode):
        with suppress(ProtocolError):
            decode(data)


@given(documents, st.sampled_from(["Hello", "State", "Report", "Wanted", "Refused", "?"]))
def test_any_document_is_a_message_that_can_be_repeated_or_refused(
    document: dict[str, object], kind: str
) -> None:
    data = json.dumps({"type": kind, **document}).encode()
    try:
        message = codec.decode(data)
    except ProtocolError:
        return
    assert codec.decode(codec.encode(message)) == message


@given(documents)
def test_any_document_is_a_datagram_or_refused(document: dict[str, object]) -> None:
    try:
        datagram = datagrams.decode(json.dumps(document).encode())
    except ProtocolError:
        return
    assert datagrams.decode(datagrams.encode(datagram)) == datagram
