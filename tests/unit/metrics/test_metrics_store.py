"""The store folds reports and statuses: progress, counters over attempts, rates, forgetting."""

import math
from datetime import timedelta

import msgspec
import pytest
from msgspec.structs import replace

from orchestrator.api.status import Cause, JobStatus, Phase
from orchestrator.api.types import Role, Strategy, Telemetry
from orchestrator.metrics.life import key_of
from orchestrator.metrics.store import Store, allowed_names
from tests.fixtures.training_reports import (
    BATCH_SHARE,
    KEY,
    NOW,
    RUNNING,
    STEP_SECONDS,
    build_attempt,
    build_ended,
    build_job,
    build_report,
    build_store,
    fold_training,
    later,
    replaced,
)


def test_a_job_that_is_not_known_has_no_progress() -> None:
    store = Store()
    assert store.progress("nobody").step is None
    assert store.last_steps("nobody") == {}
    assert store.notes("nobody") == ()
    assert store.summary("nobody").metrics == {}


def test_the_step_of_the_job_is_the_one_that_every_member_has_done() -> None:
    store = build_store()
    for index, steps in enumerate((30, 20)):
        store.fold(KEY, Role.WORKER, index, build_report(steps=steps), later(4))
    store.fold(KEY, Role.CHIEF, 0, build_report(steps=25), later(4))
    store.fold(KEY, Role.EVALUATOR, 0, build_report(steps=7), later(4))
    assert store.progress(KEY.uid).step == 20
    assert store.progress(KEY.uid).total_steps == 420
    assert store.last_steps(KEY.uid) == {"chief-0": 25, "worker-0": 30, "worker-1": 20, "evaluator-0": 7}


def test_loss_and_accuracy_are_the_chiefs_as_short_text() -> None:
    store = build_store()
    store.fold(KEY, Role.WORKER, 0, build_report(steps=1, metrics={"loss": 9.0}), later(4))
    store.fold(KEY, Role.CHIEF, 0, build_report(steps=1, metrics={"loss": 0.081234}), later(4))
    progress = store.progress(KEY.uid)
    assert progress.loss == "0.08123"
    assert progress.accuracy is None


def test_a_metric_stays_known_when_later_reports_leave_it_out() -> None:
    store = build_store()
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 1, 1, metrics={"val_accuracy": 0.9}), later(4))
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 2, 2, metrics={"loss": 0.5}), later(5))
    store.fold(KEY, Role.CHIEF, 0, build_report(2, 1, 2), later(6))
    assert store.summary(KEY.uid).metrics == {"loss": 0.5, "val_accuracy": 0.9}


def test_the_evaluator_speaks_only_for_validation_and_only_if_no_member_does() -> None:
    store = build_store()
    metrics = {"loss": 7.0, "val_loss": 0.4, "val_accuracy": 0.8}
    store.fold(KEY, Role.EVALUATOR, 0, build_report(metrics=metrics), later(4))
    assert store.summary(KEY.uid).metrics == {"val_loss": 0.4, "val_accuracy": 0.8}
    store.fold(KEY, Role.CHIEF, 0, build_report(metrics={"val_accuracy": 0.7}), later(5))
    assert store.summary(KEY.uid).metrics == {"val_loss": 0.4, "val_accuracy": 0.7}


def test_what_is_not_finite_is_counted_and_not_shown() -> None:
    store = build_store()
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 1, 1, metrics={"loss": 0.5}), later(4))
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 2, 2, metrics={"loss": math.nan}), later(5))
    store.fold(
        KEY, Role.CHIEF, 0, build_report(1, 3, 3, metrics={"accuracy": math.inf}, non_finite=3), later(6)
    )
    progress = store.progress(KEY.uid)
    assert (progress.loss, progress.accuracy, progress.non_finite) == (None, None, 3)
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 4, 4, metrics={"loss": None}), later(7))
    assert store.summary(KEY.uid).metrics == {}
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 5, 5, metrics={"loss": 0.25}), later(8))
    assert store.progress(KEY.uid).loss == "0.25"


def test_members_that_see_the_same_nan_count_it_once() -> None:
    store = build_store()
    for index in range(2):
        store.fold(KEY, Role.WORKER, index, build_report(steps=5, non_finite=4), later(4))
    assert store.progress(KEY.uid).non_finite == 4


def test_counters_add_up_over_attempts_and_agents() -> None:
    store = build_store()
    for attempt, agent, steps in ((1, "a", 30), (2, "a", 10), (2, "b", 5)):
        store.fold(KEY, Role.CHIEF, 0, build_report(attempt, 1, steps), later(4), agent=agent)
    summary = store.summary(KEY.uid)
    assert (summary.steps, summary.examples) == (45, 45 * BATCH_SHARE)


