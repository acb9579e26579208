"""The job that the user means: from a file, a built-in workload's name or a program, with the flags applied.

Called by `run` and `plan`, so that both mean the same. Gives the job or every error; reads one file and prints nothing.
"""

import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from orchestrator.api import load, overrides
from orchestrator.api.catalog import WORKLOADS
from orchestrator.api.errors import FieldError, Locator, Position
from orchestrator.api.errors import Path as FieldPath
from orchestrator.api.parse import Document, parse_documents
from orchestrator.api.suggest import unknown
from orchestrator.api.types import (
    JobSpec,
    Metadata,
    ReplicaSpec,
    ReplicaSpecs,
    TensorFlowJob,
    WorkloadSpec,
)
from orchestrator.cli import flags
from orchestrator.cli.arguments import JobOptions
from orchestrator.cli.errors import Refused
from orchestrator.cli.job_names import name_of
from orchestrator.core import expansion, names

_SUFFIXES = (".yaml", ".yml", ".json")
_MOST_NAMED = 3
_ARGS: FieldPath = ("spec", "workload", "args")
_CHIEF = ReplicaSpecs(chief=ReplicaSpec())


@dataclass(frozen=True, kw_only=True)
class BuiltJob:
    """`job` is defaulted and valid; `written` the same before the defaults; `folder`: where its programs run.

    `locate`: where its fields stand, for what turns out to be wrong later.
    """

    job: TensorFlowJob
    written: TensorFlowJob
    folder: Path
    locate: Locator


@dataclass(frozen=True, kw_only=True)
class _Source:
    """A job as it is written, the errors known so far, and where its fields stand."""

    job: TensorFlowJob
    folder: Path
    errors: tuple[FieldError, ...] = ()
    locate: Locator = lambda path: Position("")


def job_from_options(options: JobOptions) -> BuiltJob | tuple[FieldError, ...]:
    """Raises Refused when the target is neither a file nor a workload."""
    source = _source(options)
    if not isinstance(source, _Source):
        return source
    changed = overrides.apply(source.job, _paths(options))
    origins = (*changed.origins, *flags.origins(changed.job, options))
    written = flags.apply(changed.job, options)
    locate = overrides.overlay(source.locate, replace(changed, origins=origins))
    done = load.complete(written, locate, (*source.errors, *changed.errors))
    return done.errors or BuiltJob(job=done.job, written=written, folder=source.folder, locate=locate)


def _source(options: JobOptions) -> _Source | tuple[FieldError, ...]:
    target = options.target
    if options.program:
        return _from_program(options.program)
    if target in WORKLOADS:
        return _from_workload(target, options)
    if load.is_program(target):
        raise Refused(f"{target!r} {load.say_program(target, options.command)}")
    if target == load.STANDARD_INPUT or target.endswith(_SUFFIXES) or Path(target).is_file():
        return _from_file(target)
    raise Refused(_say_unknown(options))


def _from_program(program: tuple[str, ...]) -> _Source:
    """The words run as they were typed: what a pod would take for a variable is escaped."""
    container = {"name": names.CONTAINER, "command": [expansion.escape(word) for word in program]}
    spec = JobSpec(template={"spec": {"containers": [container]}}, replica_specs=_CHIEF)
    return _Source(job=_fresh(name_of(program), spec), folder=here())


def _from_workload(name: str, options: JobOptions) -> _Source:
    """`--set NAME=VALUE` is an argument of the program; with a dot in it a path in the job."""
    assignments = [one for one in options.sets if not _is_path(one)]
    args, errors = overrides.workload_args(name, assignments)
    written = {key: list(value) if isinstance(value, tuple) else value for key, value in args.items()}
    spec = JobSpec(workload=WorkloadSpec(name=name, args=written), replica_specs=_CHIEF)
    return _Source(job=_fresh(name, spec), folder=here(), errors=errors, locate=_locator(assignments))


def _locator(assignments: Sequence[str]) -> Locator:
    """An argument stands where it was set."""
    places = {one.partition("=")[0].strip(): overrides.locate_assignment(one) for one in assignments}

    def find(path: FieldPath) -> Position:
        name = str(path[len(_ARGS)]) if path[: len(_ARGS)] == _ARGS and len(path) > len(_ARGS) else ""
        return places.get(name, Position(""))

    return find


def _from_file(path: str) -> _Source | tuple[FieldError, ...]:
    text = load.read_source(path)
    if isinstance(text, FieldError):
        return (text,)
    documents = parse_documents(text, load.name_source(path))
    first = documents[0]
    if len(documents) > 1 or first.job is None:
        return tuple(error for one in documents for error in _all_errors(one)) or (
            _too_many(path, documents),
        )
    folder = here() if path == load.STANDARD_INPUT else Path(path).resolve().parent
    return _Source(job=first.job, folder=folder, errors=_all_errors(first), locate=first.locate)


def here() -> Path:
    """The current folder; one that has been removed has no path any more, and `run` refuses it."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path()


def _all_errors(document: Document) -> tuple[FieldError, ...]:
    if not document.dropped:
        return document.errors
    return (*document.errors, FieldError(path=(), message=f"{document.dropped} more errors, not shown"))


def _too_many(path: str, documents: tuple[Document, ...]) -> FieldError:
    second = documents[1].locate(())
    message = f"there are {len(documents)} jobs in this file; put the one to run into a file of its own"
    return FieldError(path=(), message=message, position=second)


def _paths(options: JobOptions) -> tuple[str, ...]:
    """The assignments that are paths in the job: all but a workload's arguments."""
    if options.target in WORKLOADS and not options.program:
        return tuple(one for one in options.sets if _is_path(one))
    return options.sets


def _is_path(assignment: str) -> bool:
    return "." in assignment.partition("=")[0]


def _fresh(name: str, spec: JobSpec) -> TensorFlowJob:
    return TensorFlowJob(metadata=Metadata(name=name), spec=spec)


def _say_unknown(options: JobOptions) -> str:
    target = options.target
    if Path(target).is_dir():
        return _say_folder(options)
    if "/" in target:
        return f"there is no file {target!r}"
    said = f"{unknown('workload', target, list(WORKLOADS))}, and there is no file of this name"
    meant = f"; did you mean: tfo {options.command} -- {shlex.quote(target)}"
    return said + (meant if shutil.which(target) else "")


def _say_folder(options: JobOptions) -> str:
    """With a file in it that may be meant; of many only one is named."""
    said = f"{options.target!r} is a folder, not a job file"
    files = _files_in(Path(options.target))
    if not files:
        return f"{said}, and no YAML file is in it"
    if len(files) > _MOST_NAMED:
        return f"{said}; name one of the {len(files)} job files in it, such as {shlex.quote(files[0])}"
    commands = " or: ".join(f"tfo {options.command} {shlex.quote(file)}" for file in files)
    return f"{said}; write: {commands}"


def _files_in(folder: Path) -> list[str]:
    try:
        return sorted(str(one) for one in folder.iterdir() if one.suffix in _SUFFIXES and one.is_file())
    except OSError:
        return []
