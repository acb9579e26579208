"""The command line that all benchmarks share: how many pairs, quick or not, and an exit code that tells.

Called by the `main` of each; `python -m benchmarks` starts them with `--figures` and gathers what they find.
Exit code 1 when a goal is missed or could not be judged.
"""

import argparse
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks import machine
from benchmarks.figures import Figure, render_figure


@dataclass(frozen=True)
class Size:
    """How much to measure. `is_quick`: only to see that it works; jobs are short then, and figures mean little."""

    pairs: int
    is_quick: bool


Measure = Callable[[Size], list[Figure]]
QUICK_PAIRS = 1


def run(description: str | None, measure: Measure, pairs: int) -> int:
    """`pairs`: how many unless asked for otherwise."""
    words = parse(description, pairs)
    if words.figures is None:
        say_where()
    found = measure(Size(words.pairs or (QUICK_PAIRS if words.quick else pairs), words.quick))
    print("\n".join(map(render_figure, found)), flush=True)
    if words.figures is not None:
        words.figures.write_bytes(msgspec.json.encode(found))
    return 0 if all(one.is_held for one in found) else 1


def parse(description: str | None, pairs: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--pairs", "--rounds", type=int, default=0, help=f"to measure, {pairs} by default")
    parser.add_argument("--quick", action="store_true", help="one pair of short jobs: does it work at all?")
    parser.add_argument("--figures", type=Path, help="write the figures there too, as JSON")
    return parser.parse_args()


def say_where() -> str:
    """Prints the machine and a warning where it is busy; returns the machine."""
    described = machine.describe(datetime.now(UTC).date())
    lines = [described, machine.warn_if_busy(os.getloadavg()[0])]
    print("\n".join(filter(None, lines)), flush=True)
    return described
