"""The page for users of TFJob: its defaults are those of the types, and every other row names tests that show it."""

import re

import msgspec
import pytest

from orchestrator.api.defaults import default
from orchestrator.api.types import JobSpec, Metadata, ReplicaSpec, ReplicaSpecs, TensorFlowJob
from tests.checks.source_tree import ROOT, read

PAGE = "docs/explanation/from-tfjob.md"


def _table(title: str) -> list[list[str]]:
    """Cells of the rows below the head."""
    section = read(PAGE).partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def _rows() -> list[tuple[str, str]]:
    """Field and our default, as the page has them."""
    return [(row[0].strip("`"), row[2].strip("`")) for row in _table("Defaults")]


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


def _tests() -> set[str]:
    """Names of all that there are."""
    files = (ROOT / "tests").rglob("test_*.py")
    return {
        name for file in files for name in re.findall(r"^(?:async )?def (test_\w+)", file.read_text(), re.M)
    }


@pytest.mark.parametrize(
    ("title", "rows"), [("Meanings", 42), ("The same", 14), ("Reported there, tested here", 15)]
)
def test_every_row_names_tests_that_are_there(title: str, rows: int) -> None:
    table, there = _table(title), _tests()
    assert len(table) >= rows
    without = [
        row[0] for row in table if not (named := re.findall(r"`(test_\w+)`", row[-1])) or set(named) - there
    ]
    assert without == []
