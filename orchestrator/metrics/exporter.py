"""Prometheus exposition of the store: a custom collector, the endpoint that serves it, and the final file.

The one module that knows prometheus_client (with controller.main); its global registry is not used, so nothing of
ours or of the process slips in. `cli.run` and the controller call `serve`; a scrape is rendered in the server's
thread. `now` comes from the clock that is given.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector

from orchestrator.metrics.collect import MAX_SERIES, Clock, Collection
from orchestrator.metrics.points import Point
from orchestrator.metrics.registry import EVERY, METRICS, Kind, MetricSpec
from orchestrator.metrics.runlog import replace_file
from orchestrator.metrics.samples import AgentSource, Histogram
from orchestrator.metrics.server import Healthy, MetricsServer, Rendered, listen
from orchestrator.metrics.store import Store

DEFAULT_PORT = 9400
_PLAIN = "text/plain; version=0.0.4; charset=utf-8"
_OPENMETRICS = "application/openmetrics-text"
_render_openmetrics: Callable[[CollectorRegistry], bytes] = openmetrics.generate_latest


Source = Callable[[], Iterable[Point]]
"""Points of somebody else than the store; called from the rendering thread."""


class StoreCollector(Collector):
    """What prometheus_client asks for at every scrape."""

    def __init__(self, collection: Collection, others: Source | None = None) -> None:
        self._collection, self._others = collection, others

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for point in (*self._collection.collect(), *(self._others() if self._others else ())):
            spec = EVERY[point.name]
            family = families.setdefault(spec.name, _family(spec))
            _add(family, spec, point)
        return [families[name] for name in sorted(families)]

    def describe(self) -> Iterable[Metric]:
        return [_family(spec) for spec in (EVERY if self._others else METRICS).values()]


class Exporter:
    """A store's metrics as text, in the format that a client asks for."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        agents: AgentSource | None = None,
        max_series: int = MAX_SERIES,
        others: Source | None = None,
    ) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self.registry.register(StoreCollector(Collection(store, clock, agents, max_series), others))

    def render(self, accept: str = "") -> Rendered:
        """OpenMetrics 1.0 for who accepts it, else Prometheus text 0.0.4."""
        if _accepts_openmetrics(accept):
            return Rendered(openmetrics.CONTENT_TYPE_LATEST, _render_openmetrics(self.registry))
        return Rendered(_PLAIN, generate_latest(self.registry))

    def write_prom(self, path: Path) -> None:
        """The values of this moment as Prometheus text; the file is replaced as a whole. Raises OSError."""
        replace_file(path, self.render().body)


def serve(
    exporter: Exporter,
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    *,
    asked: bool = False,
    is_healthy: Healthy = lambda: True,
) -> MetricsServer:
    """Serves from a thread until `close`. A port that is taken is an OSError if it was asked for, else the next free
    one is used."""
    return MetricsServer(listen(host, port, asked=asked), exporter.render, is_healthy)


def _accepts_openmetrics(accept: str) -> bool:
    for part in accept.split(","):
        media, _, parameters = part.partition(";")
        if media.strip().lower() == _OPENMETRICS and "version=0.0.1" not in parameters:
            return not any(each.strip().lower() in ("q=0", "q=0.0") for each in parameters.split(";"))
    return False


def _family(spec: MetricSpec) -> Metric:
    name = spec.name.removesuffix("_total") if spec.kind is Kind.COUNTER else spec.name
    return Metric(name, spec.help, spec.kind.value, spec.unit)


def _add(family: Metric, spec: MetricSpec, point: Point) -> None:
    labels = dict(zip(spec.labels, point.labels, strict=True))
    if isinstance(point.value, Histogram):
        _add_histogram(family, labels, point.value)
    else:
        family.add_sample(spec.name, labels, float(point.value))


def _add_histogram(family: Metric, labels: dict[str, str], value: Histogram) -> None:
    cumulated = 0
    for bound, count in zip((*value.bounds, float("inf")), value.counts, strict=True):
        cumulated += count
        family.add_sample(f"{family.name}_bucket", labels | {"le": _bound(bound)}, cumulated)
    family.add_sample(f"{family.name}_count", labels, cumulated)
    family.add_sample(f"{family.name}_sum", labels, value.sum)


def _bound(value: float) -> str:
    return "+Inf" if value == float("inf") else repr(value)
