"""Whether every replica has exactly one program to run, and whether that program can run in this job.

The rules of `validation` about `spec.workload` and pod templates; called through its chain only. A template that
several roles share is judged once.
"""

from collections.abc import Iterator

import msgspec

from orchestrator.api import suggest, templates
from orchestrator.api.arguments import check_args
from orchestrator.api.catalog import WORKLOADS, Workload
from orchestrator.api.errors import FieldError, Path
from orchestrator.api.types import (
    AgentMode,
    JobSpec,
    JsonObject,
    ReplicaSpec,
    Role,
    Strategy,
    TensorFlowJob,
)

_WORKLOAD: Path = ("spec", "workload")
_ROLES: Path = ("spec", "replicaSpecs")
_TEMPLATE: Path = ("spec", "template")
_NO_PROGRAM = (
    "nothing to run: give a command, such as [python, train.py], or a built-in program in spec.workload"
)


class _Placed(msgspec.Struct, frozen=True):
    """A template, where it stands, and the roles that use it."""

    template: JsonObject
    path: Path
    roles: tuple[Role, ...]


def roles_of(spec: JobSpec) -> tuple[tuple[Role, ReplicaSpec], ...]:
    """The roles that the job has, in the order of ranks."""
    roles = spec.replica_specs
    pairs = zip(Role, (roles.chief, roles.worker, roles.ps, roles.evaluator), strict=True)
    return tuple((role, replicas) for role, replicas in pairs if replicas is not None)


def has_default_program(spec: JobSpec, role: Role) -> bool:
    """Whether a replica with no program of its own has one all the same: TensorFlow's server, put there by an agent.

    Parameter servers and their workers run nothing else, whatever the chief trains.
    """
    is_server = spec.strategy is Strategy.PARAMETER_SERVER and role in (Role.WORKER, Role.PS)
    return is_server and spec.workload is None and spec.recovery.agent is AgentMode.ENABLED


def check_workload(job: TensorFlowJob) -> Iterator[FieldError]:
    spec = job.spec.workload
    if spec is None:
        return
    workload = WORKLOADS.get(spec.name)
    if workload is None:
        message = suggest.unknown("built-in program", spec.name, list(WORKLOADS))
        yield FieldError(path=(*_WORKLOAD, "name"), message=message)
        return
    yield from check_args(workload, spec.args, (*_WORKLOAD, "args"))
    if job.spec.strategy not in workload.strategies:
        message = f"{workload.name} runs with strategy {' or '.join(workload.strategies)} only"
        yield FieldError(path=("spec", "strategy"), message=message, related=(_WORKLOAD,))
    if not workload.distributed:
        yield from _check_single(job.spec, workload)


def _check_single(spec: JobSpec, workload: Workload) -> Iterator[FieldError]:
    """A program of one process: a chief, or one worker, and nobody else."""
    roles = roles_of(spec)
    surplus = [role for role in roles[:1] if role[1].replicas > 1] + list(roles[1:])
    for role, replicas in surplus[:1]:
        message = (
            f"{workload.name} is one process and has no use for {replicas.replicas:,} × {role.value}; "
            "keep one chief and no worker"
        )
        yield FieldError(path=(*_ROLES, role.value), message=message, related=((*_WORKLOAD, "name"),))


def check_templates(job: TensorFlowJob) -> Iterator[FieldError]:
    for placed in _find_templates(job.spec):
        yield from templates.check_template(placed.template, placed.path)
        where = templates.find_tf_config(placed.template, placed.path)
        if where and job.spec.strategy is not Strategy.INDEPENDENT:
            message = f"{templates.TF_CONFIG} is given to every replica and cannot be set here; remove it"
            yield FieldError(path=where, message=message, related=(("spec", "strategy"),))
    for role, replicas in roles_of(job.spec):
        limit = templates.read_gpu_limit(replicas.template or job.spec.template or {})
        if replicas.gpus is not None and limit is not None and str(limit) != str(replicas.gpus):
            message = (
                f"is {replicas.gpus}, but the template's limit {templates.GPU_RESOURCE} is {limit}; keep one"
            )
            yield FieldError(path=(*_ROLES, role.value, "gpus"), message=message)


def check_commands(job: TensorFlowJob) -> Iterator[FieldError]:
    """A built-in program or a command for each role, not both; without an agent the image may have its own."""
    has_agents = job.spec.recovery.agent is AgentMode.ENABLED
    for placed in _find_templates(job.spec):
        path = templates.locate_container(placed.template, placed.path)
        if path is None:
            continue  # that the container cannot be told is an error of its own
        if job.spec.workload is not None:
            yield from _check_no_command(placed, path, job.spec.workload.name)
        elif has_agents and not templates.has_command(placed.template):
            yield from _check_has_program(job.spec, placed, path)
    bare = tuple(
        role
        for role, replicas in roles_of(job.spec)
        if not (replicas.template or job.spec.template or has_default_program(job.spec, role))
    )
    if bare and job.spec.workload is None:
        message = f"{_NO_PROGRAM} ({_list(bare)}); a command stands in a container of spec.template"
        yield FieldError(path=("spec",), message=message, related=(_WORKLOAD, _TEMPLATE, _ROLES))


def _check_has_program(spec: JobSpec, placed: _Placed, path: Path) -> Iterator[FieldError]:
    """Of a template without a command."""
    has_args = templates.has_args(placed.template)
    without = tuple(role for role in placed.roles if has_args or not has_default_program(spec, role))
    if without:
        yield FieldError(path=(*path, "command"), message=f"{_NO_PROGRAM} ({_list(without)})")


def _check_no_command(placed: _Placed, path: Path, workload: str) -> Iterator[FieldError]:
    if templates.has_command(placed.template):
        message = f"there is the built-in program {workload} already; remove this command, or spec.workload"
        yield FieldError(path=(*path, "command"), message=message, related=(_WORKLOAD,))
    elif templates.has_args(placed.template):
        message = f"arguments of the built-in program {workload} stand in spec.workload.args"
        yield FieldError(path=(*path, "args"), message=message, related=(_WORKLOAD,))


def _find_templates(spec: JobSpec) -> Iterator[_Placed]:
    """An empty template counts as none, as in the planner."""
    if spec.template:
        users = tuple(role for role, replicas in roles_of(spec) if not replicas.template)
        yield _Placed(spec.template, _TEMPLATE, users)
    for role, replicas in roles_of(spec):
        if replicas.template:
            yield _Placed(replicas.template, (*_ROLES, role.value, "template"), (role,))


def _list(roles: tuple[Role, ...]) -> str:
    return f"for {', '.join(roles)}"
