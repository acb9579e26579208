"""Which resource has which path, and the requests for them.

Called by everything that speaks through `Api`. Pure: objects are JSON values, encoded here.
"""

from urllib.parse import quote

import msgspec

from orchestrator.api.types import GROUP, VERSION, JsonObject
from orchestrator.backends.kubernetes.api import MERGE_PATCH, Request

PAGE = 500


class Resource(msgspec.Struct, frozen=True):
    """`group`: empty for the core one."""

    group: str
    version: str
    plural: str

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
        """`namespace` None: of all namespaces, or of a resource that has none."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        parts = [root, *(("namespaces", quote(namespace, safe="")) if namespace else ()), self.plural]
        parts += [quote(part, safe="") for part in (name, subresource) if part]
        return "/".join(parts)


JOBS = Resource(GROUP, VERSION, "tensorflowjobs")
PODS = Resource("", "v1", "pods")
SERVICES = Resource("", "v1", "services")
SECRETS = Resource("", "v1", "secrets")
NAMESPACES = Resource("", "v1", "namespaces")
NODES = Resource("", "v1", "nodes")
EVENTS = Resource("", "v1", "events")
LEASES = Resource("coordination.k8s.io", "v1", "leases")
TOKEN_REVIEWS = Resource("authentication.k8s.io", "v1", "tokenreviews")

Query = tuple[tuple[str, str], ...]


def list_page(
    resource: Resource, namespace: str | None, *, selector: str = "", field: str = "", following: str = ""
) -> Request:
    """One page of the newest state; `following`: the token that the page before gave."""
    query = (
        ("limit", str(PAGE)),
        ("continue", following),
        ("labelSelector", selector),
        ("fieldSelector", field),
    )
    return Request(method="GET", path=resource.path(namespace), query=_given(query))


def watch(
    resource: Resource,
    namespace: str | None,
    *,
    version: str,
    seconds: int,
    selector: str = "",
    field: str = "",
) -> Request:
    """Every change after `version`; the server ends it after so many seconds."""
    query = (
        ("watch", "1"),
        ("allowWatchBookmarks", "true"),
        ("resourceVersion", version),
        ("timeoutSeconds", str(seconds)),
        ("labelSelector", selector),
        ("fieldSelector", field),
    )
    return Request(method="GET", path=resource.path(namespace), query=_given(query))


def get(resource: Resource, namespace: str | None, name: str, subresource: str = "") -> Request:
    return Request(method="GET", path=resource.path(namespace, name, subresource))


def create(resource: Resource, namespace: str | None, body: JsonObject, *, strict: bool = False) -> Request:
    """`strict`: a field that the server does not know is an error, not silence."""
    return Request(
        method="POST",
        path=resource.path(namespace),
        query=(("fieldValidation", "Strict"),) if strict else (),
        body=msgspec.json.encode(body),
    )


def replace(
    resource: Resource, namespace: str | None, name: str, body: JsonObject, subresource: str = ""
) -> Request:
    path = resource.path(namespace, name, subresource)
    return Request(method="PUT", path=path, body=msgspec.json.encode(body))


def patch(
    resource: Resource, namespace: str | None, name: str, body: JsonObject, subresource: str = ""
) -> Request:
    """A merge patch: null takes a field away."""
    path = resource.path(namespace, name, subresource)
    return Request(method="PATCH", path=path, body=msgspec.json.encode(body), content_type=MERGE_PATCH)


def delete(
    resource: Resource,
    namespace: str | None,
    name: str,
    *,
    uid: str = "",
    version: str = "",
    grace_seconds: int | None = None,
) -> Request:
    """`uid`, `version`: the object is deleted only if it has these."""
    preconditions = {name: text for name, text in (("uid", uid), ("resourceVersion", version)) if text}
    options: JsonObject = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if preconditions:
        options["preconditions"] = preconditions
    if grace_seconds is not None:
        options["gracePeriodSeconds"] = grace_seconds
    path = resource.path(namespace, name)
    return Request(method="DELETE", path=path, body=msgspec.json.encode(options))


def _given(query: Query) -> Query:
    return tuple((name, text) for name, text in query if text)
