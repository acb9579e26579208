"""The rules of `validation` and `update` that take more than one value, in CEL: the API server judges by them.

Read by `crd`. The words are those of `validation`, but for the values, which CEL's messages do not have.
Language: https://kubernetes.io/docs/reference/using-api/cel/
"""

from collections.abc import Iterator

import msgspec

from orchestrator.api.catalog import WORKLOADS, Workload
from orchestrator.api.types import (
    MAX_NAME_LENGTH,
    MAX_REPLICAS,
    Checkpoint,
    JobSpec,
    Logs,
    ReplicaSpec,
    ReplicaSpecs,
    Role,
)
from orchestrator.api.update import FROZEN
from orchestrator.api.validation import NAME_PATTERN


class Rule(msgspec.Struct, frozen=True):
    rule: str
    message: str


def _count(role: Role) -> str:
    return f"(has(self.replicaSpecs.{role}) ? self.replicaSpecs.{role}.replicas : 0)"


_TOTAL = " + ".join(_count(role) for role in Role)
_IS_PS = "self.strategy == 'ParameterServer'"
_SUSPENDED = "oldSelf.runPolicy.suspend"

ROOT = (
    Rule(
        f"self.metadata.name.size() <= {MAX_NAME_LENGTH} && self.metadata.name.matches('^{NAME_PATTERN}$')",
        f"metadata.name must have at most {MAX_NAME_LENGTH} characters: lower-case letters, digits and '-', a letter "
        "first",
    ),
    Rule(
        "!has(self.spec.checkpoint.from) || self.spec.checkpoint.from != self.metadata.name",
        "spec.checkpoint.from names this job itself, which continues from its own checkpoints anyway; remove the line",
    ),
)


def _same(field: str, *, optional: bool, unless: str = "") -> str:
    """CEL: the field is as it was."""
    if not optional:
        text = f"self.{field} == oldSelf.{field}"
    else:
        parent, _, name = field.rpartition(".")
        place = f".{parent}" if parent else ""
        present = f"has(self{place}.{name}) == has(oldSelf{place}.{name})"
        text = f"{present} && (!has(self{place}.{name}) || self.{field} == oldSelf.{field})"
    return f"{unless} || ({text})" if unless else text


def _frozen(field: str, *, optional: bool = False, unless: str = "") -> Rule:
    return Rule(_same(field, optional=optional, unless=unless), f"{field} {FROZEN}")


def _of_workload(workload: Workload) -> Iterator[Rule]:
    """Which jobs a built-in program can run in."""
    is_other = f"!has(self.workload) || self.workload.name != '{workload.name}'"
    allowed = ", ".join(f"'{one}'" for one in workload.strategies)
    yield Rule(
        f"{is_other} || self.strategy in [{allowed}]",
        f"{workload.name} runs with strategy {' or '.join(workload.strategies)} only",
    )
    if not workload.distributed:
        yield Rule(
            f"{is_other} || {_TOTAL} == 1", f"{workload.name} is a program of one process: one replica only"
        )


