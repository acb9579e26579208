"""A file or text -> jobs that are defaulted and valid, or everything that is wrong with it, sorted by place.

Called by the command line (`validate`, `run`, `plan`) and by tests. The one module of this package that opens a file;
reads no more of it than a job may have.
"""

import shlex
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path as FilePath

import msgspec
from msgspec.structs import replace

from orchestrator.api import overrides
from orchestrator.api.defaults import default
from orchestrator.api.errors import MAX_ERRORS, FieldError, Locator, Path, Position, is_near, quote
from orchestrator.api.parse import Document, parse_documents
from orchestrator.api.types import TensorFlowJob
from orchestrator.api.validation import validate
from orchestrator.api.yaml_nodes import MAX_TEXT

STANDARD_INPUT = "-"
_PYTHON = ".py"


class LoadResult(msgspec.Struct, frozen=True):
    """`jobs`: those without an error, defaulted. `dropped`: how many errors were only counted."""

    jobs: tuple[TensorFlowJob, ...]
    errors: tuple[FieldError, ...]
    dropped: int = 0


class Completed(msgspec.Struct, frozen=True):
    """A job with its defaults, which may be used if there are no errors."""

    job: TensorFlowJob
    errors: tuple[FieldError, ...]
    dropped: int = 0


def load_jobs(path: str, assignments: Sequence[str] = ()) -> LoadResult:
    """`path` -: standard input. `assignments`: changes to every job, as `--set` takes them."""
    source = _say_program(path) if is_program(path) else read_source(path)
    if isinstance(source, FieldError):
        return LoadResult((), (source,))
    return load_text(source, name_source(path), assignments)


def load_text(source: str | bytes, filename: str, assignments: Sequence[str] = ()) -> LoadResult:
    jobs: list[TensorFlowJob] = []
    errors: list[FieldError] = []
    dropped = 0
    seen: dict[tuple[str | None, str], Position] = {}
    for document in parse_documents(source, filename):
        completed = complete_document(document, assignments)
        if isinstance(completed, Completed):
            dropped += completed.dropped
            errors += (*completed.errors, *_check_unique(completed.job, document.locate, seen))
            jobs += () if completed.errors else (completed.job,)
        else:
            errors += completed
    return LoadResult(tuple(jobs), tuple(errors), dropped)


def complete_document(
    document: Document, assignments: Sequence[str] = ()
) -> Completed | tuple[FieldError, ...]:
    """The document's job, changed, defaulted and judged; only errors where there is no job in it."""
    if document.job is None:
        return document.errors
    if document.dropped:
        # Not all that could not be read is known, so no rule can tell on what it rests.
        return Completed(document.job, document.errors, document.dropped)
    changed = overrides.apply(document.job, assignments)
    locate = overrides.overlay(document.locate, changed)
    return complete(changed.job, locate, (*document.errors, *changed.errors))


def complete(
    written: TensorFlowJob, locate: Locator | None = None, unreadable: Sequence[FieldError] = ()
) -> Completed:
    """A job from anywhere, defaulted and judged; what rests on `unreadable`, the errors known so far, is not."""
    job = default(written)
    errors = [error for error in validate(job) if not _rests_on(error, unreadable)]
    if locate is not None:
        errors = [replace(error, position=locate(error.path)) for error in errors]
    found = sorted((*unreadable, *errors), key=_place)
    return Completed(job, tuple(found[:MAX_ERRORS]), max(0, len(found) - MAX_ERRORS))


def _rests_on(error: FieldError, unreadable: Sequence[FieldError]) -> bool:
    """An error without a path is about an assignment and concerns no field."""
    unread = [path for other in unreadable for path in (other.path, *other.related) if path]
    return any(is_near(path, other) for path in (error.path, *error.related) for other in unread)


def _place(error: FieldError) -> tuple[int, int]:
    return (error.position.line, error.position.column) if error.position else (0, 0)


def _check_unique(
    job: TensorFlowJob, locate: Locator, seen: dict[tuple[str | None, str], Position]
) -> Iterator[FieldError]:
    if not job.metadata.name:
        return  # that it has no name is an error of its own
    path: Path = ("metadata", "name")
    key = (job.metadata.namespace, job.metadata.name)
    position = locate(path)
    if key in seen:
        message = f"there is a job of the name {quote(job.metadata.name)} in line {seen[key].line} already"
        yield FieldError(path=path, message=message, position=position)
    seen.setdefault(key, position)


def is_program(path: str) -> bool:
    """By its name: what is wrong with a program as YAML helps nobody."""
    return path.endswith(_PYTHON)


def say_program(path: str, command: str) -> str:
    """`command`: what the user asked `tfo` for, or what would run it."""
    return f"is a Python program, not a job; write: tfo {command} -- python {shlex.quote(path)}"


def _say_program(path: str) -> FieldError:
    return FieldError(path=(), message=say_program(path, "run"), position=_position(path))


def name_source(path: str) -> str:
    return "<stdin>" if path == STANDARD_INPUT else path


def read_source(path: str) -> bytes | FieldError:
    """At most one byte more than may be parsed, so that too much is noticed and a device does no harm."""
    try:
        if path == STANDARD_INPUT:
            return sys.stdin.buffer.read(MAX_TEXT + 1)
        with FilePath(path).open("rb") as file:
            return file.read(MAX_TEXT + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        message = f"cannot be read: {reason[:1].lower()}{reason[1:]}"
        return FieldError(path=(), message=message, position=_position(path))


def _position(path: str) -> Position:
    return Position(quote(path, limit=4096)[1:-1])