def test_members_of_a_gang_do_the_same_steps_and_different_examples() -> None:
    store = build_store()
    fold_training(store, 2)
    summary = store.summary(KEY.uid)
    assert (summary.steps, summary.examples) == (21, 3 * 21 * BATCH_SHARE)


def test_independent_replicas_do_different_steps() -> None:
    store = Store()
    store.observe_status(build_job(strategy=Strategy.INDEPENDENT), RUNNING, NOW)
    store.fold(KEY, Role.WORKER, 0, build_report(1, 1, 30), later(4))
    store.fold(KEY, Role.WORKER, 1, build_report(7, 1, 20), later(4))
    assert store.summary(KEY.uid).steps == 50
    assert store.progress(KEY.uid).step == 20


def test_workers_of_a_parameter_server_have_no_say_in_the_steps() -> None:
    store = Store()
    store.observe_status(build_job(strategy=Strategy.PARAMETER_SERVER), RUNNING, NOW)
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 1, 30), later(4))
    store.fold(KEY, Role.WORKER, 0, build_report(9, 1, 2), later(4))
    assert store.progress(KEY.uid).step == 30
    assert store.summary(KEY.uid).steps == 30


def test_a_new_attempt_stands_at_its_restored_step_until_it_has_reported() -> None:
    store = build_store()
    fold_training(store, 3)
    again = replaced(RUNNING, attempt=build_attempt(2, restore_step=20), attempts=(build_ended(1),))
    store.observe_status(build_job(), again, later(10))
    progress = store.progress(KEY.uid)
    assert (progress.step, progress.total_steps) == (20, 420)
    assert progress.examples_per_second is None
    store.fold(KEY, Role.CHIEF, 0, build_report(2, 1, 3, step=23), later(12))
    assert store.progress(KEY.uid).step == 23


def test_a_replica_left_behind_in_an_older_attempt_holds_nobody_back() -> None:
    store = build_store()
    fold_training(store, 1)
    store.observe_status(build_job(), replaced(RUNNING, attempt=build_attempt(2, workers=1)), later(10))
    for role in (Role.CHIEF, Role.WORKER):
        store.fold(KEY, role, 0, build_report(2, 1, 50), later(12))
    assert store.progress(KEY.uid).step == 50


@pytest.mark.parametrize(("restored", "loss"), [(50, "0.25"), (None, None)])
def test_what_was_measured_of_weights_that_are_lost_is_shown_no_more(
    restored: int | None, loss: str | None
) -> None:
    store = build_store()
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 1, 60, metrics={"loss": 0.25}), later(4))
    again = replaced(RUNNING, attempt=build_attempt(2, restore_step=restored))
    store.observe_status(build_job(), again, later(10))
    assert store.progress(KEY.uid).loss == loss
    ended = (replace(build_ended(2), restore_step=restored),)
    store.observe_status(build_job(), replaced(RUNNING, attempt=None, attempts=ended), later(11))
    assert store.progress(KEY.uid).loss == loss
    store.fold(KEY, Role.CHIEF, 0, build_report(2, 1, 1, metrics={"loss": 2.0}), later(12))
    assert store.progress(KEY.uid).loss == "2"


def test_rates_come_from_the_window_and_sink_in_silence() -> None:
    store = build_store()
    fold_training(store, 10)
    expected = 3 * 10 * BATCH_SHARE
    assert store.progress(KEY.uid).examples_per_second == pytest.approx(expected)
    assert store.progress(KEY.uid, later(20)).examples_per_second == pytest.approx(expected)
    assert store.progress(KEY.uid, later(64)).examples_per_second == pytest.approx(expected / 6)
    training = store.training(KEY.uid, later(14))
    assert training.eta_seconds == pytest.approx((420 - 101) / 10)
    assert training.progress_ratio == pytest.approx(101 / 420)
    assert training.replicas[0].step_seconds == pytest.approx(STEP_SECONDS)


def test_getting_ready_and_the_first_step_say_nothing_of_the_speed() -> None:
    store = build_store()
    for second, steps in enumerate((0, 0, 0, 1)):
        store.fold(KEY, Role.CHIEF, 0, build_report(1, second + 1, steps), later(second))
    assert store.training(KEY.uid, later(3)).eta_seconds is None
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 5, 21), later(4))
    assert store.training(KEY.uid, later(4)).eta_seconds == pytest.approx((420 - 21) / 20)


