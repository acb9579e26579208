"""Whether a job makes sense: every rule that takes more than one value, or more than a bound, to judge.

Called with a defaulted job by `load`, the command line and the controller; the rules are a chain of small judgements,
none of which knows of another. Never raises, stops at nothing, changes nothing.
"""

import re
from collections.abc import Callable, Iterator

from orchestrator.api import programs
from orchestrator.api.bounds import check_bounds
from orchestrator.api.errors import FieldError, Path, quote
from orchestrator.api.programs import roles_of
from orchestrator.api.types import (
    MAX_NAME_LENGTH,
    MAX_REPLICAS,
    AgentMode,
    Role,
    Strategy,
    SuccessPolicy,
    TensorFlowJob,
)

Rule = Callable[[TensorFlowJob], Iterator[FieldError]]

_ROLES: Path = ("spec", "replicaSpecs")
_WORKER: Path = (*_ROLES, "worker")
_STRATEGY: Path = ("spec", "strategy")
_AGENT: Path = ("spec", "recovery", "agent")
NAME_PATTERN = "[a-z]([-a-z0-9]*[a-z0-9])?"
_DNS_1035 = re.compile(NAME_PATTERN)
_DNS_1123 = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN_PATTERN = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_DNS_SUBDOMAIN = re.compile(SUBDOMAIN_PATTERN)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_LABEL_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def validate(job: TensorFlowJob) -> tuple[FieldError, ...]:
    """Everything that is wrong with a defaulted job."""
    return tuple(error for rule in RULES for error in rule(job))


def check_name(name: str, path: Path) -> Iterator[FieldError]:
    """A job's name becomes part of DNS names, so it is a DNS-1035 label, short enough for what is added."""
    if len(name) > MAX_NAME_LENGTH:
        yield FieldError(
            path=path, message=f"must have at most {MAX_NAME_LENGTH} characters, has {len(name)}"
        )
    elif not _DNS_1035.fullmatch(name):
        right = suggest_name(name)
        example = f"; {quote(right)} would do" if right else ""
        yield FieldError(
            path=path,
            message=f"{quote(name)} is no name: lower-case letters, digits and '-', a letter first{example}",
        )


def suggest_name(text: str) -> str:
    """The nearest valid name, or nothing."""
    words = re.sub(r"[^a-z0-9]+", "-", text[:200].casefold())
    return words.lstrip("-0123456789")[:MAX_NAME_LENGTH].strip("-")


def _check_metadata(job: TensorFlowJob) -> Iterator[FieldError]:
    yield from check_name(job.metadata.name, ("metadata", "name"))
    namespace = job.metadata.namespace
    if namespace is not None and not _DNS_1123.fullmatch(namespace):
        message = f"{quote(namespace)} is no namespace: lower-case letters, digits and '-'"
        yield FieldError(path=("metadata", "namespace"), message=message)


def _check_labels(job: TensorFlowJob) -> Iterator[FieldError]:
    for key, value in job.metadata.labels.items():
        path: Path = ("metadata", "labels", key)
        if not _is_label_key(key):
            message = "is no label key: [DOMAIN/]NAME, NAME of at most 63 letters, digits, '-', '_' and '.'"
            yield FieldError(path=path, message=message)
        if not _LABEL_VALUE.fullmatch(value):
            message = f"{quote(value)} is no label value: at most 63 letters, digits, '-', '_' and '.'"
            yield FieldError(path=path, message=message)
    for key in job.metadata.annotations:
        if not _is_label_key(key):
            message = (
                "is no annotation key: [DOMAIN/]NAME, NAME of at most 63 letters, digits, '-', '_' and '.'"
            )
            yield FieldError(path=("metadata", "annotations", key), message=message)


def _is_label_key(key: str) -> bool:
    domain, slash, name = key.rpartition("/")
    return bool(_LABEL_NAME.fullmatch(name)) and (not slash or _is_subdomain(domain))


def _is_subdomain(text: str) -> bool:
    return len(text) <= 253 and bool(_DNS_SUBDOMAIN.fullmatch(text))


def _check_roles(job: TensorFlowJob) -> Iterator[FieldError]:
    roles = job.spec.replica_specs
    if roles.chief is None and roles.worker is None:
        yield FieldError(path=_ROLES, message="nobody trains: add a chief or a worker, such as `chief: {}`")
    for role, replicas in roles_of(job.spec):
        if role in (Role.CHIEF, Role.EVALUATOR) and replicas.replicas > 1:
            yield FieldError(
                path=(*_ROLES, role.value, "replicas"),
                message=f"there is at most 1 {role.value}, not {replicas.replicas:,}",
            )
    total = sum(replicas.replicas for _, replicas in roles_of(job.spec))
    is_each_possible = all(replicas.replicas <= MAX_REPLICAS for _, replicas in roles_of(job.spec))
    if total > MAX_REPLICAS and is_each_possible:
        yield FieldError(path=_ROLES, message=f"at most {MAX_REPLICAS:,} replicas in all, not {total:,}")