_SPEC = (
    Rule(f"{_TOTAL} <= {MAX_REPLICAS}", f"at most {MAX_REPLICAS:,} replicas in all"),
    Rule(
        f"{_IS_PS} || !has(self.replicaSpecs.ps)",
        "only strategy ParameterServer has parameter servers",
    ),
    *(
        Rule(f"!({_IS_PS}) || has(self.replicaSpecs.{role})", f"strategy ParameterServer needs a {role}")
        for role in (Role.CHIEF, Role.WORKER, Role.PS)
    ),
    Rule(
        f"!({_IS_PS}) || !has(self.successPolicy) || self.successPolicy != 'AllWorkers'",
        "strategy ParameterServer ends with its chief: its workers only serve and never end",
    ),
    Rule(
        "!has(self.replicaSpecs.worker) || !has(self.replicaSpecs.worker.minReplicas) || "
        "self.strategy == 'MultiWorkerMirrored'",
        "only strategy MultiWorkerMirrored can go on with fewer workers",
    ),
    Rule(
        "!has(self.replicaSpecs.worker) || !has(self.replicaSpecs.worker.minReplicas) || "
        "self.replicaSpecs.worker.minReplicas >= self.replicaSpecs.worker.replicas || "
        "self.recovery.agent == 'Enabled'",
        "only with agents can a job go on with fewer workers; leave it out, or let the agent be Enabled",
    ),
    Rule(
        f"{_IS_PS} || !has(self.successPolicy) || self.successPolicy != 'AllWorkers' || has(self.replicaSpecs.worker)",
        "AllWorkers without a worker; write Chief, or add workers",
    ),
    Rule(
        "!has(self.runPolicy.schedulingPolicy) || !has(self.runPolicy.schedulingPolicy.minAvailable) || "
        f"self.runPolicy.schedulingPolicy.minAvailable <= {_TOTAL}",
        "runPolicy.schedulingPolicy.minAvailable must be at most the number of replicas",
    ),
    Rule(
        "!has(self.checkpoint.volumeClaim) || !has(self.logs.volumeClaim) || "
        "self.checkpoint.volumeClaim == self.logs.volumeClaim || "
        "(has(self.checkpoint.directory) ? self.checkpoint.directory : '/checkpoints') != "
        "(has(self.logs.directory) ? self.logs.directory : '/logs')",
        "two volumes cannot be mounted at one directory: checkpoint and logs have the same",
    ),
    *(rule for workload in WORKLOADS.values() for rule in _of_workload(workload)),
    _frozen("runPolicy.cleanPodPolicy"),
    _frozen("runPolicy.managedBy", optional=True),
    _frozen("runPolicy.schedulingPolicy", optional=True),
    _frozen("workload", optional=True),
    _frozen("strategy"),
    _frozen("template", optional=True, unless=_SUSPENDED),
    *(
        _frozen(
            f"replicaSpecs.{role}.template",
            optional=True,
            unless=f"{_SUSPENDED} || !has(self.replicaSpecs.{role}) || !has(oldSelf.replicaSpecs.{role})",
        )
        for role in Role
    ),
    Rule(
        "(has(self.successPolicy) ? self.successPolicy : (self.strategy == 'Independent' && "
        "has(self.replicaSpecs.worker) ? 'AllWorkers' : 'Chief')) == (has(oldSelf.successPolicy) ? "
        "oldSelf.successPolicy : (oldSelf.strategy == 'Independent' && has(oldSelf.replicaSpecs.worker) ? "
        "'AllWorkers' : 'Chief'))",
        f"successPolicy {FROZEN}",
    ),
    *(
        _frozen(field)
        for field in ("recovery", "checkpoint", "logs", "telemetry", "instrument", "tensorboard")
    ),
)

OF_STRUCTS: dict[type[msgspec.Struct], tuple[Rule, ...]] = {
    JobSpec: _SPEC,
    ReplicaSpecs: (
        Rule(
            "has(self.chief) || has(self.worker)",
            "nobody trains: add a chief or a worker, such as `chief: {}`",
        ),
        *(
            Rule(f"!has(self.{role}) || self.{role}.replicas <= 1", f"there is at most 1 {role}")
            for role in (Role.CHIEF, Role.EVALUATOR)
        ),
        *(
            Rule(
                f"!has(self.{role}) || !has(self.{role}.minReplicas)",
                f"only workers can be fewer, not the {role}",
            )
            for role in (Role.CHIEF, Role.PS, Role.EVALUATOR)
        ),
        *(Rule(f"has(self.{role}) == has(oldSelf.{role})", f"the role {role} {FROZEN}") for role in Role),
        *(
            Rule(
                f"!has(self.{role}) || !has(oldSelf.{role}) || self.{role}.replicas == oldSelf.{role}.replicas",
                f"{role}.replicas {FROZEN}",
            )
            for role in (Role.CHIEF, Role.PS, Role.EVALUATOR)
        ),
    ),
    ReplicaSpec: (
        Rule(
            "!has(self.minReplicas) || self.minReplicas <= self.replicas",
            "minReplicas must be at most replicas",
        ),
        _frozen("gpus", optional=True),
        _frozen("restartPolicy"),
    ),
    Checkpoint: (
        Rule(
            "!has(self.volumeClaim) || !has(self.directory) || self.directory.startsWith('/')",
            "a volume is mounted at an absolute path",
        ),
    ),
    Logs: (
        Rule(
            "!has(self.volumeClaim) || !has(self.directory) || self.directory.startsWith('/')",
            "a volume is mounted at an absolute path",
        ),
    ),
}
