"""The reference of the job file: made from the code, and as committed."""

from pathlib import Path

from orchestrator.api import reference, shape
from orchestrator.api.catalog import WORKLOADS
from orchestrator.api.status import JobStatus

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


def test_every_field_of_the_status_is_in_it_and_described() -> None:
    rows = [row.split(" | ") for row in reference.render_reference().splitlines() if "| `status." in row]
    fields = {row[0].removeprefix("| ").strip("`"): row[-1].removesuffix(" |") for row in rows}
    assert all(fields.values())
    top = {f"status.{key}" for key in shape.fields_of(JobStatus)}
    assert top <= set(fields)
    assert fields["status.attempts[].cause"] == "What ended it."
    assert "those of `status.attempts[]`" in fields["status.failure"]
    assert "status.failure.cause" not in fields
    assert "status.replicaStatuses.ROLE.active" in fields
