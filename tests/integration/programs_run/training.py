"""A training without TensorFlow: counts steps, reports them, saves every few, resumes, and stops when told.

Started by the tests of `tfo run`. What goes wrong is chosen by variables: FAIL (role-index:code, each time), STEPS,
SECONDS (per step), SILENT (no reports), IGNORE_TERM, FOREVER (role-index: goes on until it is ended).
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from orchestrator.train import Checkpointer, context, report

STEPS = int(os.environ.get("STEPS", "40"))
SECONDS = float(os.environ.get("SECONDS", "0.02"))
ME = context()
NAME = f"{ME.role}-{ME.index}"
stopping = False


def stop(*_: object) -> None:
    global stopping
    stopping = True


def write(step: int) -> Callable[[Path], None]:
    def into(folder: Path) -> None:
        (folder / "state.json").write_text(json.dumps({"step": step}), encoding="utf-8")

    return into


def is_time_to_fail() -> bool:
    """At once, or, once only, when the file FAIL_WHEN appears."""
    trigger = os.environ.get("FAIL_WHEN")
    if trigger is None:
        return True
    exists = os.path.exists(trigger)
    if exists:
        os.unlink(trigger)
    return exists


def main() -> int:
    signal.signal(signal.SIGTERM, signal.SIG_IGN if os.environ.get("IGNORE_TERM") else stop)
    saver = Checkpointer()
    step = ME.restore_step or 0
    if ME.restore_step is not None:
        saved = json.loads((saver.restore_path(ME.restore_step) / "state.json").read_text(encoding="utf-8"))
        assert saved["step"] == step
    print(f"{NAME} starts attempt {ME.attempt} at step {step}", flush=True)
    failing, _, code = os.environ.get("FAIL", "").partition(":")
    forever = os.environ.get("FOREVER", "") == NAME
    while step < STEPS or forever:
        time.sleep(SECONDS)
        step += 1
        if not os.environ.get("SILENT"):
            report(step=step, total_steps=STEPS, examples=1, loss=1.0 / step, accuracy=min(1.0, step / STEPS))
        if step % ME.checkpoint_every_steps == 0 or stopping:
            saver.save_state(step, write(step))
        if stopping:
            print(f"{NAME} stops at step {step}", flush=True)
            return 143
        if failing == NAME and step >= 5 and is_time_to_fail():
            print(f"{NAME} is about to fail", flush=True)
            return int(code)
    print(f"{NAME} is done at step {step}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
