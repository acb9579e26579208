"""A figure: the median of what was measured against its goal, with everything that was measured beside it.

Made by every benchmark here; printed by `command`, gathered by `__main__`. Values only: measures nothing itself.
"""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sample:
    """Values of one kind, in the order in which they were measured. `×`: a ratio."""

    name: str
    values: tuple[float, ...]
    unit: str = "s"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    @property
    def range(self) -> str:
        return f"{min(self.values):.3f} to {max(self.values):.3f}, n={len(self.values)}"

    def __str__(self) -> str:
        return f"{amount(self.median, self.unit)} ({self.range})"


@dataclass(frozen=True)
class Figure:
    """The median of `sample` is to be at most `goal`. `unjudged`: why these values can neither hold nor miss it."""

    name: str
    sample: Sample
    goal: float
    beside: tuple[Sample, ...] = ()
    unjudged: str = ""

    @property
    def is_held(self) -> bool:
        return not self.unjudged and self.sample.median <= self.goal

    @property
    def verdict(self) -> str:
        if self.unjudged:
            return f"not judged: {self.unjudged}"
        return "held" if self.is_held else "MISSED"


HEAD = ("figure", "measured", "spread", "goal at most", "held?")


def amount(value: float, unit: str) -> str:
    return f"{value:.3f} {unit}"


def render_figure(figure: Figure) -> str:
    """Several lines: all samples, the figure's own last."""
    lines = [f"  {one.name:<34} {one}" for one in (*figure.beside, figure.sample)]
    goal = f"  goal at most {amount(figure.goal, figure.sample.unit)}: {figure.verdict}"
    return "\n".join([figure.name, *lines, goal])


def render_row(figure: Figure) -> tuple[str, ...]:
    """The cells that HEAD names."""
    unit = figure.sample.unit
    measured, goal = amount(figure.sample.median, unit), amount(figure.goal, unit)
    return (figure.name, measured, figure.sample.range, goal, figure.verdict)


def render_table(rows: Sequence[Sequence[str]]) -> str:
    """Columns of the width that they need; the first row is the head."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def render_markdown(rows: Sequence[Sequence[str]]) -> str:
    """The same as a table of a document."""
    head, *others = ("| " + " | ".join(row) + " |" for row in rows)
    return "\n".join([head, "|" + "---|" * len(rows[0]), *others])
