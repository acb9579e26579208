"""One gRPC stream without I/O: frames as they come and go, flow control, and every kind of nonsense refused."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as some

from orchestrator.agent.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    MAX_FRAME,
    PADDED,
    PING,
    PREFACE,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Frame,
    FrameReader,
    HttpError,
    render_frame,
    render_headers,
)
from orchestrator.agent.stream import MAX_WINDOW, STREAM, WINDOW, Stream

LIMIT = 64 * 1024
INITIAL_WINDOW_SIZE = 4


def make() -> Stream:
    return Stream("/service/method", "localhost", [("authorization", "Bearer t")], LIMIT)


def opened() -> Stream:
    """One whose opening has been taken."""
    made = make()
    made.take()
    return made


def frames(data: bytes) -> list[Frame]:
    return FrameReader().feed(data)


def said(stream: Stream) -> bytes:
    """The data that it sends now."""
    return b"".join(frame.payload for frame in frames(stream.take()) if frame.kind == DATA)


def message(data: bytes) -> bytes:
    return struct.pack(">BI", 0, len(data)) + data


def heard(payload: bytes, flags: int = 0) -> bytes:
    return render_frame(DATA, flags, STREAM, payload)


def setting(name: int, value: int) -> bytes:
    return render_frame(SETTINGS, 0, 0, struct.pack(">HI", name, value))


def room(stream: int, more: int) -> bytes:
    return render_frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", more))


def test_a_stream_opens_with_preface_settings_and_its_request() -> None:
    data = make().take()
    assert data.startswith(PREFACE)
    settings, request = frames(data.removeprefix(PREFACE))
    assert (settings.kind, settings.stream) == (SETTINGS, 0)
    assert (request.kind, request.flags, request.stream) == (HEADERS, END_HEADERS, STREAM)
    assert b"\x10\x05:path\x0f/service/method" in request.payload
    assert b"\x10\x0dauthorization\x08Bearer t" in request.payload


@pytest.mark.parametrize(
    ("size", "length"), [(126, b"\x7e"), (127, b"\x7f\x00"), (1337 + 127, b"\x7f\xb9\x0a")]
)
def test_long_headers_tell_their_length_in_several_bytes(size: int, length: bytes) -> None:
    assert render_headers([("a", "x" * size)]) == b"\x10\x01a" + length + b"x" * size


def test_what_no_header_can_hold_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        render_headers([("authorization", "Bearer ü")])


@given(some.lists(some.binary(max_size=300)), some.integers(1, 50))
def test_messages_come_out_however_the_bytes_are_cut(messages: list[bytes], size: int) -> None:
    stream, found = opened(), []
    data = b"".join(heard(message(each)) for each in messages)
    for start in range(0, len(data), size):
        found += stream.receive(data[start : start + size])
    assert found == messages


def test_a_message_may_take_several_frames_and_have_padding() -> None:
    stream, whole = opened(), message(b"abcdef")
    assert stream.receive(heard(whole[:7])) == []
    assert stream.receive(heard(b"\x03" + whole[7:] + b"\0\0\0", PADDED)) == [b"abcdef"]


def test_sending_waits_for_room_and_goes_on_when_there_is_some() -> None:
    stream = opened()
    stream.send(b"x" * (WINDOW + 5))
    first = said(stream)
    assert (len(first), stream.has_room) == (WINDOW, False)
    stream.receive(room(0, 8))
    assert said(stream) == b""
    stream.receive(room(STREAM, 100))
    second = said(stream)
    assert len(second) == 8
    stream.receive(room(0, 100))
    assert first + second + said(stream) == message(b"x" * (WINDOW + 5))
    assert stream.has_room


def test_frames_are_no_longer_than_allowed() -> None:
    stream = opened()
    stream.send(b"x" * 40_000)
    sizes = [len(frame.payload) for frame in frames(stream.take())]
    assert sizes == [MAX_FRAME, MAX_FRAME, 40_005 - 2 * MAX_FRAME]


def test_the_other_side_may_change_the_room_of_streams_and_is_answered() -> None:
    stream = opened()
    stream.receive(setting(INITIAL_WINDOW_SIZE, 10))
    assert frames(stream.take()) == [Frame(SETTINGS, ACK, 0, b"")]
    stream.send(b"x" * 15)
    assert len(said(stream)) == 10
    stream.receive(setting(INITIAL_WINDOW_SIZE, 15))
    assert len(said(stream)) == 5
    assert stream.receive(render_frame(SETTINGS, ACK)) == []
    assert stream.take() == b""


def test_room_is_given_back_for_what_was_heard() -> None:
    stream = opened()
    for _ in range(3):
        stream.receive(heard(message(b"x" * (MAX_FRAME - 5))))
    updates = [frame for frame in frames(stream.take()) if frame.kind == WINDOW_UPDATE]
    given = [(frame.stream, int.from_bytes(frame.payload, "big")) for frame in updates]
    # Not for each frame, but whenever half of the window is used up.
    assert given == [(0, 2 * MAX_FRAME), (STREAM, 2 * MAX_FRAME)]


def test_a_ping_is_answered_and_an_answer_is_not() -> None:
    stream = opened()
    stream.receive(render_frame(PING, 0, 0, b"12345678"))
    assert frames(stream.take()) == [Frame(PING, ACK, 0, b"12345678")]
    stream.receive(render_frame(PING, ACK, 0, b"12345678"))
    assert not stream.is_blocked


def test_finishing_is_said_once_and_only_after_everything_else() -> None:
    stream = opened()
    stream.send(b"x" * WINDOW)
    stream.finish()
    assert not any(frame.flags & END_STREAM for frame in frames(stream.take()))
    stream.receive(room(0, 100) + room(STREAM, 100))
    data, end = frames(stream.take())
    assert (len(data.payload), end) == (5, Frame(DATA, END_STREAM, STREAM, b""))
    stream.receive(room(0, 100) + setting(INITIAL_WINDOW_SIZE, WINDOW))
    stream.finish()
    assert frames(stream.take()) == [Frame(SETTINGS, ACK, 0, b"")]


def test_what_could_not_be_written_comes_first_the_next_time() -> None:
    stream = opened()
    stream.send(b"abc")
    data = stream.take()
    stream.put_back(data[4:])
    stream.send(b"d")
    assert stream.take().startswith(data[4:])


def farewell(last: int, code: int) -> bytes:
    return render_frame(GOAWAY, 0, 0, struct.pack(">II", last, code))


@pytest.mark.parametrize(
    ("data", "is_over"),
    [
        (heard(b"", END_STREAM), True),
        (render_frame(HEADERS, END_STREAM | END_HEADERS, STREAM, b"\x88"), True),
        (render_frame(HEADERS, END_HEADERS, STREAM, b"\x88"), False),
        (render_frame(RST_STREAM, 0, STREAM, b"\0\0\0\x08"), True),
        (farewell(MAX_WINDOW, 0), False),
        (farewell(STREAM, 0), False),
        (farewell(0, 0), True),
        (farewell(STREAM, 2), True),
        (render_frame(0x42, 0xFF, 9, b"of a newer version"), False),
    ],
)
def test_what_ends_a_stream(data: bytes, is_over: bool) -> None:
    stream = opened()
    assert stream.receive(data) == []
    assert stream.is_over == is_over


@pytest.mark.parametrize(
    "data",
    [
        struct.pack(">I", MAX_FRAME + 1)[1:] + b"\0\0\0\0\0\1",
        render_frame(DATA, 0, 3, b"of another stream"),
        heard(b"\1" + message(b"compressed")[1:]),
        heard(struct.pack(">BI", 0, LIMIT + 1)),
        heard(b"\x05abc", PADDED),
        heard(b"", PADDED),
        render_frame(SETTINGS, 0, 0, b"12345"),
        render_frame(WINDOW_UPDATE, 0, 0, b"123"),
        room(0, MAX_WINDOW),
        render_frame(PUSH_PROMISE, 0, STREAM, b"\0\0\0\2"),
        render_frame(GOAWAY, 0, 0, b"1234"),
    ],
)
def test_nonsense_is_refused(data: bytes) -> None:
    with pytest.raises(HttpError):
        opened().receive(data)


@given(some.binary(max_size=200))
def test_any_bytes_are_understood_or_refused(data: bytes) -> None:
    stream = opened()
    try:
        stream.receive(data)
    except HttpError:
        return
    assert stream.is_over in (True, False)
