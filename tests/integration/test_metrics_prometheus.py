"""A real Prometheus scrapes a live endpoint: the labels and values that a user would query, and promtool's opinion."""

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.api.types import Role
from orchestrator.metrics.exporter import Exporter, serve
from orchestrator.metrics.registry import METRICS, Kind
from orchestrator.metrics.samples import AgentNumbers
from orchestrator.metrics.server import MetricsServer
from orchestrator.metrics.store import Store
from tests.fixtures.prometheus import Prometheus, Server, scraping
from tests.fixtures.training_reports import KEY, build_report, build_store, fold_training, later

pytestmark = pytest.mark.process

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s}}
scrape_configs:
  - job_name: training
    static_configs: [{{targets: ["{target}"]}}]
"""


@pytest.fixture
def store() -> Store:
    found = build_store()
    fold_training(found, 5)
    return found


@pytest.fixture
def exporter(store: Store) -> Exporter:
    numbers = AgentNumbers(connected=3, messages={"accepted": 9})
    return Exporter(store, lambda: later(10), lambda: numbers)


@pytest.fixture
def endpoint(exporter: Exporter) -> Iterator[MetricsServer]:
    server = serve(exporter, port=0)
    yield server
    server.close()


@pytest.fixture
def server(prometheus: Prometheus, endpoint: MetricsServer, tmp_path: Path) -> Iterator[Server]:
    config = tmp_path / "prometheus.yml"
    config.write_text(CONFIG.format(target=f"{endpoint.host}:{endpoint.port}"))
    with scraping(prometheus, config, tmp_path) as found:
        yield found


def test_a_real_prometheus_finds_what_it_should(server: Server, store: Store) -> None:
    _check_labels(server)
    _check_values(server)
    _check_types(server)
    for role, index in ((Role.CHIEF, 0), (Role.WORKER, 0), (Role.WORKER, 1)):
        store.fold(KEY, role, index, build_report(1, 100, 200), later(10))
    assert server.wait_for("tfo_job_step == 200")[0]["job_name"] == KEY.name


def _check_labels(server: Server) -> None:
    """`job` is Prometheus's, ours is job_name, and nothing had to be renamed to exported_job."""
    target = {"job": "training", "instance": server.wait_for("up")[0]["instance"]}
    own = {"namespace": "local", "job_name": KEY.name}
    [loss] = server.wait_for("tfo_job_loss")
    assert {**loss, "value": ""} == {"__name__": "tfo_job_loss", **target, **own, "value": ""}
    assert server.query('{exported_job!=""}') == []
    assert server.query('{__name__=~"tfo_job_.*",job!="training"}') == []
    names = {series["__name__"] for series in server.query('{__name__=~"tfo_.*"}')}
    plain = {spec.name for spec in METRICS.values() if spec.kind in (Kind.GAUGE, Kind.COUNTER)}
    assert plain & names >= {"tfo_job_info", "tfo_job_restarts_total", "tfo_replica_step", "tfo_jobs"}
    suffixes = ("_bucket", "_count", "_sum")
    assert all(name in plain or name.endswith(suffixes) for name in names)


def _check_values(server: Server) -> None:
    for expression, value in {
        "up": 1,
        "tfo_job_step": 51,
        "sum(tfo_job_restarts_total)": 0,
        "tfo_job_examples_total": 3 * 51 * 32,
        'tfo_job_metric{name="val_accuracy"}': 0.9,
        'tfo_job_step_duration_seconds_bucket{le="+Inf"}': 3 * 51,
        'tfo_job_status_phase{phase="Running"}': 1,
        "sum(tfo_jobs)": 1,
        "tfo_agent_connected": 3,
        "count(tfo_replica_step)": 3,
    }.items():
        assert [float(series["value"]) for series in server.query(expression)] == [value], expression


def _check_types(server: Server) -> None:
    with urllib.request.urlopen(f"{server.url}/api/v1/metadata?limit_per_metric=1", timeout=10) as response:
        metadata = json.load(response)["data"]
    for name in ("tfo_job_loss", "tfo_job_step_duration_seconds", "tfo_job_checkpoint_save_seconds"):
        assert metadata[name][0]["type"] == METRICS[name].kind.value
        assert metadata[name][0]["help"] == METRICS[name].help


def test_promtool_has_nothing_to_say(prometheus: Prometheus, exporter: Exporter, tmp_path: Path) -> None:
    path = tmp_path / "metrics.prom"
    exporter.write_prom(path)
    checked = subprocess.run(
        [prometheus.promtool, "check", "metrics"], input=path.read_bytes(), capture_output=True, timeout=60
    )
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
