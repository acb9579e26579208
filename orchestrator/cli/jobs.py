"""The job that the user means: from a file, a built-in workload's name or a program, with the flags applied.

Called by `run` and `plan`, so that both mean the same. Gives the job or every error; reads one file and prints nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from orchestrator.api.errors import FieldError
from orchestrator.api.types import (
    JobSpec,
    Metadata,
    ReplicaSpec,
    ReplicaSpecs,
    Strategy,
    TensorFlowJob,
    WorkloadSpec,
)
from orchestrator.cli.arguments import JobOptions
from orchestrator.cli.job_names import name_of
from orchestrator.core import names


@dataclass(frozen=True, kw_only=True)
class BuiltJob:
    """`job` is defaulted and valid; `written` the same before the defaults; `folder`: where its programs run."""

    job: TensorFlowJob
    written: TensorFlowJob
    folder: Path


def job_from_options(options: JobOptions) -> BuiltJob | tuple[FieldError, ...]:
    """Raises Refused when the target is neither a file nor a workload."""
    raise NotImplementedError


def _from_workload(name: str) -> TensorFlowJob:
    return _fresh(name, JobSpec(workload=WorkloadSpec(name=name), replica_specs=_CHIEF))


def _from_program(program: tuple[str, ...]) -> TensorFlowJob:
    container = {"name": names.CONTAINER, "command": list(program)}
    template = {"spec": {"containers": [container]}}
    return _fresh(name_of(program), JobSpec(template=template, replica_specs=_CHIEF))


_CHIEF = ReplicaSpecs(chief=ReplicaSpec())


def _fresh(name: str, spec: JobSpec) -> TensorFlowJob:
    return TensorFlowJob(metadata=Metadata(name=name), spec=spec)


def with_flags(job: TensorFlowJob, options: JobOptions) -> TensorFlowJob:
    """What flags say wins over what is written."""
    steps: tuple[Callable[[TensorFlowJob, JobOptions], TensorFlowJob], ...] = (
        _named,
        _shaped,
        _sized,
        _equipped,
    )
    for step in steps:
        job = step(job, options)
    return job


def _named(job: TensorFlowJob, options: JobOptions) -> TensorFlowJob:
    if options.name is None:
        return job
    return replace(job, metadata=replace(job.metadata, name=options.name))


def _shaped(job: TensorFlowJob, options: JobOptions) -> TensorFlowJob:
    """Parameter servers make sense in one strategy only."""
    wish = Strategy.PARAMETER_SERVER.value if options.ps and not options.strategy else options.strategy
    return replace(job, spec=replace(job.spec, strategy=Strategy(wish))) if wish else job


def _sized(job: TensorFlowJob, options: JobOptions) -> TensorFlowJob:
    specs = job.spec.replica_specs
    if options.workers is not None:
        specs = replace(specs, worker=_counted(specs.worker, options.workers))
    if options.ps is not None:
        specs = replace(specs, ps=_counted(specs.ps, options.ps))
    if options.evaluator and specs.evaluator is None:
        specs = replace(specs, evaluator=ReplicaSpec())
    return _with_specs(job, specs)


def _counted(spec: ReplicaSpec | None, count: int) -> ReplicaSpec | None:
    return replace(spec or ReplicaSpec(), replicas=count) if count else None


def _equipped(job: TensorFlowJob, options: JobOptions) -> TensorFlowJob:
    if options.gpus is None:
        return job
    specs = job.spec.replica_specs
    chief = replace(specs.chief, gpus=options.gpus) if specs.chief else None
    worker = replace(specs.worker, gpus=options.gpus) if specs.worker else None
    return _with_specs(job, replace(specs, chief=chief, worker=worker))


def _with_specs(job: TensorFlowJob, specs: ReplicaSpecs) -> TensorFlowJob:
    return replace(job, spec=replace(job.spec, replica_specs=specs))
