"""The reference of the job file: made from the code, and as committed."""

from pathlib import Path

from orchestrator.api import reference
from orchestrator.api.catalog import WORKLOADS

COMMITTED = Path(__file__).resolve().parents[3] / "docs" / "reference" / "job.md"


def test_the_committed_reference_is_what_the_code_says() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == reference.render_reference()


def test_fields_of_the_items_of_a_list_are_described() -> None:
    rows = reference.render_reference().splitlines()
    [codes] = [row for row in rows if row.startswith("| `spec.recovery.exitCodes[].codes` |")]
    assert (
        codes == "| `spec.recovery.exitCodes[].codes` | array of integer 1…255 |  | Exit codes, 1 to 255. |"
    )


def test_every_argument_of_every_program_is_in_it() -> None:
    text = reference.render_reference()
    assert [
        argument.name
        for workload in WORKLOADS.values()
        for argument in workload.arguments
        if f"| `{argument.name}` |" not in text
    ] == []
