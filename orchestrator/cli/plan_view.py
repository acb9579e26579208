"""What `tfo plan` shows, as one value: the plan of the job with attempt 1 on top.

Made of the planner's, the orders' and the backends' own functions, so it cannot differ from what runs; only what a
backend decides at the start (ports, folders, UID) stands there as a word in angle brackets. Pure.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from msgspec.structs import replace

from orchestrator.api.status import JobStatus, Member
from orchestrator.api.types import AgentMode, JsonObject, TensorFlowJob
from orchestrator.backends.local import gpus, programs
from orchestrator.backends.local.layout import Layout
from orchestrator.cli import folders
from orchestrator.core import membership, names, plan, seating
from orchestrator.core.observed import Observed
from orchestrator.core.plan import ReplicaPlan
from orchestrator.core.turn import Turn
from orchestrator.core.wanted import Orders, start_env
from orchestrator.protocol import environment as env

ATTEMPT = 1
_UID = "<uid>"
_RUN = Layout(Path("<run folder>"))
_CACHE = Path("<cache folder>")
_CHOSEN_AT_START = "<chosen at start>"
_POD_REPORT_SECONDS = 5.0
_INHERITED = {"PATH": "$PATH"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ReplicaView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One replica in attempt 1. `tf_config` stands apart from `env`, though programs find it there."""

    name: str
    role: str
    index: int
    address: str
    command: tuple[str, ...]
    working_dir: str | None
    gpus: int | None
    tf_config: JsonObject | None
    env: dict[str, str]


class PlanView(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What the replicas have in common. `ports`: ranges. `without_effect`: fields that are set, but without effect."""

    job: str
    on: str
    namespace: str | None
    service: str | None
    ports: tuple[str, ...]
    strategy: str
    attempt: int
    count: int
    without_effect: tuple[str, ...]


def view(job: TensorFlowJob, *, is_local: bool) -> PlanView:
    """`job` is defaulted and valid."""
    return PlanView(
        job=job.metadata.name,
        on="local" if is_local else "kubernetes",
        namespace=None if is_local else names.namespace(job),
        service=None if is_local else names.service(job.metadata.name),
        ports=() if is_local else _ports(job),
        strategy=job.spec.strategy.value,
        attempt=ATTEMPT,
        count=len(membership.seats(job.spec)),
        without_effect=plan.ignored_locally(job) if is_local else (),
    )


def _ports(job: TensorFlowJob) -> tuple[str, ...]:
    """Every attempt has one of its own, in turn."""
    bases = {names.base_port(plan.container_of(job.spec, role)) for role, _ in membership.seats(job.spec)}
    return tuple(f"{base}-{base + names.PORT_RANGE - 1}" for base in sorted(bases))


def replicas(
    job: TensorFlowJob, folder: Path, *, is_local: bool, most: int | None = None
) -> Iterator[ReplicaView]:
    """One at a time: of 3,000 replicas each has a TF_CONFIG that names all.

    `folder`: where programs run locally; `most`: how many of each role, None for all.
    """
    known = _known(job, is_local=is_local)
    seconds = folders.REPORT_SECONDS if is_local else _POD_REPORT_SECONDS
    made = plan.plan(known, _folders(known, folder, is_local=is_local), report_seconds=seconds)
    members = _members(known, made.replicas, is_local=is_local)
    place = programs.Place(folder=folder, environ=_INHERITED) if is_local else None
    orders = Orders(job.spec, members)
    for one, me in zip(made.replicas, members, strict=True):
        last = membership.replicas(job.spec, one.role) - 1
        if most is None or one.index < most - 1 or one.index == last:
            yield _replica(known, one, me, orders.whole_env(me), place)


def _known(job: TensorFlowJob, *, is_local: bool) -> TensorFlowJob:
    """With a UID; and on this machine there are always agents."""
    recovery = replace(job.spec.recovery, agent=AgentMode.ENABLED) if is_local else job.spec.recovery
    metadata = replace(job.metadata, uid=job.metadata.uid or _UID)
    return replace(job, metadata=metadata, spec=replace(job.spec, recovery=recovery))


def _folders(job: TensorFlowJob, folder: Path, *, is_local: bool) -> plan.Folders:
    if is_local:
        return folders.local_folders(job, _RUN, folder, _CACHE)
    checkpoint = job.spec.checkpoint.directory
    return plan.Folders(
        checkpoints=f"{checkpoint}/{names.checkpoint_folder(job)}" if checkpoint else "",
        logs=job.spec.logs.directory or "",
    )


def _members(job: TensorFlowJob, replicas: Sequence[ReplicaPlan], *, is_local: bool) -> tuple[Member, ...]:
    """As the first attempt's record would list them."""
    turn = Turn(Observed(job=job, status=JobStatus()), _EPOCH)
    found = []
    for one in replicas:
        address = seating.address(turn, (one.role, one.index), ATTEMPT)
        reserved = f"{names.LOOPBACK}:{names.RESERVED_AT_START}"
        found.append(Member(one.role, one.index, uid="", address=reserved if is_local else address))
    return tuple(found)


def _replica(
    job: TensorFlowJob, one: ReplicaPlan, me: Member, told: dict[str, str], place: programs.Place | None
) -> ReplicaView:
    """`told`: its place in the attempt."""
    ordered = told | start_env(job.spec, ATTEMPT, None)
    config = ordered.pop(env.TF_CONFIG, None)
    own = programs.environ(one, place, _devices(one)) if place else one.env | _env_from(job, one)
    working_dir = str(programs.working_dir(one, place)) if place else one.working_dir
    return ReplicaView(
        name=names.member(one.role, one.index) if place else one.name,
        role=one.role.value,
        index=one.index,
        address=me.address,
        command=programs.argv(one) if place else one.argv,
        working_dir=working_dir or None,
        gpus=one.gpus,
        tf_config=msgspec.json.decode(config) if config else None,
        env=dict(sorted((own | ordered).items())),
    )


def _env_from(job: TensorFlowJob, one: ReplicaPlan) -> dict[str, str]:
    """Variables whose values other objects hold."""
    given = plan.container_of(job.spec, one.role).get("env") or ()
    return {each["name"]: f"<{next(iter(each['valueFrom']), '')}>" for each in given if each.get("valueFrom")}


def _devices(one: ReplicaPlan) -> dict[str, str]:
    """Which GPUs they are is known when this machine has been asked."""
    return {gpus.VARIABLE: _CHOSEN_AT_START} if one.gpus else {}
