"""What is worth saying about a run at one moment, in words: steps, measures, what happened to it.

Called by `frame` (live view) and `render_plain`, which only place the words. Pure; knows no terminal.
"""

import math
from typing import NamedTuple

from orchestrator.api.status import JobStatus
from orchestrator.cli import wording
from orchestrator.cli.view import ReplicaRow, RunView

_SHOWN_METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")


def phase(view: RunView) -> str:
    """That of the job, but for an attempt that has been asked to end."""
    attempt = view.status.attempt
    return "Stopping" if attempt is not None and attempt.stopping is not None else view.phase.value


def steps(view: RunView) -> str:
    """312/420 steps, 312 steps, or nothing before the first."""
    step, total = view.progress.step, view.progress.total_steps
    if step is None:
        return ""
    return f"{step:,}/{total:,} steps" if total else wording.count(step, "step")


def share(view: RunView) -> float | None:
    """Of the steps that are done, 0-1; None where the total is unknown."""
    step, total = view.progress.step, view.progress.total_steps
    return min(max(step / total, 0.0), 1.0) if total and total > 0 and step is not None else None


def percent(view: RunView) -> str:
    done = share(view)
    return "" if done is None else f"{int(done * 100)} %"


def measures(view: RunView) -> list[str]:
    """Metrics and speed, the most wanted first."""
    names = [name for name in _SHOWN_METRICS if name in view.metrics and name != "val_loss"]
    names += sorted(name for name in view.metrics if name not in _SHOWN_METRICS)
    found = [f"{wording.clean(name)} {wording.metric(view.metrics[name])}" for name in names]
    if view.progress.examples_per_second is not None:
        found.append(f"{wording.rate(view.progress.examples_per_second)} examples/s")
    if view.progress.non_finite:
        found.append(wording.count(view.progress.non_finite, "non-finite value"))
    return found


def eta(view: RunView) -> str:
    """Rounded up: a run with half a second to go is not over."""
    return f"ETA {wording.duration(math.ceil(view.eta_seconds))}" if view.eta_seconds else ""


def progress_line(view: RunView) -> str:
    parts = (" ".join(filter(None, (steps(view), f"({percent(view)})" if percent(view) else ""))), eta(view))
    return "  ".join(filter(None, (*parts, *measures(view))))


def history(view: RunView, times: str = "×") -> str:
    """restarted 1×: worker-1 was killed by SIGKILL, 14 steps lost; nothing where nothing happened."""
    counts = _counts(view.status, times)
    if not counts:
        return ""
    last = view.last_restart
    told = [wording.clean(last.message)] if last and last.message else []
    if view.status.steps_lost:
        lost = f"{wording.count(view.status.steps_lost, 'step')} lost"
        told.append(f"{lost} in all" if len(view.status.attempts) > 1 else lost)
    return ", ".join(counts) + (f": {', '.join(told)}" if told else "")


def _counts(status: JobStatus, times: str) -> list[str]:
    named = (
        ("restarted", status.restarts),
        ("disrupted", status.disruptions),
        ("resized", status.resizes),
    )
    return [f"{what} {number}{times}" for what, number in named if number]


class ReplicaCells(NamedTuple):
    """What is said of a replica; empty where unknown."""

    name: str
    state: str
    pid: str
    node: str
    step: str
    speed: str
    restarts: str


def replica_cells(row: ReplicaRow, times: str = "×") -> ReplicaCells:
    return ReplicaCells(
        name=row.name,
        state=wording.clean(row.state),
        pid=f"pid {row.pid}" if row.pid else "",
        node=f"on {wording.clean(row.node)}" if row.node else "",
        step=f"step {row.step:,}" if row.step is not None else "",
        speed=wording.step_time(row.step_seconds) if row.step_seconds is not None else "",
        restarts=f"restarted {row.restarts}{times}" if row.restarts else "",
    )
