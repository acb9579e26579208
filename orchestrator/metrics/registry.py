"""The one table of metric names: name, type, labels, unit, meaning.

`points` may only use what stands here (a KeyError otherwise), `exporter` takes types and help from it, `reference`
renders it as documentation, and the tests compare it with what is exposed. Rules: base units in the name, `_total`
for counters, the label of a job is `job_name` (`job` is Prometheus's own), label values are bounded.
"""

from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """Prometheus types that we use."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


class MetricSpec(msgspec.Struct, frozen=True):
    """One metric. The unit, where there is one, is how the name ends (counters: before `_total`)."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    help: str
    unit: str = ""


class Group(msgspec.Struct, frozen=True):
    """Metrics that belong together in the documentation."""

    title: str
    metrics: tuple[MetricSpec, ...]


_NAMESPACE = ("namespace",)
_JOB = ("namespace", "job_name")
_CAUSE = (*_JOB, "replica_type", "reason")
_REPLICA = (*_JOB, "replica_type", "replica_index")
_G, _C, _H = Kind.GAUGE, Kind.COUNTER, Kind.HISTOGRAM

BUILD = Group(
    "Build",
    (
        MetricSpec(
            "tfo_build_info",
            _G,
            ("version", "commit", "python", "k8s_client"),
            "1, with the versions in the labels; an empty label: not known or not installed.",
        ),
        MetricSpec(
            "tfo_metrics_dropped_series_total",
            _C,
            (),
            "Series left out because there are too many; each counted once while its job lasts.",
        ),
    ),
)

JOBS = Group(
    "All jobs",
    (
        MetricSpec("tfo_jobs", _G, (*_NAMESPACE, "phase"), "Jobs by phase, now."),
        MetricSpec("tfo_jobs_created_total", _C, _NAMESPACE, "Jobs created."),
        MetricSpec(
            "tfo_jobs_finished_total",
            _C,
            (*_NAMESPACE, "result"),
            "Jobs that ended: succeeded, failed or cancelled.",
        ),
        MetricSpec(
            "tfo_job_duration_seconds",
            _H,
            (*_NAMESPACE, "result"),
            "From submission to the end of a job.",
            "seconds",
        ),
        MetricSpec(
            "tfo_job_submit_to_running_seconds",
            _H,
            _NAMESPACE,
            "From submission until every gang member's program first ran.",
            "seconds",
        ),
        MetricSpec(
            "tfo_job_submit_to_first_step_seconds",
            _H,
            _NAMESPACE,
            "From submission to the first reported training step.",
            "seconds",
        ),
    ),
)

JOB = Group(
    "A job",
    (
        MetricSpec(
            "tfo_job_info",
            _G,
            (*_JOB, "uid", "strategy", "queue"),
            "1, with what does not change in the labels.",
        ),
        MetricSpec("tfo_job_status_phase", _G, (*_JOB, "phase"), "1 for the job's phase, 0 for all others."),
        MetricSpec(
            "tfo_job_replicas",
            _G,
            (*_JOB, "replica_type", "state"),
            "Replicas by state: desired, ready, failed, succeeded.",
        ),
        MetricSpec(
            "tfo_job_restarts_total",
            _C,
            _CAUSE,
            "Restarts by cause and by the causing replica's type. Reason unknown: before this process looked.",
        ),
        MetricSpec(
            "tfo_job_disruptions_total",
            _C,
            _CAUSE,
            "Attempts that ended through no fault of the program (evicted, preempted, node lost).",
        ),
        MetricSpec("tfo_job_resizes_total", _C, _JOB, "Attempts that ended to change the number of workers."),
        MetricSpec("tfo_job_step", _G, _JOB, "Training step that every member has done."),
        MetricSpec("tfo_job_epoch", _G, _JOB, "Epoch, as the program counts it."),
        MetricSpec("tfo_job_progress_ratio", _G, _JOB, "Steps done of all steps.", "ratio"),
        MetricSpec("tfo_job_eta_seconds", _G, _JOB, "Time left at the present speed.", "seconds"),
        MetricSpec("tfo_job_steps_total", _C, _JOB, "Steps done over all attempts, repeated ones included."),
        MetricSpec(
            "tfo_job_examples_total", _C, _JOB, "Examples trained on by all members over all attempts."
        ),
        MetricSpec(
            "tfo_job_examples_per_second", _G, _JOB, "Examples a second of all members, last half minute."
        ),
        MetricSpec(
            "tfo_job_step_duration_seconds",
            _H,
            _JOB,
            "Durations of training steps, of every member that measures them.",
            "seconds",
        ),
        MetricSpec("tfo_job_loss", _G, _JOB, "Latest loss; never a NaN."),
        MetricSpec("tfo_job_accuracy", _G, _JOB, "Latest accuracy on the training data.", ""),
        MetricSpec(
            "tfo_job_metric",
            _G,
            (*_JOB, "name"),
            "Latest value of val_loss, val_accuracy and the metrics that telemetry.metrics names.",
        ),
        MetricSpec(
            "tfo_job_nonfinite_total",
            _C,
            _JOB,
            "Metric values that were NaN or infinite when they were reported.",
        ),
        MetricSpec(
            "tfo_job_input_wait_ratio",
            _G,
            _JOB,
            "Share of the step time spent waiting for input, last half minute, where the program reports it.",
            "ratio",
        ),
        MetricSpec(
            "tfo_job_worker_step_skew_ratio",
            _G,
            _JOB,
            "(slowest - median) / median of the members' step times.",
            "ratio",
        ),
        MetricSpec(
            "tfo_job_goodput_ratio",
            _G,
            _JOB,
            "Time in steps that were kept, of the time since the job first ran.",
            "ratio",
        ),
        MetricSpec(
            "tfo_job_callback_seconds_total",
            _C,
            _JOB,
            "Time that our reporting took inside the training processes.",
            "seconds",
        ),
    ),
)

