"""The page of figures names every benchmark and every figure with the goal that its script holds."""

from benchmarks import (
    cli_startup,
    cost,
    creates,
    failover,
    fleet,
    footprint,
    instrument,
    overhead,
    pods_recovery,
    pods_start,
    recovery,
)
from benchmarks.__main__ import MINUTES
from benchmarks.figures import amount
from tests.checks.source_tree import read

PAGE = "docs/explanation/figures.md"
GOALS = {
    "cli_startup": [amount(goal, "s") for goal in cli_startup.GOALS.values()],
    "footprint": [amount(footprint.READY_GOAL, "s"), amount(footprint.MEMORY_GOAL, "MB")],
    "recovery": [amount(recovery.GOAL, "×")],
    "overhead": [amount(overhead.GOAL, "×")],
    "instrument": [amount(instrument.GOAL, "×")],
    "cost": [amount(cost.GOAL, "%")],
    "creates": [amount(creates.GOAL, "×")] * len(creates.SHAPES),
    "fleet": [amount(fleet.GOALS[name], unit) for name, unit in fleet.UNITS.items()],
    "failover": [amount(goal, "s") for goal in failover.GOALS.values()],
    "pods_start": [amount(pods_start.GOAL, "s")],
    "pods_recovery": [amount(pods_recovery.GOAL, "×")],
}


def test_the_page_shows_each_benchmark_with_its_goals() -> None:
    rows = [
        [cell.strip() for cell in line.split("|")] for line in read(PAGE).splitlines() if line.count("|") == 7
    ]
    shown = {name: [row[4] for row in rows if row[6] == f"`{name}`"] for name in MINUTES}
    assert shown == GOALS
