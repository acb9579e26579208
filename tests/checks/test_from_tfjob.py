"""The page for users of TFJob: the defaults that it names are those of the types."""

import re

import msgspec
import pytest

from orchestrator.api.defaults import default
from orchestrator.api.types import JobSpec, Metadata, ReplicaSpec, ReplicaSpecs, TensorFlowJob
from tests.checks.source_tree import ROOT, read

PAGE = "docs/explanation/from-tfjob.md"


def _rows() -> list[tuple[str, str]]:
    """Field and our default, as the page has them."""
    section = read(PAGE).partition("## Defaults")[2].partition("## ")[0]
    cells = [
        [cell.strip().strip("`") for cell in line.split("|")[1:-1]] for line in section.splitlines() if line
    ]
    return [(row[0], row[2]) for row in cells if "." in row[0] or row[0] == "successPolicy"]


def test_the_page_names_defaults() -> None:
    assert len(_rows()) >= 6


@pytest.mark.parametrize(("field", "shown"), _rows())
def test_a_default_is_the_one_of_the_types(field: str, shown: str) -> None:
    worker = ReplicaSpec()
    specs = ReplicaSpecs(chief=ReplicaSpec(), worker=worker)
    job = default(TensorFlowJob(metadata=Metadata(name="job"), spec=JobSpec(replica_specs=specs)))
    found = {
        **_defaults(job.spec.run_policy, "runPolicy."),
        **_defaults(worker, "replicaSpecs.ROLE."),
        "successPolicy": msgspec.to_builtins(job.spec.success_policy),
    }
    value = found[field]
    assert shown == (value if isinstance(value, str) else msgspec.json.encode(value).decode())


def _defaults(struct: msgspec.Struct, prefix: str) -> dict[str, object]:
    names = zip(struct.__struct_encode_fields__, struct.__struct_fields__, strict=True)
    return {prefix + shown: msgspec.to_builtins(getattr(struct, name)) for shown, name in names}


def test_every_test_that_the_page_names_is_there() -> None:
    section = read(PAGE).partition("## Reported there, tested here")[2]
    named = set(re.findall(r"`(test_\w+)`", section))
    files = (ROOT / "tests").rglob("test_*.py")
    there = {
        name for file in files for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.M)
    }
    assert len(named) >= 15
    assert named - there == set()
