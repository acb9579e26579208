"""The perceptron's samples and its table: one row per sample that was shown, in the order of the arithmetic.

Used by `perceptron`; only formats what was computed there. Plain Python.
"""

from __future__ import annotations

from dataclasses import dataclass

SAMPLES = (((1, 0, 0), 1), ((1, 0, 1), 1), ((1, 1, 0), 1), ((1, 1, 1), 0))
"""Inputs x0 x1 x2 and the wanted output y: not (x1 and x2). x0 is the bias."""

_COLUMNS = (
    ("pass", 4),
    ("x0 x1 x2", 8),
    ("y", 1),
    ("w0", 6),
    ("w1", 6),
    ("w2", 6),
    ("c0", 6),
    ("c1", 6),
    ("c2", 6),
    ("z", 6),
    ("n", 1),
    ("e", 2),
    ("d", 6),
    ("w0'", 6),
    ("w1'", 6),
    ("w2'", 6),
)
_LEGEND = (
    "c = w * x   z = c0 + c1 + c2   n = 1 if z > threshold else 0   e = y - n   d = rate * e   w' = w + d * x"
)


@dataclass(frozen=True)
class Row:
    """What happened when one sample was shown."""

    number: int
    inputs: tuple[int, ...]
    target: int
    weights_before: tuple[float, ...]
    products: tuple[float, ...]
    total: float
    output: int
    error: int
    correction: float
    weights_after: tuple[float, ...]


def render_header() -> str:
    return f"{_LEGEND}\n{_render([name for name, _ in _COLUMNS])}"


def render_row(row: Row) -> str:
    numbers = (*row.weights_before, *row.products, row.total)
    return _render(
        [
            str(row.number),
            "  ".join(str(value) for value in row.inputs),
            str(row.target),
            *(_render_number(number) for number in numbers),
            str(row.output),
            str(row.error),
            _render_number(row.correction),
            *(_render_number(weight) for weight in row.weights_after),
        ]
    )


def _render_number(number: float) -> str:
    # Adding 0.0 turns -0.0 into 0.0; other rates than 0.1 may need more than one decimal.
    return f"{round(number, 6) + 0.0:.6g}" if round(number, 1) != round(number, 6) else f"{number + 0.0:.1f}"


def _render(cells: list[str]) -> str:
    return "  ".join(cell.rjust(width) for cell, (_, width) in zip(cells, _COLUMNS, strict=True))