CHECKPOINT = Group(
    "Checkpoints of a job",
    (
        MetricSpec(
            "tfo_job_checkpoint_last_timestamp_seconds",
            _G,
            _JOB,
            "When the newest committed checkpoint was seen.",
            "seconds",
        ),
        MetricSpec("tfo_job_checkpoint_last_step", _G, _JOB, "Step of the newest committed checkpoint."),
        MetricSpec(
            "tfo_job_checkpoint_save_seconds",
            _H,
            _JOB,
            "How long saves take, of every member that saves.",
            "seconds",
        ),
        MetricSpec("tfo_job_checkpoint_failures_total", _C, _JOB, "Saves that failed."),
        MetricSpec("tfo_job_lost_steps_total", _C, _JOB, "Steps that had to be done again after a restart."),
    ),
)

REPLICA = Group(
    "A replica, in jobs of up to 64",
    (
        MetricSpec(
            "tfo_replica_heartbeat_timestamp_seconds",
            _G,
            _REPLICA,
            "When its last report arrived.",
            "seconds",
        ),
        MetricSpec("tfo_replica_step", _G, _REPLICA, "Its last step."),
        MetricSpec(
            "tfo_replica_step_duration_seconds",
            _G,
            _REPLICA,
            "Its mean step time, last half minute.",
            "seconds",
        ),
    ),
)

AGENT = Group(
    "Agents",
    (
        MetricSpec("tfo_agent_connected", _G, (), "Agents with an open session."),
        MetricSpec(
            "tfo_agent_messages_total", _C, ("result",), "Messages from agents by what became of them."
        ),
        MetricSpec("tfo_agent_auth_failures_total", _C, ("reason",), "Agents that were refused, by reason."),
    ),
)

_QUEUE = ("name", "controller")
_CONTROLLER = ("controller",)
CONTROLLER = Group(
    "The controller itself, under the names of controllers written in Go",
    (
        MetricSpec("workqueue_depth", _G, _QUEUE, "Jobs that wait for a turn."),
        MetricSpec("workqueue_adds_total", _C, _QUEUE, "Wishes for a turn, coalesced or not."),
        MetricSpec("workqueue_retries_total", _C, _QUEUE, "Turns that follow an error."),
        MetricSpec("workqueue_queue_duration_seconds", _H, _QUEUE, "From the wish to the turn.", "seconds"),
        MetricSpec("workqueue_work_duration_seconds", _H, _QUEUE, "How long turns take.", "seconds"),
        MetricSpec(
            "workqueue_longest_running_processor_seconds", _G, _QUEUE, "Age of the longest turn.", "seconds"
        ),
        MetricSpec(
            "controller_runtime_reconcile_total",
            _C,
            ("controller", "result"),
            "Turns by result: success, requeue_after, requeue, error.",
        ),
        MetricSpec("controller_runtime_reconcile_errors_total", _C, _CONTROLLER, "Turns that failed."),
        MetricSpec("controller_runtime_active_workers", _G, _CONTROLLER, "Turns that run now."),
        MetricSpec("controller_runtime_max_concurrent_reconciles", _G, _CONTROLLER, "Turns that may run."),
        MetricSpec(
            "rest_client_requests_total",
            _C,
            ("code", "host", "method"),
            "Requests to the API server by answer; code `<error>`: none came.",
        ),
        MetricSpec(
            "rest_client_request_duration_seconds",
            _H,
            ("host", "verb"),
            "How long answers take.",
            "seconds",
        ),
        MetricSpec(
            "leader_election_master_status", _G, ("name",), "1 in the process that leads, 0 in the others."
        ),
        MetricSpec("tfo_cache_objects", _G, ("resource",), "Objects in the caches."),
        MetricSpec("tfo_cache_lists_total", _C, ("resource",), "Times that everything was listed anew."),
        MetricSpec("tfo_cache_events_total", _C, ("resource",), "Changes that arrived through watches."),
        MetricSpec("tfo_cache_errors_total", _C, ("resource",), "Lists and watches that failed."),
        MetricSpec("tfo_events_lost_total", _C, (), "Kubernetes Events that could not be written."),
        MetricSpec("tfo_event_loop_lag_seconds", _H, (), "How late a beat of the event loop is.", "seconds"),
    ),
)

GROUPS = (BUILD, JOBS, JOB, CHECKPOINT, REPLICA, AGENT)
METRICS = {spec.name: spec for group in GROUPS for spec in group.metrics}
OF_CONTROLLER = {spec.name: spec for spec in CONTROLLER.metrics}
EVERY = METRICS | OF_CONTROLLER
