"""What a run came to, as a value (Summary), and its closing words as text.

`cli.run` collects it once at the end; the live and the plain view print `render_summary`, the JSON output writes it
as its last event. Everything shown was measured or exists; commands work as printed, spaces in paths included.
"""

from datetime import datetime
from typing import Literal

import msgspec

from orchestrator.api.status import EndedAttempt, JobStatus, Phase
from orchestrator.cli import exit_codes, wording
from orchestrator.metrics.store import FinalMetrics

Result = Literal["succeeded", "failed", "cancelled", "gone"]
"""gone: of a job on a cluster, whose end nobody saw."""
RESULTS: dict[Phase, Result] = {
    Phase.SUCCEEDED: "succeeded",
    Phase.FAILED: "failed",
    Phase.STOPPED: "cancelled",
}
_HEADLINE_METRICS = ("val_accuracy", "accuracy", "loss")


class RunPaths(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """Where things are; only what exists. `run`: the folder, which every run on this machine has."""

    run: str = ""
    model: str | None = None
    checkpoints: str | None = None
    tensorboard: str | None = None
    logs: str | None = None
    metrics: str | None = None


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a run. `cause`: the end that made a run fail, None where no replica's did; `restart`: the message of
    the last restart or disruption; `lost_writes`: of state, metrics and events; `lost_logs`: replicas of whose output
    lines are missing; `next`: commands to go on with; `farewell`: why `tfo` has not ended yet. `number` None: of a job
    on a cluster, whose `namespace` says which."""

    job: str
    number: int | None
    result: Result
    exit_code: int
    seconds: float
    time: datetime
    attempt: int = 0
    reason: str = ""
    message: str = ""
    restarts: int = 0
    disruptions: int = 0
    resizes: int = 0
    steps_lost: int = 0
    restart: str = ""
    step: int | None = None
    saved_step: int | None = None
    metrics: dict[str, float] = {}
    examples_per_second: float | None = None
    non_finite: int = 0
    checkpoint_failures: int = 0
    lost_writes: int = 0
    lost_logs: tuple[str, ...] = ()
    lost_log_lines: int = 0
    lost_reason: str = ""
    cause: EndedAttempt | None = None
    paths: RunPaths = RunPaths()
    next: tuple[str, ...] = ()
    farewell: str = ""
    namespace: str = ""

    @property
    def is_success(self) -> bool:
        return self.exit_code == exit_codes.OK


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """What the runner knows of the end besides the recorded status."""

    exit_code: int
    started: datetime
    now: datetime
    paths: RunPaths = RunPaths()
    next: tuple[str, ...] = ()
    farewell: str = ""
    namespace: str = ""


def collect_summary(
    job: str, number: int | None, status: JobStatus, final: FinalMetrics, end: Ending
) -> Summary:
    return Summary(
        job=job,
        number=number,
        result=RESULTS.get(status.phase, "failed"),
        exit_code=end.exit_code,
        seconds=max((end.now - end.started).total_seconds(), 0.0),
        time=end.now,
        attempt=_last_attempt(status),
        reason=status.reason,
        message=status.message,
        restarts=status.restarts,
        disruptions=status.disruptions,
        resizes=status.resizes,
        steps_lost=status.steps_lost,
        restart=_last_restart(status),
        step=status.progress.step if final.step is None else final.step,
        saved_step=status.checkpoint.step if status.checkpoint else None,
        metrics=final.metrics,
        examples_per_second=final.examples_per_second,
        non_finite=final.non_finite,
        checkpoint_failures=final.checkpoint_failures,
        cause=status.failure,
        paths=end.paths,
        next=end.next,
        farewell=end.farewell,
        namespace=end.namespace,
    )


def _last_attempt(status: JobStatus) -> int:
    ended = status.attempts[-1].number if status.attempts else 0
    return max(status.attempt.number if status.attempt else 0, ended)


def _last_restart(status: JobStatus) -> str:
    ended = (each for each in reversed(status.attempts) if each.cause.is_restart or each.cause.is_disruption)
    return next((each.message for each in ended), "")


def render_summary(summary: Summary) -> str:
    """Several lines, without a trailing newline."""
    blocks = (_headline(summary), _failure(summary), _places(summary), _next(summary), _farewell(summary))
    return "\n\n".join("\n".join(block) for block in blocks if block)


def _headline(summary: Summary) -> list[str]:
    title = wording.title(summary.job, summary.number, summary.namespace)
    facts = [f"{title} {summary.result} after {wording.duration(summary.seconds)}"]
    facts += [
        f"{name} {wording.metric(summary.metrics[name])}"
        for name in _HEADLINE_METRICS
        if name in summary.metrics
    ]
    return ["   ".join((*facts, *_standing(summary), *_troubles(summary)))]


def _standing(summary: Summary) -> list[str]:
    """How far a run came that did not get to its end."""
    if summary.is_success or summary.step is None:
        return []
    saved = f", saved at {summary.saved_step:,}" if summary.saved_step is not None else ""
    return [f"step {summary.step:,}{saved}"]


def _troubles(summary: Summary) -> list[str]:
    """What did not go straight; of several restarts the cause of the last."""
    counts = [(summary.restarts, "restart"), (summary.disruptions, "disruption"), (summary.resizes, "resize")]
    told = [", ".join(wording.count(number, noun) for number, noun in counts if number)]
    if told[0] and summary.restart and summary.is_success:
        told[0] += f" ({wording.clean(summary.restart)})"
    if summary.steps_lost:
        told.append(f"{wording.count(summary.steps_lost, 'step')} lost")
    if summary.non_finite:
        told.append(wording.count(summary.non_finite, "non-finite value"))
    if summary.checkpoint_failures:
        told.append(wording.count(summary.checkpoint_failures, "failed save"))
    return [each for each in (*told, *_losses(summary)) if each]


def _losses(summary: Summary) -> list[str]:
    told = []
    if summary.lost_writes:
        told.append(
            f"{wording.count(summary.lost_writes, 'lost write')} ({wording.clean(summary.lost_reason)})"
        )
    if summary.lost_logs:
        lines = wording.count(summary.lost_log_lines, "log line")
        told.append(f"{lines} of {', '.join(summary.lost_logs)} lost")
    return told


def _failure(summary: Summary) -> list[str]:
    if summary.is_success or not summary.message:
        return []
    lines = [wording.clean(f"{summary.reason}: {summary.message}" if summary.reason else summary.message)]
    cause = summary.cause
    if cause is not None and cause.last_lines:
        lines.append(f"last lines of {cause.member}, attempt {cause.number}:")
        lines += [f"  {wording.clean(line)}" for line in cause.last_lines]
    return lines


def _places(summary: Summary) -> list[str]:
    paths = summary.paths
    named = (
        ("model", paths.model),
        ("checkpoints", paths.checkpoints),
        ("TensorBoard", paths.tensorboard),
        ("logs", paths.logs),
        ("metrics", paths.metrics),
    )
    return [f"{name:<12} {path}" for name, path in named if path]


def _next(summary: Summary) -> list[str]:
    return ["next:", *(f"  {line}" for line in summary.next)] if summary.next else []


def _farewell(summary: Summary) -> list[str]:
    return [summary.farewell] if summary.farewell else []
