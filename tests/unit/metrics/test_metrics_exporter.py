"""What is exposed: valid for both formats, exactly what the registry says, within the cap."""

import math
from pathlib import Path

import msgspec
import pytest
from prometheus_client.core import Metric
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.api.status import CheckpointStatus, ReplicaStatus
from orchestrator.api.types import Role, RunPolicy, SchedulingPolicy
from orchestrator.metrics.collect import Collection
from orchestrator.metrics.exporter import Exporter
from orchestrator.metrics.points import Point
from orchestrator.metrics.registry import METRICS, Kind
from orchestrator.metrics.samples import AgentNumbers, JobKey
from orchestrator.metrics.store import Store
from tests.fixtures.training_reports import (
    KEY,
    NOW,
    RUNNING,
    build_attempt,
    build_ended,
    build_job,
    build_report,
    build_store,
    fold_training,
    later,
    replaced,
)

OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
PLAIN = "text/plain; version=0.0.4; charset=utf-8"


def build_exporter(store: Store | None = None) -> Exporter:
    """Of a job about which everything is known."""
    numbers = AgentNumbers(connected=3, messages={"accepted": 9}, auth_failures={"token": 1})
    return Exporter(store or build_full_store(), lambda: later(15), lambda: numbers)


def build_full_store() -> Store:
    status = replaced(
        RUNNING,
        attempt=build_attempt(1),
        attempts=(build_ended(0),),
        steps_lost=14,
        checkpoint=CheckpointStatus(100, NOW),
        replica_statuses={"chief": ReplicaStatus(1, 1, 1), "worker": ReplicaStatus(2, 2, 2)},
    )
    store = build_store(status)
    fold_training(store, 10)
    report = build_report(
        1,
        99,
        102,
        input_wait_seconds=0.1,
        epoch=2,
        checkpoint_save_buckets=(0, 0, 1, *[0] * 8),
        callback_seconds=0.1,
    )
    store.fold(KEY, Role.CHIEF, 0, report, later(15))
    return store


