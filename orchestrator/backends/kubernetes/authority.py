"""Keeps the coordinator's authority in a Secret, so that every controller, now and after a restart, has the same one.

Called by `controller.program` when it begins to lead. Knows nothing of certificates: two texts that belong together.
"""

from base64 import b64decode, b64encode

import msgspec

from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.api import Api, ApiError

_CERTIFICATE, _KEY = "tls.crt", "tls.key"
Pair = tuple[bytes, bytes]


class _Secret(msgspec.Struct, frozen=True):
    data: dict[str, str] = {}


async def keep_authority(api: Api, place: tuple[str, str], made: Pair) -> Pair:
    """Certificate and key that are kept; `made` is kept if there are none yet. Raises ApiError, Unreachable."""
    found = await _read(api, place)
    if found is not None:
        return found
    namespace, name = place
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "kubernetes.io/tls",
        "metadata": {"name": name, "namespace": namespace},
        "data": {_CERTIFICATE: b64encode(made[0]).decode(), _KEY: b64encode(made[1]).decode()},
    }
    try:
        await api.send(resources.create(resources.SECRETS, namespace, body))
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        return await _read(api, place) or made
    return made


async def _read(api: Api, place: tuple[str, str]) -> Pair | None:
    try:
        answer = await api.send(resources.get(resources.SECRETS, *place))
    except ApiError as error:
        if error.status == 404:
            return None
        raise
    data = msgspec.json.decode(answer.body, type=_Secret).data
    return (
        (b64decode(data[_CERTIFICATE]), b64decode(data[_KEY]))
        if _CERTIFICATE in data and _KEY in data
        else None
    )
