"""Folding reports: their order and repetition do not matter, and no counter ever falls."""

import math
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.api.types import Role
from orchestrator.metrics.collect import Collection
from orchestrator.metrics.registry import METRICS, Kind
from orchestrator.metrics.samples import Histogram
from orchestrator.metrics.store import Store
from orchestrator.protocol.datagrams import SAVE_BUCKETS, STEP_BUCKETS
from orchestrator.protocol.messages import Report
from tests.fixtures.training_reports import KEY, NOW, RUNNING, build_job

Received = tuple[Role, int, str, Report]
"""Who sent it (role, index, agent) and what."""

_COUNTERS = (Kind.COUNTER, Kind.HISTOGRAM)


@st.composite
def histories(draw: st.DrawFn) -> list[Received]:
    """Reports of up to three replicas over up to three attempts, under up to two agents each."""
    runs = st.tuples(
        st.sampled_from([(Role.CHIEF, 0), (Role.WORKER, 0), (Role.WORKER, 1), (Role.EVALUATOR, 0)]),
        st.integers(1, 3),
        st.sampled_from(["a", "b"]),
    )
    found: list[Received] = []
    for (role, index), attempt, agent in draw(st.lists(runs, max_size=6, unique=True)):
        found += [(role, index, agent, report) for report in _reports_of_a_run(draw, attempt)]
    return found


def _reports_of_a_run(draw: st.DrawFn, attempt: int) -> Iterator[Report]:
    """Counters grow; a loss may be NaN; sequences may have holes."""
    report = Report(
        attempt=attempt,
        sequence=0,
        step_seconds=(0,) * (len(STEP_BUCKETS) + 1),
        checkpoint_save_buckets=(0,) * (len(SAVE_BUCKETS) + 1),
    )
    for _ in range(draw(st.integers(1, 5))):
        steps = draw(st.integers(0, 50))
        bucket = draw(st.integers(0, len(STEP_BUCKETS)))
        save = draw(st.integers(0, len(SAVE_BUCKETS)))
        buckets = tuple(count + steps * (place == bucket) for place, count in enumerate(report.step_seconds))
        report = replace(
            report,
            sequence=report.sequence + draw(st.integers(1, 3)),
            step=(report.step or 0) + steps,
            steps=report.steps + steps,
            examples=report.examples + 32 * steps,
            step_seconds=buckets,
            step_seconds_sum=report.step_seconds_sum + steps * 0.25,
            checkpoint_save_buckets=tuple(
                count + (place == save) for place, count in enumerate(report.checkpoint_save_buckets)
            ),
            checkpoint_save_seconds=report.checkpoint_save_seconds + 0.5,
            metrics={"loss": draw(st.sampled_from([0.5, 0.25, math.nan, math.inf]))},
            non_finite=report.non_finite + draw(st.integers(0, 1)),
        )
        yield report


def _folded(history: list[Received]) -> Store:
    store = Store()
    store.observe_status(build_job(), RUNNING, NOW)
    for role, index, agent, report in history:
        store.fold(KEY, role, index, report, NOW, agent=agent)
    return store


def _counters(store: Store) -> dict[tuple[str, tuple[str, ...]], tuple[float, ...]]:
    points = Collection(store, lambda: NOW + timedelta(seconds=1)).collect()
    counters = [point for point in points if METRICS[point.name].kind in _COUNTERS]
    return {(point.name, point.labels): _numbers(point.value) for point in counters}


def _numbers(value: float | Histogram) -> tuple[float, ...]:
    return (*value.counts, value.sum) if isinstance(value, Histogram) else (value,)


@given(st.data(), histories())
def test_the_order_of_reports_does_not_matter(data: st.DataObject, history: list[Received]) -> None:
    shuffled = data.draw(st.permutations(history))
    one, other = _folded(history), _folded(shuffled)
    assert one.training(KEY.uid, NOW) == other.training(KEY.uid, NOW)
    assert one.last_steps(KEY.uid) == other.last_steps(KEY.uid)
    assert _counters(one) == _counters(other)


@given(st.data(), histories())
def test_repeating_reports_changes_nothing(data: st.DataObject, history: list[Received]) -> None:
    again = data.draw(st.lists(st.sampled_from(history), max_size=8)) if history else []
    once, twice = _folded(history), _folded([*history, *again])
    assert once.training(KEY.uid, NOW) == twice.training(KEY.uid, NOW)
    assert _counters(once) == _counters(twice)


@given(st.data(), histories())
def test_no_counter_ever_falls(data: st.DataObject, history: list[Received]) -> None:
    store = _folded([])
    before = _counters(store)
    for role, index, agent, report in data.draw(st.permutations(history)):
        store.fold(KEY, role, index, report, NOW, agent=agent)
        after = _counters(store)
        assert all(
            number <= later
            for key, numbers in before.items()
            for number, later in zip(numbers, after[key], strict=True)
        )
        before = after


@given(histories())
def test_nothing_that_is_not_finite_gets_out(history: list[Received]) -> None:
    points = Collection(_folded(history), lambda: NOW + timedelta(seconds=1)).collect()
    assert all(math.isfinite(number) for point in points for number in _numbers(point.value))
