"""Folding datagrams into a report."""

from dataclasses import replace

from orchestrator.agent import telemetry
from orchestrator.protocol.codec import encode
from orchestrator.protocol.datagrams import STEP_BUCKETS, Checkpointed, Datagram
from orchestrator.protocol.fields import MAX_INTEGER, MAX_METRICS
from orchestrator.protocol.messages import Report

BUCKETS = len(STEP_BUCKETS) + 1


def folded(*datagrams: Datagram) -> Report:
    found = telemetry.begin(3)
    for number, datagram in enumerate(datagrams):
        found = telemetry.fold(found, datagram, 10.0 + number)
    return found.report


def test_counters_add_up_and_the_latest_values_hold() -> None:
    report = folded(
        Datagram(
            step=4, steps=4, examples=40, metrics={"loss": 2.0, "accuracy": 0.1}, total_steps=100, busy="x"
        ),
        Datagram(attempt=3, step=6, steps=2, examples=20, metrics={"loss": 1.0}, epoch=1, busy=""),
        Datagram(non_finite=2, input_wait_seconds=0.5, callback_seconds=0.25),
    )
    assert report == Report(
        attempt=3,
        sequence=0,
        step=6,
        total_steps=100,
        epoch=1,
        metrics={"loss": 1.0, "accuracy": 0.1},
        steps=6,
        examples=60,
        non_finite=2,
        input_wait_seconds=0.5,
        callback_seconds=0.25,
    )


def test_other_attempts_are_dropped_and_counted() -> None:
    assert folded(Datagram(attempt=2, step=900, steps=900)) == Report(attempt=3, sequence=0, dropped=1)


def test_a_metric_that_is_not_finite_is_unknown_not_old() -> None:
    found = folded(Datagram(metrics={"loss": 2.0, "lr": 0.1}), Datagram(metrics={"loss": None})).metrics
    assert found == {"loss": None, "lr": 0.1}


def test_the_number_of_metrics_is_bounded_and_the_first_stay() -> None:
    report = folded(
        Datagram(metrics={f"m{number}": 1.0 for number in range(10)}),
        Datagram(metrics={f"m{number}": 2.0 for number in range(5, 40)}),
        Datagram(metrics={"m0": 3.0, "x" * 65: 1.0, "": 1.0}),
    )
    assert len(report.metrics) == MAX_METRICS
    assert (report.metrics["m0"], report.metrics["m5"], report.metrics["m15"]) == (3.0, 2.0, 2.0)
    assert report.notes[0] == "more than 16 metrics: m39 and others are not reported"


def test_step_durations_add_up_and_other_histograms_are_ignored() -> None:
    one = (1, *[0] * (BUCKETS - 1))
    report = folded(
        Datagram(step_seconds=one, step_seconds_sum=0.001),
        Datagram(step_seconds=(1, 2), step_seconds_sum=1.0),
        Datagram(step_seconds=(2, *[1] * (BUCKETS - 1))),
    )
    assert report.step_seconds == (3, *[1] * (BUCKETS - 1))
    assert report.step_seconds_sum == 1.001


def test_checkpoints_are_counted_and_the_newest_is_known() -> None:
    report = folded(
        Datagram(checkpoint=Checkpointed(20, seconds=0.5)),
        Datagram(checkpoint=Checkpointed(40, ok=False)),
        Datagram(checkpoint=Checkpointed(10, seconds=0.25)),
        Datagram(checkpoint=Checkpointed(10, seconds=1e6)),
    )
    assert (report.checkpoint_step, report.checkpoint_failures) == (20, 1)
    assert report.checkpoint_save_seconds == 1e6 + 0.75
    assert report.checkpoint_save_buckets == (0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1)


def test_notes_are_few_and_said_once() -> None:
    report = folded(*(Datagram(note=f"{number % 10} {'x' * 500}") for number in range(30)))
    assert [note[0] for note in report.notes] == ["2", "3", "4", "5", "6", "7", "8", "9"]
    assert {len(note) for note in report.notes} == {256}
    assert telemetry.note(telemetry.begin(1), "own").report.notes == ("own",)


def test_numbers_stay_sendable_whatever_is_reported() -> None:
    huge = Datagram(
        steps=MAX_INTEGER, step_seconds=(MAX_INTEGER,) * BUCKETS, step_seconds_sum=1e308, busy="b" * 4000
    )
    report = folded(huge, huge, Datagram(checkpoint=Checkpointed(1, seconds=1e308)))
    assert (report.steps, report.step_seconds[0]) == (MAX_INTEGER, MAX_INTEGER)
    assert encode(report)


def test_the_silence_counts_from_the_last_step_by_our_own_clock() -> None:
    nothing = telemetry.begin(3)
    assert telemetry.render(nothing, 1, 50.0).seconds_since_step is None
    busy = telemetry.fold(nothing, Datagram(busy="compiling"), 10.0)
    assert telemetry.render(busy, 1, 50.0).seconds_since_step is None
    stepped = telemetry.fold(busy, Datagram(step=0), 20.0)
    again = telemetry.fold(stepped, Datagram(step=0, metrics={"loss": 1.0}), 30.0)
    assert telemetry.render(again, 7, 50.0).seconds_since_step == 30.0
    counted = telemetry.fold(again, Datagram(steps=1), 40.0)
    report = telemetry.render(counted, 8, 50.0)
    assert (report.seconds_since_step, report.sequence) == (10.0, 8)
    assert telemetry.render(counted, 9, 39.0).seconds_since_step == 0.0


def test_what_cannot_be_understood_is_counted() -> None:
    begun = telemetry.begin(3)
    assert telemetry.drop(telemetry.drop(begun)).report == replace(begun.report, dropped=2)
