"""Whether a job may be changed into another: after creation nearly everything is frozen.

Called by the controller when a stored job's generation moves, with both jobs defaulted; the new one is validated as any
other. An attempt's cluster map and every pod follow from the spec, so only what can be changed under way may change.
"""

from collections.abc import Iterator

import msgspec

from orchestrator.api import shape
from orchestrator.api.errors import FieldError, Path
from orchestrator.api.types import TensorFlowJob

_RUN: Path = ("spec", "runPolicy")
_WORKER: Path = ("spec", "replicaSpecs", "worker")
MUTABLE: frozenset[Path] = frozenset(
    {
        (*_RUN, "suspend"),
        (*_RUN, "activeDeadlineSeconds"),
        (*_RUN, "ttlSecondsAfterFinished"),
        (*_RUN, "backoffLimit"),
        (*_WORKER, "replicas"),
        (*_WORKER, "minReplicas"),
    }
)
FROZEN = (
    "cannot be changed after creation; what can: suspend, backoffLimit, activeDeadlineSeconds and "
    "ttlSecondsAfterFinished of spec.runPolicy, replicas and minReplicas of the worker, and, while the job is "
    "suspended, templates"
)


def validate_update(old: TensorFlowJob, new: TensorFlowJob) -> tuple[FieldError, ...]:
    """Every frozen field of `old` that is another in `new`."""
    is_suspended = old.spec.run_policy.suspend
    errors = [FieldError(path=path, message=FROZEN) for path in _find_changes(old, new, is_suspended)]
    if old.metadata.name != new.metadata.name:
        errors.insert(
            0, FieldError(path=("metadata", "name"), message="cannot be changed; create another job")
        )
    return tuple(errors)


def _find_changes(old: TensorFlowJob, new: TensorFlowJob, is_suspended: bool) -> Iterator[Path]:
    for path in _differ(old.spec, new.spec, ("spec",)):
        is_template = path[-1] == "template"
        if path not in MUTABLE and not (is_template and is_suspended):
            yield path


def _differ(before: msgspec.Struct, after: msgspec.Struct, path: Path) -> Iterator[Path]:
    """The innermost fields that differ; a template is one value, so is a list, and so is a role that comes or goes."""
    for key, field in shape.fields_of(type(before)).items():
        left, right = getattr(before, field.name), getattr(after, field.name)
        if isinstance(left, msgspec.Struct) and isinstance(right, msgspec.Struct):
            yield from _differ(left, right, (*path, key))
        elif left != right:
            yield (*path, key)
