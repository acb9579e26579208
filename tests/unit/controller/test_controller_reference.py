"""The documentation of the controller's options is made from their table, and current."""

from pathlib import Path

from orchestrator.controller.options import FLAGS
from orchestrator.controller.reference import render

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "controller.md"


def test_the_page_is_current_and_names_every_flag() -> None:
    text = PAGE.read_text()
    assert text == render(), "run `make generate`"
    assert all(f"`--{flag.name}`" in text for flag in FLAGS)
