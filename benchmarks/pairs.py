"""Paired, alternated measurements: both sides in one run, median and spread, and the ratio of the medians.

Used by the benchmarks beside it. Alternating (A B, then B A) cancels slow drifts of a shared machine.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

Side = Callable[[], float]
"""Runs once and returns what is measured."""
FolderSide = Callable[[Path, int], float]
"""The same in a folder of its own, with a size."""


@dataclass(frozen=True)
class Pairs:
    """Values of two sides, pair by pair."""

    ours: tuple[float, ...]
    theirs: tuple[float, ...]

    @property
    def ratio(self) -> float:
        return statistics.median(self.ours) / statistics.median(self.theirs)

    @property
    def paired_ratio(self) -> float:
        """Median of the ratios of the pairs: what a drift between pairs cannot touch."""
        return statistics.median(a / b for a, b in zip(self.ours, self.theirs, strict=True))


def measure(ours: Side, theirs: Side, count: int) -> Pairs:
    mine: list[float] = []
    other: list[float] = []
    for number in range(count):
        if number % 2 == 0:
            mine.append(ours())
            other.append(theirs())
        else:
            other.append(theirs())
            mine.append(ours())
        print(f"  pair {number + 1} of {count}: {mine[-1]:.3f} {other[-1]:.3f}", flush=True)
    return Pairs(tuple(mine), tuple(other))


def spread(values: Sequence[float], unit: str = "s") -> str:
    """median (minimum to maximum, number of values)."""
    middle = statistics.median(values)
    return f"{middle:.3f} {unit} ({min(values):.3f} to {max(values):.3f}, n={len(values)})"


def show(title: str, names: tuple[str, str], pairs: Pairs, goal: float) -> bool:
    """Prints both sides and the ratio; True where the goal is reached."""
    reached = pairs.ratio <= goal
    print(title)
    print(f"  {names[0]:<28} {spread(pairs.ours)}")
    print(f"  {names[1]:<28} {spread(pairs.theirs)}")
    verdict = "reached" if reached else "MISSED"
    print(f"  ratio {pairs.ratio:.3f} (pairs: {pairs.paired_ratio:.3f}), goal at most {goal:.2f}: {verdict}")
    return reached
