"""`report()`: one call by which any Python program, with or without TensorFlow, says how its training goes.

Called by users' programs. Costs microseconds, never fails, and does nothing where no agent listens.
Python 3.9, standard library only.
"""

from __future__ import annotations

import time
from typing import List, Optional, Tuple

from orchestrator.train.membership import context
from orchestrator.train.reporter import Reporter, current


class Pace:
    """The last step that was reported and when, to tell how long a step takes.

    restored: the step that this attempt goes on from, None if it starts fresh or nobody knows.
    """

    def __init__(self, restored: Optional[int] = None) -> None:
        self._step = restored
        self._at: Optional[float] = None

    def advance(self, step: int, now: float, is_working: bool) -> Tuple[int, Optional[float]]:
        """Steps since the last report, and seconds for each if nothing else was done in between."""
        last, last_at = self._step, self._at
        self._step, self._at = step, now
        if last is None or step < last:
            return 1, None
        steps = step - last
        return steps, (now - last_at) / steps if steps and is_working and last_at is not None else None


_paces: List[Pace] = []
"""The one of this process, once it has reported a step."""


def report(
    step: Optional[int] = None,
    total_steps: Optional[int] = None,
    epoch: Optional[int] = None,
    examples: Optional[int] = None,
    busy: Optional[str] = None,
    input_wait_seconds: Optional[float] = None,
    **metrics: object,
) -> None:
    """Say how the training goes; everything is optional, and what is left out stays as it was.

    step: steps done so far, over all epochs and resumes. examples: how many this process handled since its last
    report. busy: "starting", "compiling", "evaluating", "saving" or "stopping" while no steps are to be expected, ""
    when that is over (a step says so too); a program that is starting, all its processes together, has nothing to save
    yet, and when it is to stop it is ended at once. input_wait_seconds: of the time since the last report, how much
    went into waiting for the next batch. Anything else is a metric: `report(step=10, loss=0.3, accuracy=0.9)`.
    """
    reporter = current()
    if not reporter.is_active:
        return
    try:
        reporter.set_plan(total_steps=total_steps, epoch=epoch)
        reporter.set_metrics(metrics)
        reporter.add_examples(examples or 0)
        reporter.add_input_wait(input_wait_seconds or 0.0)
        _advance(reporter, step, busy)
    except Exception:
        return  # telemetry never fails a program


def _advance(reporter: Reporter, step: Optional[int], busy: Optional[str]) -> None:
    is_working = not reporter.busy
    if step is not None:
        if not _paces:
            _paces.append(Pace(context().restore_step))
        steps, seconds_each = _paces[0].advance(int(step), time.monotonic(), is_working)
        reporter.count_steps(int(step), steps, seconds_each)
        busy = busy or ""
    if busy is not None:
        reporter.set_busy(busy)
    if reporter.is_due() if step is None else reporter.is_due_after(int(step)):
        reporter.send()
