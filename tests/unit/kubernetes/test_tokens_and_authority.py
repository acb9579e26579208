"""Whose token it is, and the one authority of all controllers."""

from base64 import b64encode
from typing import Any

import pytest

from orchestrator.backends.kubernetes.api import ApiError, Unreachable
from orchestrator.backends.kubernetes.authority import keep_authority
from orchestrator.backends.kubernetes.tokens import review
from tests.fixtures.scripted_api import ScriptedApi

REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"
AUDIENCE = "tf-orchestrator/agent"


def status(**changes: Any) -> dict[str, Any]:
    user = {
        "username": "system:serviceaccount:ns:default",
        "extra": {"authentication.kubernetes.io/pod-uid": ["pod-1"]},
    }
    return {"status": {"authenticated": True, "audiences": [AUDIENCE], "user": user, **changes}}


async def test_a_token_for_us_names_its_pod() -> None:
    api = ScriptedApi()
    api.answer("POST", REVIEWS, status())
    assert await review(api, "secret") == "pod-1"


@pytest.mark.parametrize(
    "answer",
    [
        status(authenticated=False),
        status(audiences=["https://kubernetes.default.svc"]),
        status(user={"username": "system:serviceaccount:ns:default", "extra": {}}),
        status(user={"username": "jane", "extra": {"authentication.kubernetes.io/pod-uid": ["pod-1"]}}),
        {"status": {}},
    ],
    ids=["not authentic", "another audience", "bound to no pod", "no account", "nothing"],
)
async def test_any_other_token_is_nobodys(answer: dict[str, Any]) -> None:
    api = ScriptedApi()
    api.answer("POST", REVIEWS, answer)
    assert await review(api, "secret") is None


@pytest.mark.parametrize("error", [ApiError(500, "", "broken"), Unreachable("no answer")])
async def test_that_it_cannot_be_found_out_is_no_judgement(error: Exception) -> None:
    api = ScriptedApi()
    api.answer("POST", REVIEWS, error)
    with pytest.raises(ConnectionError) as found:
        await review(api, "secret")
    assert "secret" not in str(found.value)


PLACE = ("ns", "secret")
SECRETS = "/api/v1/namespaces/ns/secrets"
KEPT = {"data": {"tls.crt": b64encode(b"old").decode(), "tls.key": b64encode(b"key").decode()}}
NEW = (b"new", b"its key")


async def test_the_first_controller_keeps_what_it_made() -> None:
    api = ScriptedApi()
    api.answer("POST", SECRETS, {})
    assert await keep_authority(api, PLACE, NEW) == NEW


async def test_the_others_take_what_is_kept() -> None:
    api = ScriptedApi()
    api.answer("GET", f"{SECRETS}/secret", KEPT)
    assert await keep_authority(api, PLACE, NEW) == (b"old", b"key")


async def test_of_two_first_ones_the_faster_wins() -> None:
    api = ScriptedApi()
    api.answer("GET", f"{SECRETS}/secret", ApiError(404, "NotFound", "none"), KEPT)
    api.answer("POST", SECRETS, ApiError(409, "AlreadyExists", "there is one"))
    assert await keep_authority(api, PLACE, NEW) == (b"old", b"key")
