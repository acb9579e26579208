"""The perceptron's table: columns under their names, numbers as they are on paper."""

from orchestrator.workloads.perceptron_table import SAMPLES, Row, render_header, render_row

ROW = Row(
    number=8,
    inputs=(1, 0, 1),
    target=1,
    weights_before=(0.7, -0.2, -0.2),
    products=(0.7, -0.0, -0.2),
    total=0.5,
    output=0,
    error=1,
    correction=0.1,
    weights_after=(0.8, -0.2, -0.1),
)


def test_the_samples_are_the_classic_ones() -> None:
    assert SAMPLES == (((1, 0, 0), 1), ((1, 0, 1), 1), ((1, 1, 0), 1), ((1, 1, 1), 0))


def test_a_row_reads_as_it_was_computed() -> None:
    assert render_row(ROW).split() == (
        [
            "8",
            "1",
            "0",
            "1",
            "1",
            "0.7",
            "-0.2",
            "-0.2",
            "0.7",
            "0.0",
            "-0.2",
            "0.5",
            "0",
            "1",
            "0.1",
            "0.8",
            "-0.2",
            "-0.1",
        ]
    )


def test_columns_stand_under_their_names() -> None:
    assert len(render_header().splitlines()[-1]) == len(render_row(ROW))


def test_other_rates_show_all_their_decimals() -> None:
    row = Row(1, (1, 0, 0), 1, (0.25, 0.0, 0.0), (0.25, 0.0, 0.0), 0.25, 0, 1, 0.125, (0.375, 0.0, 0.0))
    assert "0.125" in render_row(row)
    assert "0.375" in render_row(row)