def families_of(text: bytes, accept: str) -> dict[str, Metric]:
    parse = openmetrics.text_string_to_metric_families if accept else text_string_to_metric_families
    return {family.name: family for family in parse(text.decode())}


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_the_clients_own_parser_reads_it_and_finds_what_the_registry_says(accept: str) -> None:
    rendered = build_exporter().render(accept)
    assert rendered.content_type == (OPENMETRICS if accept else PLAIN)
    families = families_of(rendered.body, accept)
    assert set(families) == {spec.name.removesuffix("_total") for spec in METRICS.values()}
    for spec in METRICS.values():
        family = families[spec.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (spec.kind.value, spec.help)
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(spec.labels), sample
            assert math.isfinite(sample.value)


def test_openmetrics_ends_as_it_must() -> None:
    assert build_exporter().render(OPENMETRICS).body.endswith(b"# EOF\n")


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain;version=0.0.4;q=0.5,*/*;q=0.1", False),
        ("application/openmetrics-text", True),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3", True),
        ("application/openmetrics-text; version=0.0.1,text/plain", False),
        ("application/openmetrics-text;q=0,text/plain", False),
        ("\x00garbage;;;=,", False),
    ],
)
def test_the_client_chooses_the_format(accept: str, is_openmetrics: bool) -> None:
    assert build_exporter().render(accept).content_type == (OPENMETRICS if is_openmetrics else PLAIN)


def test_names_keep_to_the_rules() -> None:
    for spec in METRICS.values():
        assert spec.name.startswith("tfo_")
        assert spec.name.endswith("_total") == (spec.kind is Kind.COUNTER)
        assert not spec.name.endswith(("_created", "_count", "_sum", "_bucket"))
        assert spec.name.removesuffix("_total").endswith(spec.unit)
        assert "job" not in spec.labels
        if spec.name.endswith(("_seconds", "_ratio")):
            assert spec.unit == spec.name.rpartition("_")[2]


def test_values_arrive_as_they_were_measured() -> None:
    families = families_of(build_exporter().render().body, "")
    job = {"namespace": "local", "job_name": "digits-cnn"}
    samples = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families.values()
        for sample in family.samples
    }

    def value(metric: str, **labels: str) -> float:
        return samples[metric, tuple(sorted((job | labels).items()))]

    assert value("tfo_job_steps_total") == 102
    assert value("tfo_job_examples_total") == (102 + 2 * 101) * 32
    assert value("tfo_job_step") == 101
    assert value("tfo_job_epoch") == 2
    assert value("tfo_job_metric", name="val_accuracy") == 0.9
    assert value("tfo_job_loss") == pytest.approx(1 / 101)
    assert value("tfo_job_step_duration_seconds_count") == 304
    assert value("tfo_job_step_duration_seconds_bucket", le="0.025") == 0
    assert value("tfo_job_step_duration_seconds_bucket", le="0.05") == 304
    assert value("tfo_job_checkpoint_save_seconds_count") == 1
    assert value("tfo_job_checkpoint_save_seconds_bucket", le="0.05") == 0
    assert value("tfo_job_checkpoint_save_seconds_bucket", le="0.1") == 1
    assert value("tfo_job_status_phase", phase="Running") == 1
    assert value("tfo_job_status_phase", phase="Failed") == 0
    assert value("tfo_job_replicas", replica_type="worker", state="ready") == 2
    assert value("tfo_job_lost_steps_total") == 14
    assert value("tfo_replica_step", replica_type="worker", replica_index="1") == 101
    assert samples["tfo_agent_connected", ()] == 3
    assert samples["tfo_agent_messages_total", (("result", "accepted"),)] == 9


def test_a_job_without_a_name_for_a_value_has_no_series_for_it() -> None:
    body = Exporter(build_store(), lambda: later(4)).render().body.decode()
    for name in (
        "tfo_job_loss",
        "tfo_job_step",
        "tfo_job_eta_seconds",
        "tfo_job_goodput_ratio",
        "tfo_replica_step",
    ):
        assert f"\n{name}{{" not in body
    assert '\ntfo_job_steps_total{job_name="digits-cnn",namespace="local"} 0.0' in body


def test_nothing_of_the_process_or_the_clients_global_registry_slips_in() -> None:
    names = families_of(build_exporter().render().body, "")
    assert all(name.startswith("tfo_") for name in names)


def test_big_jobs_have_no_series_per_replica() -> None:
    for workers, is_shown in ((64, True), (65, False)):
        store = build_store(workers=workers)
        for index in range(workers):
            store.fold(KEY, Role.WORKER, index, build_report(steps=1), later(4))
        body = Exporter(store, lambda: later(5)).render().body
        assert (b"tfo_replica_step{" in body) == is_shown


def test_over_the_cap_whole_jobs_are_left_out_and_counted_once() -> None:
    store = Store()
    for number in range(5):
        store.fold(
            JobKey("local", f"job-{number}", f"uid-{number}"), Role.CHIEF, 0, build_report(steps=1), NOW
        )
    whole = Collection(store, lambda: NOW).collect()
    assert _dropped(whole) == 0
    per_job = sum(point.series for point in whole if "job-0" in point.labels)
    assert per_job == sum(point.series for point in whole if "job-4" in point.labels)

    small = Collection(store, lambda: NOW, max_series=2 * per_job)
    for _ in range(3):
        points = small.collect()
        shown = {point.labels[1] for point in points if point.name == "tfo_job_steps_total"}
        assert shown == {"job-0", "job-1"}
        assert sum(
            point.series for point in points if len(point.labels) >= 2 and "job-" in point.labels[1]
        ) <= (2 * per_job)
        assert _dropped(points) == 3 * per_job
    store.forget("uid-0")
    assert {point.labels[1] for point in small.collect() if point.name == "tfo_job_steps_total"} == {
        "job-1",
        "job-2",
    }


def _dropped(points: list[Point]) -> float:
    found = next(point.value for point in points if point.name == "tfo_metrics_dropped_series_total")
    assert isinstance(found, int)
    return found


def test_label_values_from_the_coordinator_are_bounded() -> None:
    wild = {f"reason_{number:02}": 1 for number in range(40)} | {"user string!": 1}
    points = Collection(Store(), lambda: NOW, lambda: AgentNumbers(auth_failures=wild)).collect()
    reasons = [point.labels[0] for point in points if point.name == "tfo_agent_auth_failures_total"]
    assert reasons == [f"reason_{number:02}" for number in range(16)]


@pytest.mark.parametrize(
    ("queue", "label"), [("research", "research"), ("two words", ""), ("x" * 64, ""), ('a"b', "")]
)
def test_a_queue_that_is_no_name_is_no_label_value(queue: str, label: str) -> None:
    store = Store()
    policy = RunPolicy(scheduling_policy=SchedulingPolicy(queue=queue))
    job = build_job()
    spec = msgspec.structs.replace(job.spec, run_policy=policy)
    store.observe_status(msgspec.structs.replace(job, spec=spec), RUNNING, NOW)
    points = Collection(store, lambda: NOW).collect()
    assert next(point for point in points if point.name == "tfo_job_info").labels[-1] == label


def test_a_point_must_have_the_labels_of_its_metric() -> None:
    with pytest.raises(ValueError, match="tfo_job_loss"):
        Point("tfo_job_loss", ("local",), 1.0)
    with pytest.raises(KeyError):
        Point("tfo_unheard_of", (), 1.0)


def test_the_final_file_is_replaced_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "metrics.prom"
    exporter = build_exporter()
    exporter.write_prom(path)
    exporter.write_prom(path)
    assert path.read_bytes() == exporter.render().body
    assert [each.name for each in tmp_path.iterdir()] == ["metrics.prom"]


def test_a_final_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "metrics.prom").mkdir()
    with pytest.raises(OSError):
        build_exporter().write_prom(tmp_path / "metrics.prom")
    assert [each.name for each in tmp_path.iterdir()] == ["metrics.prom"]
