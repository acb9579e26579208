"""Whatever a program reports and prints: counters only grow, reports can be sent, lines do not depend on reads."""

from itertools import zip_longest

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.agent import telemetry
from orchestrator.agent.lines import Lines
from orchestrator.protocol.codec import decode, encode
from orchestrator.protocol.datagrams import STEP_BUCKETS, Checkpointed, Datagram

counts = st.integers(0, 2**63 - 1)
seconds = st.floats(0, 1e300)
datagrams = st.builds(
    Datagram,
    attempt=st.sampled_from([None, 1, 2]),
    step=st.none() | counts,
    metrics=st.dictionaries(st.text(max_size=3), st.none() | st.floats(-1e300, 1e300), max_size=20),
    steps=counts,
    examples=counts,
    non_finite=counts,
    step_seconds=st.lists(counts, min_size=len(STEP_BUCKETS) + 1, max_size=len(STEP_BUCKETS) + 1).map(tuple),
    step_seconds_sum=seconds,
    callback_seconds=seconds,
    busy=st.none() | st.text(st.characters(codec="utf-8"), max_size=50),
    checkpoint=st.none() | st.builds(Checkpointed, counts, st.booleans(), seconds),
    note=st.none() | st.text(st.characters(codec="utf-8"), max_size=500),
)


@given(st.lists(st.none() | datagrams, max_size=20))
def test_counters_never_fall_and_every_report_can_be_sent(stream: list[Datagram | None]) -> None:
    known = telemetry.begin(1)
    for number, datagram in enumerate(stream):
        before = known.report
        known = telemetry.fold(known, datagram, float(number)) if datagram else telemetry.drop(known)
        after = known.report
        for name in ("steps", "examples", "non_finite", "dropped", "checkpoint_failures"):
            assert getattr(after, name) >= getattr(before, name)
        saves = zip_longest(before.checkpoint_save_buckets, after.checkpoint_save_buckets, fillvalue=0)
        assert all(old <= new for old, new in saves)
        for name in ("step_seconds_sum", "callback_seconds", "checkpoint_save_seconds"):
            assert getattr(after, name) >= getattr(before, name)
        report = telemetry.render(known, number, float(number))
        assert decode(encode(report)) == report


@given(
    st.lists(st.sampled_from([b"a", b"bc", "ä".encode(), b"\n", b"\r", b"\b", b"\x1b[1m", b"\xff", b"\xc3"]))
)
def test_lines_do_not_depend_on_how_the_output_was_cut(pieces: list[bytes]) -> None:
    whole, cut = Lines(), Lines()
    expected = whole.feed(b"".join(pieces), 0.0) + whole.flush()
    found = [line for piece in pieces for line in cut.feed(piece, 0.0)]
    assert found + cut.flush() == expected
    assert all(line.isprintable() for line in expected)
