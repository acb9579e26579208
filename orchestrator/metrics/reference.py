"""docs/reference/metrics.md, rendered from the registry: `python -m orchestrator.metrics.reference > FILE`.

A test compares the file with what this renders. Pure but for the print.
"""

from orchestrator.metrics.collect import MAX_SERIES
from orchestrator.metrics.points import MAX_REPLICAS
from orchestrator.metrics.registry import CONTROLLER, GROUPS, Group, MetricSpec
from orchestrator.metrics.store import MAX_METRIC_NAME, MAX_METRICS, RETENTION
from orchestrator.protocol.datagrams import BUILT_IN_METRICS

_INTRODUCTION = f"""# Metrics

<!-- Generated: python -m orchestrator.metrics.reference > docs/reference/metrics.md -->

`tfo run` serves these at `http://127.0.0.1:9400/metrics`, as Prometheus text 0.0.4 or OpenMetrics 1.0, whichever the
client accepts; if the port is taken it takes the next free one and says which. `/healthz` and `/readyz` are beside
it. `--metrics-port PORT` asks for a port, `--metrics-port 0` switches it off, `--metrics-linger SECONDS` keeps it
for a while after the end. The last values stay in the run folder: `metrics.prom` in the same format, and
`metrics.jsonl` with a line for every report.

- A job is the label `job_name`, since `job` is Prometheus's own. Local runs have `namespace="local"`.
- Counters are summed over attempts: they never fall when a program or an agent starts again.
- What was not measured is absent, never 0. A loss that is NaN is counted in `tfo_job_nonfinite_total`.
- Rates look back over the last 15 to 30 seconds and start anew with every attempt.
- A reason is the cause of an attempt's end in snake case: `program_signal`, `out_of_memory`, `hang` and so on.
- Of a program's own metrics these are kept: {", ".join(f"`{name}`" for name in BUILT_IN_METRICS)}; at most
  {MAX_METRICS} names of at most {MAX_METRIC_NAME} characters. No other string of a user becomes a label value.
- A job's series go {RETENTION.seconds // 60} minutes after its end. Beyond {MAX_SERIES:,} series whole jobs are left
  out and counted in `tfo_metrics_dropped_series_total`; series per replica exist in jobs of up to {MAX_REPLICAS}.
"""


def render_reference() -> str:
    return "\n".join((_INTRODUCTION, *(_group(group) for group in (*GROUPS, CONTROLLER))))


def _group(group: Group) -> str:
    rows = "\n".join(_row(spec) for spec in group.metrics)
    return f"## {group.title}\n\n| Name | Type | Labels | Meaning |\n|---|---|---|---|\n{rows}\n"


def _row(spec: MetricSpec) -> str:
    labels = ", ".join(f"`{label}`" for label in spec.labels)
    return f"| `{spec.name}` | {spec.kind.value} | {labels} | {spec.help} |"


if __name__ == "__main__":
    print(render_reference(), end="")
