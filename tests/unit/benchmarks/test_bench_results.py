"""All benchmarks together: one table, which survives being kept, a verdict over everything, and the machine's line."""

import importlib

import msgspec
import pytest

from benchmarks.__main__ import MINUTES, Results, render
from benchmarks.figures import Figure, Sample
from benchmarks.instrument import too_short
from benchmarks.machine import parse_memory_gib, parse_model, warn_if_busy

HELD = Figure("tfo --help", Sample("tfo --help", (0.1,)), 0.2)
MISSED = Figure("tfo validate", Sample("tfo validate", (0.4,)), 0.3)


@pytest.mark.parametrize("name", MINUTES)
def test_every_benchmark_that_is_listed_can_be_measured(name: str) -> None:
    assert callable(importlib.import_module(f"benchmarks.{name}").measured)


def test_all_together_take_an_hour_at_most() -> None:
    assert sum(MINUTES.values()) <= 60


def test_one_missed_goal_and_one_broken_benchmark_are_enough() -> None:
    assert Results("m", {"cli_startup": [HELD]}).is_held
    assert not Results("m", {"cli_startup": [HELD, MISSED]}).is_held
    assert not Results("m", {"cli_startup": [HELD]}, ("recovery",)).is_held


def test_results_are_the_same_after_they_were_kept() -> None:
    results = Results("two cores", {"cli_startup": [HELD, MISSED]}, ("recovery",))
    assert msgspec.json.decode(msgspec.json.encode(results), type=Results) == results


def test_the_table_has_a_row_for_each_figure_and_names_what_broke_down() -> None:
    results = Results("two cores", {"cli_startup": [HELD, MISSED]}, ("recovery",))
    text, document = render(results, is_markdown=False), render(results, is_markdown=True)
    assert text.splitlines()[0] == "two cores"
    assert text.splitlines()[2].endswith("held    cli_startup")
    assert "| tfo validate | 0.400 s | 0.400 to 0.400, n=1 | 0.300 s | MISSED | `cli_startup` |" in document
    assert text.endswith("recovery broke down and has no figure")
    assert document.endswith("recovery broke down and has no figure")


def test_steps_below_the_goals_own_condition_are_not_judged() -> None:
    assert too_short([20.0, 35.0]) == ""
    assert "19.9 ms" in too_short([35.0, 19.9])


def test_the_machine_is_read_and_a_busy_one_warned_about() -> None:
    assert parse_model("processor\t: 0\nmodel name\t: Quick 3000\nmodel name\t: Quick 3000\n") == "Quick 3000"
    assert parse_memory_gib("MemTotal:       16777216 kB\nMemFree: 5 kB\n") == 16.0
    assert warn_if_busy(0.5) == ""
    assert "load average is 0.51" in warn_if_busy(0.51)
