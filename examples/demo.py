"""The demo: a chief and two workers train a CNN on real digits; worker-1 is killed at a third of the steps.

`make demo` calls it, `make demo KILL=0` leaves everybody alive. It does what a user does: starts `tfo run` on this
terminal, and from the side looks at the metrics and kills a process. At the end it prints how long what took.
"""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parent
JOB = "digits-cnn"
VICTIM = ("worker", "1")
LOOK_SECONDS = 0.2
_STEP = re.compile(rb"^tfo_job_(step|progress_ratio)\{[^}]*\} ([0-9.e+-]+)$", re.MULTILINE)


@dataclass
class Killer(threading.Thread):
    """Waits until a third of the steps is done, then kills worker-1's program with SIGKILL."""

    run_folder: Path
    share: float = 1 / 3
    killed_at: float | None = None
    over: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def __hash__(self) -> int:
        return id(self)

    def run(self) -> None:
        while not self.over.wait(LOOK_SECONDS):
            if progress(self.run_folder) >= self.share:
                self.kill()
                return

    def kill(self) -> None:
        for pid in programs(self.run_folder, *VICTIM):
            self.killed_at = time.time()
            os.kill(pid, signal.SIGKILL)


def next_run(runs: Path) -> Path:
    """Folder of the run that is about to start."""
    numbers = [int(path.name) for path in runs.glob(f"{JOB}/*") if path.name.isdecimal()]
    return runs / JOB / str(max(numbers, default=0) + 1)


def progress(run_folder: Path) -> float:
    """Share of the steps that are done, from the run's own metrics; 0 as long as there are none."""
    try:
        state = json.loads((run_folder / "state.json").read_bytes())
    except OSError:
        return 0.0
    url = state["runner"].get("metricsUrl")
    return float(dict(_metrics(url)).get(b"progress_ratio", 0.0)) if url else 0.0


def _metrics(url: str) -> list[tuple[bytes, bytes]]:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:
            return _STEP.findall(reply.read())
    except OSError:
        return []


def programs(run_folder: Path, role: str, index: str) -> Iterator[int]:
    """Processes that run this replica's program in this very run; not its agent."""
    checkpoints = (run_folder / "checkpoints").resolve()
    settings = (f"TFO_CHECKPOINT_DIR={checkpoints}", f"TFO_ROLE={role}", f"TFO_INDEX={index}")
    wanted = {os.fsencode(setting) for setting in settings}
    for entry in Path("/proc").iterdir():
        if (
            entry.name.isdecimal()
            and wanted <= _environ(entry)
            and b"orchestrator.agent" not in _command(entry)
        ):
            yield int(entry.name)


def _environ(entry: Path) -> set[bytes]:
    try:
        return set((entry / "environ").read_bytes().split(b"\0"))
    except OSError:
        return set()


def _command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""


def first_steps(run_folder: Path) -> list[float]:
    """Per attempt the moment of its first training step."""
    try:
        lines = (run_folder / "events.jsonl").read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:  # it ended before it began
        return []
    events = [json.loads(line) for line in lines]
    return [datetime.fromisoformat(one["time"]).timestamp() for one in events if one["event"] == "firstStep"]


def show_times(start: float, end: float, steps: list[float], killed_at: float | None) -> None:
    if not steps:
        return
    print(f"\nstart-up  {steps[0] - start:5.1f} s   from the command to the first training step")
    print(f"training  {end - steps[0]:5.1f} s   from there to the end, the saved model included")
    later = [moment for moment in steps if killed_at is not None and moment > killed_at]
    if killed_at is not None and later:
        print(f"recovery  {later[0] - killed_at:5.1f} s   of these: from the kill to the next training step")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kill", type=int, default=1, choices=(0, 1), help="0: leave worker-1 alive")
    parser.add_argument("--runs-dir", type=Path, default=Path("tfo-runs"))
    words = parser.parse_args()
    run_folder = next_run(words.runs_dir)
    job = os.path.relpath(EXAMPLES / "cnn.yaml")
    command = ["tfo", "run", job, "--runs-dir", str(words.runs_dir)]
    if words.kill:
        print("At a third of the steps this demo kills worker-1 (make demo KILL=0: it does not).")
    print(f"$ {' '.join(command[:3])}", flush=True)
    killer = Killer(run_folder)
    if words.kill:
        killer.start()
    start = time.time()
    # Ctrl-C reaches `tfo` too, which saves and says what is left: it is waited for, not killed.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    code = subprocess.call([sys.executable, "-m", "orchestrator.cli.main", *command[1:]])
    end = time.time()
    killer.over.set()
    show_times(start, end, first_steps(run_folder), killer.killed_at)
    if words.kill and killer.killed_at is None and code == 0:
        print("the demo did not get to kill worker-1", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
