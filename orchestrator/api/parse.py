"""YAML or JSON -> TensorFlowJobs, with every error at its line and column.

Called by `load` and by everybody who gets a job as text. Does not default and does not judge: a job that comes out
has the right names and types only. Nothing raises, whatever the bytes are.
"""

import msgspec

from orchestrator.api import suggest
from orchestrator.api.errors import Errors, FieldError, Locator, Path, Position, quote
from orchestrator.api.reader import Reader, describe
from orchestrator.api.types import API_VERSION, KIND, TensorFlowJob
from orchestrator.api.yaml_nodes import (
    MAX_TEXT,
    Mapping,
    Node,
    Refused,
    Scalar,
    Sequence,
    compose,
    locate_offset,
)

_TFJOB = (
    "this is Kubeflow's TFJob; write "
    f"`apiVersion: {API_VERSION}`, `kind: {KIND}`, `replicaSpecs` for tfReplicaSpecs, and the roles as chief, worker, "
    "ps, evaluator (Master is chief)"
)


class Document(msgspec.Struct, frozen=True):
    """One document of a file. `job`: None where it could not be recognised as one; where there are errors it holds
    defaults and stand-ins in place of what could not be read, and may only be used to look for more errors."""

    job: TensorFlowJob | None
    errors: tuple[FieldError, ...]
    locate: Locator
    dropped: int = 0


def parse_jobs(
    source: str | bytes, filename: str
) -> tuple[tuple[TensorFlowJob, ...], tuple[FieldError, ...]]:
    """The jobs that could be read, and what is wrong with the others."""
    documents = parse_documents(source, filename)
    jobs = tuple(document.job for document in documents if document.job and not document.errors)
    return jobs, tuple(error for document in documents for error in document.errors)


def parse_documents(source: str | bytes, filename: str) -> tuple[Document, ...]:
    """Every document in order; text that cannot be read (on) makes a last one that holds only the error."""
    documents: list[Document] = []
    try:
        for root in compose(_decode(source)):
            documents.append(_parse_document(root, filename))
        if not documents:
            raise Refused(f"there is no {KIND} in here: it is empty")
    except Refused as refused:
        documents.append(_refuse(refused, filename))
    return tuple(documents)


def _refuse(refused: Refused, filename: str) -> Document:
    position = Position(filename, refused.line, refused.column)
    error = FieldError(path=(), message=refused.message, position=position)
    return Document(None, (error,), lambda path: position)


def _decode(source: str | bytes) -> str:
    if len(source) > MAX_TEXT:
        raise Refused(f"larger than {MAX_TEXT // 1024**2} MiB")
    if isinstance(source, str):
        return source.removeprefix("\ufeff")
    if source.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise Refused("this is UTF-16; save it as UTF-8")
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        readable = error.object[: error.start].decode()
        place = locate_offset(readable, len(readable))
        raise Refused(f"not UTF-8: byte 0x{error.object[error.start]:02x}", *place) from None


def _parse_document(root: Node, filename: str) -> Document:
    errors = Errors()
    locate = make_locator(root, filename)
    foreign = _say_foreign(root)
    if foreign or not isinstance(root, Mapping):
        errors.add((), foreign, Position(filename, root.line, root.column))
        return Document(None, tuple(errors.items), locate)
    reader = Reader(filename, errors)
    if root.tag:
        reader.refuse_tag(root, ())
    job = reader.read_struct(TensorFlowJob, root, ())
    _check_head(root, filename, errors)
    return Document(job, tuple(errors.items), locate, errors.dropped)


def _check_head(root: Mapping, filename: str, errors: Errors) -> None:
    """What has a default in our types, and has to be written all the same; a slip in its name has been told."""
    slips = {path for error in errors.items for path in error.related}
    for key, right in (("apiVersion", API_VERSION), ("kind", KIND)):
        if key not in root.entries and (key,) not in slips:
            errors.add(
                (key,), f"is missing; write `{key}: {right}`", Position(filename, root.line, root.column)
            )


def _say_foreign(root: Node) -> str:
    """Why this document is not meant to be a TensorFlowJob at all; empty if it is."""
    if not isinstance(root, Mapping):
        return f"expected a {KIND} (a mapping with apiVersion, kind, metadata, spec), got {describe(root)}"
    kind, version = (_get_text(root, key) for key in ("kind", "apiVersion"))
    if kind == "TFJob" or version.startswith("kubeflow.org/"):
        return _TFJOB
    if kind and suggest.find_nearest(kind, [KIND]) is None:
        return f"kind {quote(kind)} is not {KIND}; keep other objects in files of their own"
    return ""


def _get_text(root: Mapping, key: str) -> str:
    entry = root.entries.get(key)
    return entry.value.text if entry and isinstance(entry.value, Scalar) else ""


def make_locator(root: Node, filename: str) -> Locator:
    """Finds the value of a path, or its key where the value is a whole block, or the nearest parent's."""

    def locate(path: Path) -> Position:
        place = root
        node = root
        for part in path:
            step = _step(node, part)
            if step is None:
                break
            place, node = step
        return Position(filename, place.line, place.column)

    return locate


def _step(node: Node, part: str | int) -> tuple[Node, Node] | None:
    """The node to point at and the node to go on from."""
    if isinstance(node, Mapping) and part in node.entries:
        entry = node.entries[str(part)]
        is_word = isinstance(entry.value, Scalar) and entry.value.text
        return (entry.value if is_word else entry.key), entry.value
    if isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
        return node.items[part], node.items[part]
    return None
