"""docs/reference/cli.md is what the table of commands makes."""

from pathlib import Path

from orchestrator.cli import reference

ROOT = Path(__file__).resolve().parents[3]


def test_the_reference_is_up_to_date() -> None:
    written = (ROOT / reference.PATH).read_text()
    assert written == reference.render(), f"run: python -m orchestrator.cli.reference > {reference.PATH}"
