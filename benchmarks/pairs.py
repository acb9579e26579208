"""Paired, alternated measurements: both sides in one run, and the ratio of each pair.

Used by the benchmarks beside it. A first pair warms the page cache and is forgotten; then A B, B A, A B, …: that
cancels slow drifts of a shared machine, and what a drift does between two pairs touches no ratio.
"""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.figures import Figure, Sample

Side = Callable[[], float]
"""Runs once and returns what is measured."""


@dataclass(frozen=True)
class Pairs:
    """Values of two sides, pair by pair."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratios(self) -> tuple[float, ...]:
        return tuple(a / b for a, b in zip(self.ours, self.theirs, strict=True))


def measure(ours: Side, theirs: Side, count: int) -> Pairs:
    """Without a warm-up pair: see `measure_warm`."""
    mine: list[float] = []
    other: list[float] = []
    for number in range(count):
        turns = [(ours, mine), (theirs, other)]
        for side, values in turns if number % 2 == 0 else reversed(turns):
            values.append(side())
        print(f"  pair {number + 1} of {count}: {mine[-1]:.3f} {other[-1]:.3f}", flush=True)
    return Pairs(tuple(mine), tuple(other))


def measure_warm(ours: Side, theirs: Side, count: int) -> Pairs:
    """After a pair that is not counted."""
    print(f"  warm-up, not counted: {ours():.3f} {theirs():.3f}", flush=True)
    return measure(ours, theirs, count)


def figure_of(title: str, names: tuple[str, str], found: Pairs, goal: float) -> Figure:
    """The median of the pairs' ratios, both sides beside it."""
    beside = (Sample(names[0], found.ours), Sample(names[1], found.theirs))
    return Figure(title, Sample("ratio of each pair", found.ratios, "×"), goal, beside)