def test_a_long_second_step_is_no_standstill() -> None:
    store = build_store()
    for second in (0, 1, 20, 40, 60):
        store.fold(KEY, Role.CHIEF, 0, build_report(1, second + 1, 1), later(second))
    assert store.progress(KEY.uid, later(75)).examples_per_second is None
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 80, 2), later(80))
    assert (store.progress(KEY.uid, later(80)).examples_per_second or 0) > 0
    for second in (100, 120):
        store.fold(KEY, Role.CHIEF, 0, build_report(1, second, 2), later(second))
    assert store.progress(KEY.uid, later(120)).examples_per_second == 0


def test_a_single_report_has_no_rate() -> None:
    store = build_store()
    store.fold(KEY, Role.CHIEF, 0, build_report(steps=10), later(4))
    training = store.training(KEY.uid, later(5))
    assert training.progress.examples_per_second is None
    assert training.eta_seconds is None
    assert training.step_skew_ratio is None
    assert training.input_wait_ratio is None


def test_a_slow_member_shows_in_the_skew() -> None:
    store = build_store()
    for second in (1, 2):
        for index, speed in enumerate((0.04, 0.04, 0.06)):
            report = build_report(1, second, 10 * second, step_seconds_sum=10 * second * speed)
            store.fold(KEY, Role.WORKER, index, report, later(second))
    assert store.training(KEY.uid, later(3)).step_skew_ratio == pytest.approx(0.5)


def test_waiting_for_input_is_a_share_of_the_step_time() -> None:
    store = build_store()
    for second in (1, 2):
        report = build_report(1, second, 10 * second, input_wait_seconds=0.1 * second)
        store.fold(KEY, Role.CHIEF, 0, report, later(second))
    assert store.training(KEY.uid, later(3)).input_wait_ratio == pytest.approx(0.25)


def test_goodput_is_kept_step_time_of_the_time_since_running() -> None:
    store = build_store()
    fold_training(store, 10)
    lost = replaced(RUNNING, steps_lost=1)
    store.observe_status(build_job(), lost, later(13))
    wall = 20.2
    training = store.training(KEY.uid, later(3 + wall))
    assert training.goodput_ratio == pytest.approx(100 * STEP_SECONDS / wall)


def test_an_ended_job_is_forgotten_after_five_minutes_and_does_not_return() -> None:
    store = build_store()
    ended = replaced(RUNNING, phase=Phase.SUCCEEDED, completion_time=later(60))
    store.observe_status(build_job(), ended, later(60))
    assert len(store.sample(later(60 + 299)).jobs) == 1
    assert store.sample(later(60 + 301)).jobs == ()
    store.observe_status(build_job(), ended, later(60 + 302))
    sample = store.sample(later(60 + 303))
    assert sample.jobs == ()
    assert dict(sample.namespaces[0].finished)["succeeded"] == 1


def test_reports_of_a_job_nobody_knows_are_forgotten_too() -> None:
    store = Store(retention=timedelta(seconds=10))
    store.fold(KEY, Role.CHIEF, 0, build_report(), NOW)
    assert len(store.sample(later(9)).jobs) == 1
    assert store.sample(later(11)).jobs == ()


def test_a_deleted_job_is_forgotten_at_once() -> None:
    store = build_store()
    store.forget(KEY.uid)
    assert store.sample(later(4)).jobs == ()


def test_notes_of_programs_are_kept_once_and_bounded() -> None:
    store = build_store()
    for sequence in range(200):
        report = build_report(1, sequence, notes=("disk full", f"note {sequence}"))
        store.fold(KEY, Role.WORKER, 1, report, later(4))
    notes = store.notes(KEY.uid)
    assert notes[:2] == ("worker-1: disk full", "worker-1: note 0")
    assert len(notes) == 64


def test_only_allowed_metric_names_are_kept() -> None:
    job = build_job()
    asking = replace(job, spec=replace(job.spec, telemetry=Telemetry(metrics=("f1",))))
    store = Store()
    store.observe_status(asking, RUNNING, NOW)
    store.fold(KEY, Role.CHIEF, 0, build_report(metrics={"f1": 0.5, "user string": 1.0}), NOW)
    assert store.summary(KEY.uid).metrics == {"f1": 0.5}


def test_allowed_names_are_bounded() -> None:
    names = allowed_names((*(f"m{each}" for each in range(40)), "x" * 65))
    assert len(names) == 16
    assert names[:4] == ("loss", "accuracy", "val_loss", "val_accuracy")
    assert allowed_names(("x" * 65, "a\nb", "", "loss"))[4:] == ()


def test_a_report_of_a_run_long_closed_changes_nothing() -> None:
    store = build_store()
    for attempt in range(1, 12):
        store.fold(KEY, Role.CHIEF, 0, build_report(attempt, 1, 10), later(attempt))
    before = store.summary(KEY.uid)
    store.fold(KEY, Role.CHIEF, 0, build_report(1, 9, 10_000), later(20))
    after = store.summary(KEY.uid)
    assert (before.steps, before.examples) == (after.steps, after.examples) == (110, 110 * BATCH_SHARE)


