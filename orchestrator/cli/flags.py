"""What the flags of `run` and `plan` change in a job, and which flag to blame where the result is wrong.

Called by `jobs` with a job before its defaults. What a flag says wins over what is written. Pure.
"""

from collections.abc import Callable, Iterator

from msgspec.structs import replace

from orchestrator.api.errors import Path
from orchestrator.api.types import ReplicaSpec, ReplicaSpecs, Strategy, TensorFlowJob
from orchestrator.cli.arguments import JobOptions

_ROLES: Path = ("spec", "replicaSpecs")


def apply(job: TensorFlowJob, options: JobOptions) -> TensorFlowJob:
    steps: tuple[Callable[[TensorFlowJob, JobOptions], TensorFlowJob], ...] = (
        _named,
        _shaped,
        _sized,
        _equipped,
    )
    for step in steps:
        job = step(job, options)
    return job


def origins(job: TensorFlowJob, options: JobOptions) -> Iterator[tuple[Path, str]]:
    """The paths that were set, each with its flag. `job`: before it was changed."""
    specs = job.spec.replica_specs
    if options.name is not None:
        yield ("metadata", "name"), f"--name {options.name}"
    if options.strategy:
        yield ("spec", "strategy"), f"--strategy {options.strategy}"
    for role, count, own in (("worker", options.workers, specs.worker), ("ps", options.ps, specs.ps)):
        if count is not None:
            yield (*_ROLES, role, *(("replicas",) if own else ())), f"--{_FLAGS[role]} {count}"
    if options.evaluator and specs.evaluator is None:
        yield (*_ROLES, "evaluator"), "--evaluator"
    if options.gpus is not None:
        for role in ("chief", "worker"):
            yield (*_ROLES, role, "gpus"), f"--gpus {options.gpus}"


_FLAGS = {"worker": "workers", "ps": "ps"}
_SHORT = {"ps": Strategy.PARAMETER_SERVER}


def _named(job: TensorFlowJob, options: JobOptions) -> TensorFlowJob:
    if options.name is None:
        return job
    return replace(job, metadata=replace(job.metadata, name=options.name))


def _shaped(job: TensorFlowJob, options: JobOptions) -> TensorFlowJob:
    wish = _wished_strategy(options)
    return replace(job, spec=replace(job.spec, strategy=wish)) if wish else job


def _wished_strategy(options: JobOptions) -> Strategy | None:
    """Parameter servers make sense in one strategy only."""
    if options.strategy:
        return _SHORT.get(options.strategy) or Strategy(options.strategy)
    return Strategy.PARAMETER_SERVER if options.ps else None


def _sized(job: TensorFlowJob, options: JobOptions) -> TensorFlowJob:
    specs = job.spec.replica_specs
    if options.workers is not None:
        specs = replace(specs, worker=_counted(specs.worker, options.workers))
    if options.ps is not None:
        specs = replace(specs, ps=_counted(specs.ps, options.ps))
    elif specs.ps is None and _wished_strategy(options) is Strategy.PARAMETER_SERVER:
        specs = replace(specs, ps=ReplicaSpec())
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
