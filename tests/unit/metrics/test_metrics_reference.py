"""The reference of the metrics is what the code says."""

from pathlib import Path

from orchestrator.metrics.reference import render_reference
from orchestrator.metrics.registry import METRICS

DOCUMENT = Path(__file__).parents[3] / "docs" / "reference" / "metrics.md"


def test_the_document_is_up_to_date() -> None:
    assert DOCUMENT.read_text() == render_reference(), (
        "run: python -m orchestrator.metrics.reference > " + str(DOCUMENT)
    )


def test_every_metric_is_explained() -> None:
    text = render_reference()
    assert all(f"| `{name}` |" in text for name in METRICS)
