"""A stored job <-> `TensorFlowJob` and `JobStatus`: the edge at which what the API server keeps becomes ours.

Called by `backend` and the command line. Pure. The schema has checked most; whatever it let pass (it was laxer once, or
knows nothing of the built-in programs' arguments) is found here.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from orchestrator.api.errors import FieldError
from orchestrator.api.load import complete
from orchestrator.api.status import JobStatus
from orchestrator.api.types import Metadata, TensorFlowJob
from orchestrator.backends.kubernetes.objects import StoredJob

_WORDS = {True: "True", False: "False"}
_TRUTHS = {"True": True, "False": False}
_KEPT_ANNOTATION = "kubectl.kubernetes.io/last-applied-configuration"
_LONGEST = 2000


@dataclass(frozen=True)
class Invalid:
    """What is stored is no valid job. `message`: every error."""

    message: str


def decode_job(stored: StoredJob) -> TensorFlowJob | Invalid:
    """Defaulted and valid, or why not."""
    try:
        spec = msgspec.json.decode(stored.spec) if stored.spec else None
        document = {"metadata": _metadata(stored), "spec": spec}
        job = msgspec.convert(document, type=TensorFlowJob)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        return Invalid(str(error))
    completed = complete(job)
    return Invalid(_say(completed.errors)) if completed.errors else completed.job


def _metadata(stored: StoredJob) -> Metadata:
    """What kubectl keeps for itself is long and says nothing new."""
    found = stored.metadata
    annotations = {name: text for name, text in found.annotations.items() if name != _KEPT_ANNOTATION}
    return Metadata(
        name=found.name,
        namespace=found.namespace,
        labels=dict(found.labels),
        annotations=annotations,
        uid=found.uid,
        generation=found.generation,
        creation_timestamp=found.creation_timestamp,
        deletion_timestamp=found.deletion_timestamp,
    )


def _say(errors: tuple[FieldError, ...]) -> str:
    text = "; ".join(map(str, errors))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def decode_status(stored: StoredJob) -> JobStatus:
    """As we wrote it. Raises msgspec.ValidationError when it is none of ours."""
    return status_from(msgspec.json.decode(stored.status) if stored.status else {})


def status_from(document: dict[str, Any]) -> JobStatus:
    """From JSON: conditions have the words True and False there, which every tool for Kubernetes looks for."""
    conditions = [
        {**one, "status": _TRUTHS.get(one.get("status"), False)} for one in document.get("conditions") or ()
    ]
    return msgspec.convert({**document, "conditions": conditions}, type=JobStatus)


def encode_status(status: JobStatus) -> dict[str, Any]:
    """To JSON, as `status_from` reads it; with what `kubectl get` shows even where it says the least."""
    document: dict[str, Any] = msgspec.to_builtins(status)
    conditions = [{**one, "status": _WORDS[one["status"]]} for one in document.get("conditions") or ()]
    shown = {"phase": status.phase.value, "restarts": status.restarts}
    return {**shown, **document, **({"conditions": conditions} if conditions else {})}
