"""What we read of the API server's objects, as partial structs: everything else is skipped and never becomes a value.

Decoded by `reflector` and `backend`. A thousand pods take milliseconds and some 1.5 KB each.
"""

from typing import Generic, Protocol, TypeVar

import msgspec


class _Struct(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Base; values only, so the garbage collector need not look at them."""


class OwnerReference(_Struct, frozen=True):
    uid: str
    kind: str = ""
    name: str = ""
    controller: bool = False


class ObjectMeta(_Struct, frozen=True):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int | None = None
    creation_timestamp: str | None = None
    deletion_timestamp: str | None = None
    deletion_grace_period_seconds: int | None = None
    labels: dict[str, str] = {}
    owner_references: tuple[OwnerReference, ...] = ()
    finalizers: tuple[str, ...] = ()


class JobMeta(ObjectMeta, frozen=True):
    """Annotations too: users of the CLI see them."""

    annotations: dict[str, str] = {}


class Condition(_Struct, frozen=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class Waiting(_Struct, frozen=True):
    reason: str = ""
    message: str = ""


class Running(_Struct, frozen=True):
    started_at: str | None = None


class Terminated(_Struct, frozen=True):
    exit_code: int = 0
    signal: int = 0
    reason: str = ""
    message: str = ""
    finished_at: str | None = None


class ContainerState(_Struct, frozen=True):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Struct, frozen=True):
    name: str
    state: ContainerState = ContainerState()
    restart_count: int = 0


class PodStatus(_Struct, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()


class PodSpec(_Struct, frozen=True):
    node_name: str = ""
    termination_grace_period_seconds: int | None = None


class Pod(_Struct, frozen=True):
    metadata: ObjectMeta
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class Service(_Struct, frozen=True):
    """Of any object: its metadata."""

    metadata: ObjectMeta


class StoredJob(_Struct, frozen=True):
    """A TensorFlowJob as it is kept; `jobs` decodes the rest."""

    metadata: JobMeta
    spec: msgspec.Raw = msgspec.Raw(b"")
    status: msgspec.Raw = msgspec.Raw(b"")


class HasMeta(Protocol):
    """Any object of the API server."""

    @property
    def metadata(self) -> ObjectMeta: ...


Item = TypeVar("Item", bound=HasMeta)


class ListMeta(_Struct, frozen=True):
    resource_version: str = ""
    continue_: str = msgspec.field(name="continue", default="")


class ListPage(_Struct, Generic[Item], frozen=True):
    metadata: ListMeta
    items: list[Item] | None = None


class WatchEvent(_Struct, frozen=True):
    """`object` by `type`: the item, only its version (BOOKMARK), or a Status (ERROR)."""

    type: str
    object: msgspec.Raw


class Status(_Struct, frozen=True):
    """The server's word on what went wrong."""

    code: int = 0
    reason: str = ""
    message: str = ""
    details: "StatusDetails | None" = None


class StatusDetails(_Struct, frozen=True):
    retry_after_seconds: float = 0.0