def _check_parameter_server(job: TensorFlowJob) -> Iterator[FieldError]:
    roles = job.spec.replica_specs
    if job.spec.strategy is not Strategy.PARAMETER_SERVER:
        if roles.ps is not None:
            message = f"only strategy {Strategy.PARAMETER_SERVER} has parameter servers, this is {job.spec.strategy}"
            yield FieldError(path=(*_ROLES, "ps"), message=message, related=(_STRATEGY,))
        return
    for role, replicas in ((Role.CHIEF, roles.chief), (Role.WORKER, roles.worker), (Role.PS, roles.ps)):
        if replicas is None:
            yield FieldError(
                path=_ROLES,
                message=f"strategy {job.spec.strategy} needs a {role.value}",
                related=(_STRATEGY,),
            )
    if job.spec.success_policy is SuccessPolicy.ALL_WORKERS:
        message = f"strategy {job.spec.strategy} ends with its chief: its workers only serve and never end"
        yield FieldError(path=("spec", "successPolicy"), message=message, related=(_STRATEGY,))


def _check_elasticity(job: TensorFlowJob) -> Iterator[FieldError]:
    for role, replicas in roles_of(job.spec):
        if replicas.min_replicas is None:
            continue
        path: Path = (*_ROLES, role.value, "minReplicas")
        if role is not Role.WORKER:
            yield FieldError(path=path, message=f"only workers can be fewer, not the {role.value}")
        elif job.spec.strategy is not Strategy.MULTI_WORKER_MIRRORED:
            message = f"only strategy {Strategy.MULTI_WORKER_MIRRORED} can go on with fewer workers"
            yield FieldError(path=path, message=message, related=(_STRATEGY,))
        elif replicas.min_replicas > replicas.replicas:
            message = f"must be at most replicas ({replicas.replicas:,}), is {replicas.min_replicas:,}"
            yield FieldError(path=path, message=message, related=((*_WORKER, "replicas"),))
        elif replicas.min_replicas < replicas.replicas and job.spec.recovery.agent is AgentMode.DISABLED:
            message = "only with agents can a job go on with fewer workers; leave it out, or let the agent be Enabled"
            yield FieldError(path=path, message=message, related=(_AGENT,))


def _check_success(job: TensorFlowJob) -> Iterator[FieldError]:
    is_all = job.spec.success_policy is SuccessPolicy.ALL_WORKERS
    if (
        is_all
        and job.spec.strategy is not Strategy.PARAMETER_SERVER
        and job.spec.replica_specs.worker is None
    ):
        message = f"{SuccessPolicy.ALL_WORKERS} without a worker; write {SuccessPolicy.CHIEF}, or add workers"
        yield FieldError(path=("spec", "successPolicy"), message=message, related=(_WORKER,))


def _check_scheduling(job: TensorFlowJob) -> Iterator[FieldError]:
    policy = job.spec.run_policy.scheduling_policy
    total = sum(replicas.replicas for _, replicas in roles_of(job.spec))
    if policy and policy.min_available is not None and policy.min_available > total:
        path: Path = ("spec", "runPolicy", "schedulingPolicy", "minAvailable")
        message = f"must be at most the number of replicas ({total:,}), is {policy.min_available:,}"
        yield FieldError(path=path, message=message, related=(_ROLES,))


def _check_exit_codes(job: TensorFlowJob) -> Iterator[FieldError]:
    seen: dict[int, int] = {}
    for index, rule in enumerate(job.spec.recovery.exit_codes):
        for place, code in enumerate(rule.codes):
            path: Path = ("spec", "recovery", "exitCodes", index, "codes", place)
            if code in seen:
                yield FieldError(
                    path=path, message=f"exit code {code} stands in rule {seen[code] + 1} already"
                )
            seen.setdefault(code, index)


def _check_storage(job: TensorFlowJob) -> Iterator[FieldError]:
    checkpoint, logs = job.spec.checkpoint, job.spec.logs
    for key, place in (("checkpoint", checkpoint), ("logs", logs)):
        claim, directory = place.volume_claim, place.directory or "/"
        if claim is not None and not _is_subdomain(claim):
            message = f"{quote(claim)} is no name of a PersistentVolumeClaim"
            yield FieldError(path=("spec", key, "volumeClaim"), message=message)
        if claim is not None and not directory.startswith("/"):
            message = f"a volume is mounted at an absolute path, such as {quote(f'/{directory}')}"
            yield FieldError(path=("spec", key, "directory"), message=message)
    claims = (checkpoint.volume_claim, logs.volume_claim)
    if None not in claims and claims[0] != claims[1] and checkpoint.directory == logs.directory:
        message = "two volumes cannot be mounted at one directory; spec.checkpoint has the same"
        yield FieldError(
            path=("spec", "logs", "directory"), message=message, related=(("spec", "checkpoint"),)
        )


def _check_origin(job: TensorFlowJob) -> Iterator[FieldError]:
    origin = job.spec.checkpoint.from_
    path: Path = ("spec", "checkpoint", "from")
    if origin is None:
        return
    if origin == job.metadata.name:
        message = "names this job itself, which continues from its own checkpoints anyway; remove the line"
        yield FieldError(path=path, message=message, related=(("metadata", "name"),))
    elif not _is_subdomain(origin):
        yield FieldError(path=path, message=f"{quote(origin)} is no name of a job")


RULES: tuple[Rule, ...] = (
    check_bounds,
    _check_metadata,
    _check_labels,
    _check_roles,
    _check_parameter_server,
    _check_elasticity,
    _check_success,
    _check_scheduling,
    _check_exit_codes,
    _check_storage,
    _check_origin,
    programs.check_workload,
    programs.check_templates,
    programs.check_commands,
)
"""The order is that of the printed errors of a job that has no file."""
