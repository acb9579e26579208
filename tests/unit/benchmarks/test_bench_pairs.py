"""Pairs: the order changes with every pair, the warm-up is forgotten, and each ratio belongs to one pair."""

import pytest

from benchmarks.pairs import Pairs, Side, figure_of, measure, measure_warm


def side(name: str, log: list[str], values: list[float]) -> Side:
    remaining = iter(values)

    def run() -> float:
        log.append(name)
        return next(remaining)

    return run


def test_the_sides_take_turns_in_going_first() -> None:
    log: list[str] = []
    found = measure(side("a", log, [1.0, 2.0, 3.0]), side("b", log, [4.0, 5.0, 6.0]), 3)
    assert "".join(log) == "abbaab"
    assert found == Pairs((1.0, 2.0, 3.0), (4.0, 5.0, 6.0))


def test_the_warm_up_pair_is_not_counted() -> None:
    log: list[str] = []
    found = measure_warm(side("a", log, [99.0, 2.0]), side("b", log, [88.0, 1.0]), 1)
    assert ("".join(log), found) == ("abab", Pairs((2.0,), (1.0,)))


def test_a_drift_between_pairs_touches_no_ratio() -> None:
    found = Pairs((1.1, 11.0, 110.0), (1.0, 10.0, 100.0))
    figure = figure_of("job", ("tfo run", "by hand"), found, 1.2)
    assert figure.sample.values == pytest.approx((1.1, 1.1, 1.1))
    assert figure.is_held
    assert [one.median for one in figure.beside] == [11.0, 10.0]
