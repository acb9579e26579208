"""What the codec accepts and refuses, and that a refusal names its place."""

import json
import math

import pytest

from orchestrator.protocol.codec import Message, ProtocolError, UnknownType, decode, encode
from orchestrator.protocol.fields import MAX_ENVIRONMENT_VALUE
from orchestrator.protocol.messages import (
    MAX_AGENT_MESSAGE_BYTES,
    MAX_CLUSTER,
    MAX_COORDINATOR_MESSAGE_BYTES,
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

EXAMPLES: tuple[Message, ...] = (
    Hello("job", "worker", 0, "uid", version="1", host="häst", pid=4),
    State(),
    State(2, ProgramState.EXITED, exit_code=1, last_lines=("a", "ä"), checkpoint_step=0, cpu_seconds=0.5),
    Report(1, 2, step=3, metrics={"loss": 1.5}, step_seconds=(1, 2), notes=("note",)),
    Wanted("job", 1),
    Wanted("job", 1, Run(2, {"TFO_RANK": "0"}, '{"worker":["ä:1"]}', "worker", 3)),
    Wanted("job", 1, Run(2, cluster='"' * 400_000)),
    Wanted("job", 1, SaveAndStop(2, 30.5)),
    Wanted("job", 1, Stop(2)),
    Wanted("job", 1, Finish(3, 1.0)),
    Refused("why"),
)


@pytest.mark.parametrize("message", EXAMPLES)
def test_what_is_said_is_heard(message: Message) -> None:
    assert decode(encode(message)) == message
    assert json.loads(encode(message))["type"] == type(message).__name__


def test_fields_of_the_future_are_ignored_and_absent_ones_have_their_default() -> None:
    assert decode(b'{"type":"State","new":{"a":[1]},"attempt":3}') == State(attempt=3)
    wanted = b'{"type":"Wanted","job_uid":"j","term":1,"order":{"type":"Stop","attempt":1,"new":1}}'
    assert decode(wanted) == Wanted("j", 1, Stop(1))
    assert decode(b'{"type":"State","cpu_seconds":3}') == State(cpu_seconds=3.0)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"\xff", "not JSON"),
        (b"[" * 50_000, "nested too deeply"),
        (b"[]", "message must be an object"),
        (b"{}", "unknown type"),
        (b'{"type":7}', "unknown type"),
        (b'{"type":"Hello","job_uid":"j"}', "Hello.role is missing"),
        (b'{"type":"State","attempt":"1"}', "State.attempt must be an integer, not str"),
        (b'{"type":"State","attempt":true}', "State.attempt must be an integer, not bool"),
        (b'{"type":"State","attempt":1.0}', "State.attempt must be an integer, not float"),
        (b'{"type":"State","attempt":9223372036854775808}', "State.attempt is out of range"),
        (b'{"type":"State","attempt":' + b"9" * 5000 + b"}", ""),
        (b'{"type":"State","asked":1}', "State.asked must be true or false, not int"),
        (b'{"type":"State","state":"dancing"}', "State.state must be one of idle, starting, running"),
        (b'{"type":"State","state":[]}', "State.state must be one of"),
        (b'{"type":"State","last_lines":"x"}', "State.last_lines must be a list, not str"),
        (b'{"type":"State","last_lines":["x",null]}', "State.last_lines[1] must be a string, not null"),
        (b'{"type":"State","start_error":"\\ud800"}', "State.start_error is not valid Unicode text"),
        (b'{"type":"State","cpu_seconds":NaN}', "NaN is not a finite number"),
        (b'{"type":"State","cpu_seconds":1e999}', "State.cpu_seconds must be a finite number"),
        (b'{"type":"State","cpu_seconds":"1"}', "State.cpu_seconds must be a number, not str"),
        (b'{"type":"State","cpu_seconds":' + b"9" * 400 + b"}", "State.cpu_seconds is out of range"),
        (b'{"type":"Report","attempt":1,"sequence":1,"metrics":[]}', "Report.metrics must be an object"),
        (
            b'{"type":"Report","attempt":1,"sequence":1,"metrics":{"a":true}}',
            "Report.metrics.a must be a number",
        ),
        (b'{"type":"Wanted","job_uid":"j","term":1,"order":[]}', "Wanted.order must be an object"),
        (b'{"type":"Wanted","job_uid":"j","term":1,"order":{"type":"Explode"}}', "unknown type 'Explode'"),
        (
            b'{"type":"Wanted","job_uid":"j","term":1,"order":{"type":"Run","attempt":1,"env":{"A":"\\u0000"}}}',
            "Wanted.order.env.A holds a NUL character",
        ),
        (
            b'{"type":"Wanted","job_uid":"j","term":1,"order":{"type":"Run","attempt":1,"cluster":"\\u0000"}}',
            "Wanted.order.cluster holds a NUL character",
        ),
    ],
)
def test_nonsense_is_refused_and_named(data: bytes, message: str) -> None:
    with pytest.raises(ProtocolError) as caught:
        decode(data)
    assert message in str(caught.value)


def test_only_an_unknown_type_may_be_ignored() -> None:
    with pytest.raises(UnknownType):
        decode(b'{"type":"FromTheFuture"}')
    with pytest.raises(ProtocolError) as caught:
        decode(b'{"type":"State","attempt":null}')
    assert not isinstance(caught.value, UnknownType)


@pytest.mark.parametrize(
    "message",
    [
        Report(1, 1, metrics={"loss": math.nan}),
        Report(1, 1, input_wait_seconds=math.inf),
        Report(1, 1, metrics={str(number): 1.0 for number in range(17)}),
        Report(1, 1, metrics={"x" * 65: 1.0}),
        Report(1, 1, step_seconds=(1,) * 65),
        State(last_lines=("x",) * 33),
        State(start_error="x" * 4097),
        State(start_error="\ud800"),
        State(last_lines=("ä" * 4096,) * 32),
        State(last_lines=("x" * 4096,) * 16),
        Wanted("j", 1, Run(1, {"A": "x" * (MAX_ENVIRONMENT_VALUE + 1)})),
        Wanted("j", 1, Run(1, {str(number): "x" * 127_000 for number in range(9)})),
        Wanted("j", 1, Run(1, cluster="x" * (MAX_CLUSTER + 1))),
        Wanted("j", 1, Run(1, cluster='"' * MAX_CLUSTER)),
        Wanted("j", 1, Run(1, {str(number): "" for number in range(1025)})),
    ],
)
def test_nothing_is_said_that_the_other_side_would_refuse(message: Message) -> None:
    with pytest.raises(ProtocolError):
        encode(message)


def test_what_is_not_json_cannot_be_said() -> None:
    with pytest.raises(ProtocolError):
        encode(State(attempt={1, 2}))  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("limit", [MAX_AGENT_MESSAGE_BYTES, MAX_COORDINATOR_MESSAGE_BYTES])
def test_too_long_a_message_is_not_even_parsed(limit: int) -> None:
    with pytest.raises(ProtocolError, match=f"message of {limit + 1} bytes, at most {limit} are allowed"):
        decode(b" " * (limit + 1), limit)


def test_an_agent_may_be_told_more_than_it_may_say() -> None:
    assert len(encode(Wanted("j", 1, Run(1, cluster="x" * MAX_CLUSTER)))) > MAX_AGENT_MESSAGE_BYTES
    assert len(encode(State(last_lines=("x" * 4000,) * 16))) <= MAX_AGENT_MESSAGE_BYTES
