"""Who bears a token: asked of the API server by TokenReview, for our audience and bound to a pod.

Given to the coordinator's `PodAuthenticator` by `controller.program`. The token is in no log and in no error.
https://kubernetes.io/docs/reference/access-authn-authz/authentication/#service-account-tokens
"""

import msgspec

from orchestrator.backends.kubernetes import resources
from orchestrator.backends.kubernetes.agents import AUDIENCE
from orchestrator.backends.kubernetes.api import Api, ApiError, Unreachable

REVIEW_SECONDS = 5.0
_POD_UID = "authentication.kubernetes.io/pod-uid"
_ACCOUNT = "system:serviceaccount:"


class _User(msgspec.Struct, frozen=True):
    username: str = ""
    extra: dict[str, list[str]] = {}


class _Status(msgspec.Struct, frozen=True):
    authenticated: bool = False
    audiences: list[str] = []
    user: _User = _User()


class _Review(msgspec.Struct, frozen=True):
    status: _Status = _Status()


async def review(api: Api, token: str) -> str | None:
    """UID of the pod that the token is bound to; None: it is not for us, or not (any more) valid, which it is not once
    its pod is gone. Raises ConnectionError when that cannot be found out now."""
    body = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token, "audiences": [AUDIENCE]},
    }
    try:
        answer = await api.send(resources.create(resources.TOKEN_REVIEWS, None, body), seconds=REVIEW_SECONDS)
    except (ApiError, Unreachable) as error:
        raise ConnectionError(str(error)) from None
    status = msgspec.json.decode(answer.body, type=_Review).status
    is_ours = status.authenticated and AUDIENCE in status.audiences
    is_account = status.user.username.startswith(_ACCOUNT)
    if not is_ours or not is_account:
        return None
    return next(iter(status.user.extra.get(_POD_UID, ())), None)
