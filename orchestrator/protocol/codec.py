"""JSON codec of the agent session: `encode` and `decode` for every message of `protocol.messages`.

Called by `agent.session` and `coordinator`. A message is one JSON object with its class name in `type`; unknown
fields are ignored, so that versions may differ, and everything else is checked. Python 3.9, standard library only.
"""

from __future__ import annotations

from typing import Any, Dict, Tuple, Union

from orchestrator.protocol.fields import (
    Check,
    Field,
    ProtocolError,
    UnknownType,
    collect,
    describe,
    environment_value,
    optional,
    parse,
    plain,
    render,
)
from orchestrator.protocol.messages import (
    MAX_AGENT_MESSAGE_BYTES,
    MAX_CLUSTER,
    MAX_COORDINATOR_MESSAGE_BYTES,
    AgentMessage,
    ClusterText,
    CoordinatorMessage,
    Finish,
    Hello,
    Order,
    Refused,
    Report,
    Run,
    SaveAndStop,
    State,
    Stop,
    Wanted,
)

__all__ = ["Message", "ProtocolError", "UnknownType", "decode", "encode"]

Message = Union[AgentMessage, CoordinatorMessage]


def encode(message: Message) -> bytes:
    """Raises ProtocolError for what the other side would refuse."""
    value = plain(message)
    _message(value)
    is_order = isinstance(message, (Wanted, Refused))
    return render(value, MAX_COORDINATOR_MESSAGE_BYTES if is_order else MAX_AGENT_MESSAGE_BYTES)


def decode(data: bytes, limit: int = MAX_COORDINATOR_MESSAGE_BYTES) -> Message:
    """Raises ProtocolError (UnknownType where only the type is unknown). `limit`: what the other side may say."""
    return _message(parse(data, limit))


def _message(value: object) -> Message:
    kind = _type_of(value, _MESSAGES, "message")
    message: Message = kind(**collect(value, _MESSAGES[kind], kind.__name__))
    return message


def _order(value: object, path: str) -> Order:
    kind = _type_of(value, _ORDERS, path)
    order: Order = kind(**collect(value, _ORDERS[kind], path))
    return order


def _type_of(value: object, known: Dict[Any, Tuple[Field, ...]], path: str) -> Any:
    if not isinstance(value, dict):
        raise ProtocolError(f"{path} must be an object")
    name = value.get("type")
    for kind in known:
        if kind.__name__ == name:
            return kind
    raise UnknownType(f"{path} has the unknown type {str(name)[:64]!r}")


def _cluster(value: object, path: str) -> str:
    return environment_value(value, path, MAX_CLUSTER)


_ORDERS = {kind: describe(kind, {ClusterText: _cluster}) for kind in (Run, SaveAndStop, Stop, Finish)}
_EXTRA: Dict[object, Check] = {Union[Run, SaveAndStop, Stop, Finish, None]: optional(_order)}
_MESSAGES = {kind: describe(kind, _EXTRA) for kind in (Hello, State, Report, Wanted, Refused)}
