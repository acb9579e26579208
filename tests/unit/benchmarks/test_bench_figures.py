"""Figures: the median decides, what cannot be judged is not held, and tables say both."""

import pytest

from benchmarks.figures import Figure, Sample, render_figure, render_markdown, render_row, render_table


def figure(*values: float, goal: float = 1.0, unjudged: str = "") -> Figure:
    beside = (Sample("python -c pass", (0.5,)),)
    return Figure("start", Sample("tfo --help", values), goal, beside, unjudged)


def test_the_median_is_what_is_set_against_the_goal() -> None:
    assert figure(0.1, 9.0, 1.0).is_held
    assert figure(0.1, 9.0, 1.1).verdict == "MISSED"
    assert figure(0.9, 1.3).sample.median == pytest.approx(1.1)


def test_what_cannot_be_judged_is_neither_held_nor_missed() -> None:
    found = figure(0.1, unjudged="steps too short")
    assert (found.is_held, found.verdict) == (False, "not judged: steps too short")


def test_a_figure_shows_its_samples_its_goal_and_the_verdict() -> None:
    lines = render_figure(figure(1.0, 3.0, 2.0)).splitlines()
    assert [" ".join(line.split()) for line in lines] == [
        "start",
        "python -c pass 0.500 s (0.500 to 0.500, n=1)",
        "tfo --help 2.000 s (1.000 to 3.000, n=3)",
        "goal at most 1.000 s: MISSED",
    ]


def test_a_row_is_the_same_in_text_and_in_a_document() -> None:
    row = render_row(figure(0.25))
    assert row == ("start", "0.250 s", "0.250 to 0.250, n=1", "1.000 s", "held")
    assert render_table([("figure", "x"), ("a", "longer")]) == "figure  x\na       longer"
    assert render_markdown([("figure", "x"), ("a", "longer")]) == "| figure | x |\n|---|---|\n| a | longer |"