def test_more_attempts_than_are_kept_apart_still_add_up() -> None:
    store = build_store()
    for attempt in range(1, 201):
        store.fold(KEY, Role.CHIEF, 0, build_report(attempt, 1, 10), later(attempt))
    summary = store.summary(KEY.uid)
    assert (summary.steps, summary.examples) == (2_000, 2_000 * BATCH_SHARE)


def test_nonsense_in_a_report_does_no_harm() -> None:
    store = build_store()
    report = build_report(
        steps=-5, examples=-1, step_seconds=(1, 2), step_seconds_sum=math.nan, checkpoint_save_seconds=-1.0
    )
    store.fold(KEY, Role.CHIEF, 0, report, later(4))
    counts = store.training(KEY.uid, later(4)).counts
    assert (counts.steps, counts.examples, counts.step_seconds, sum(counts.step_buckets)) == (0, 0, 0.0, 0)


def test_restarts_are_counted_by_cause_from_the_recorded_status_once() -> None:
    store = build_store()
    status = replaced(
        RUNNING,
        restarts=2,
        disruptions=1,
        steps_lost=14,
        attempts=(
            build_ended(1),
            build_ended(2, Cause.NODE_LOST, "chief-0"),
            build_ended(3),
            build_ended(4, Cause.RESIZE, ""),
        ),
    )
    for _ in range(3):
        store.observe_status(build_job(), status, later(5))
    life = store.sample(later(6)).jobs[0].life
    assert life is not None
    assert {key: count for key, count in life.restarts if count} == {("program_signal", "worker"): 2}
    assert {key: count for key, count in life.disruptions if count} == {("node_lost", "chief"): 1}
    assert life.lost_steps == 14
    assert ("hang", "chief") in dict(life.restarts)


def test_restarts_before_this_process_looked_are_unknown() -> None:
    store = Store()
    store.observe_status(build_job(), replaced(RUNNING, restarts=12, attempts=(build_ended(15),)), NOW)
    life = store.sample(later(1)).jobs[0].life
    assert life is not None
    assert {key: count for key, count in life.restarts if count} == {
        ("program_signal", "worker"): 1,
        ("unknown", "unknown"): 11,
    }


def test_a_job_first_seen_running_is_neither_created_nor_timed() -> None:
    store = Store()
    store.observe_status(build_job(), RUNNING, NOW)
    store.fold(KEY, Role.CHIEF, 0, build_report(steps=1), later(1))
    namespace = store.sample(later(2)).namespaces[0]
    assert namespace.created == 0
    assert sum(namespace.submit_to_running.counts) == 0
    assert sum(namespace.submit_to_first_step.counts) == 0


def test_start_and_end_of_a_job_are_timed_once() -> None:
    store = build_store()
    fold_training(store, 1)
    ended = replaced(RUNNING, phase=Phase.FAILED, completion_time=later(65))
    for _ in range(2):
        store.observe_status(build_job(), ended, later(65))
    namespace = store.sample(later(66)).namespaces[0]
    assert (namespace.created, dict(namespace.finished)) == (1, {"cancelled": 0, "failed": 1, "succeeded": 0})
    assert (sum(namespace.submit_to_running.counts), namespace.submit_to_running.sum) == (1, 3.0)
    assert (sum(namespace.submit_to_first_step.counts), namespace.submit_to_first_step.sum) == (1, 4.0)
    assert dict(namespace.durations)["failed"].sum == 65.0
    assert dict(namespace.phases) == dict.fromkeys(
        ("Created", "Running", "Restarting", "Suspended", "Succeeded", "Stopped"), 0
    ) | {"Failed": 1}


def test_a_status_without_reports_is_a_sample_too() -> None:
    store = Store()
    store.observe_status(build_job(), JobStatus(), NOW)
    job = store.sample(NOW).jobs[0]
    assert job.training.progress.step is None
    assert job.training.metrics == ()


def test_local_runs_are_of_the_namespace_local_whatever_their_file_says() -> None:
    store = Store(namespace="local")
    job = build_job()
    elsewhere = msgspec.structs.replace(
        job, metadata=msgspec.structs.replace(job.metadata, namespace="default")
    )
    store.observe_status(elsewhere, JobStatus(), NOW)
    store.fold(key_of(elsewhere), Role.CHIEF, 0, build_report(steps=1), later(1))
    sample = store.sample(later(2))
    assert [job.key for job in sample.jobs] == [KEY]
    assert [(each.namespace, sum(each.submit_to_first_step.counts)) for each in sample.namespaces] == [
        ("local", 1)
    ]
