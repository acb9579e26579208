"""What we cost while a chief and two workers train: all agents' CPU, and our time inside the training processes.

`python -m benchmarks.cost [--rounds 3] [--steps 300]`. Goal: together at most 1 % of the training time of a job of
about a minute, at steps of at least 20 ms. The agents count from their exec to their end; our callback as it measures
itself, in all three programs; the start-up hook as Python's own import times tell, once for each program. Beside it,
apart: the CPU of `tfo run` itself, which is no agent. The script is plain `model.fit` on three members.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cluster, pairs
from benchmarks.processes import AgentWatch, parse_metrics

GOAL = 0.01
STEP_SECONDS = 0.02
MEMBERS = len(cluster.ROLES)
SCRIPT = Path(__file__).with_name("plain_training.py")
HOOK = Path(__file__).resolve().parents[1] / "orchestrator" / "train" / "hook"
OURS = ("sitecustomize", "orchestrator")


@dataclass(frozen=True)
class Cost:
    """Seconds of one job. `training`: in steps, of one member; the agents and programs are summed over all members."""

    agents: float
    callbacks: float
    hooks: float
    runner: float
    training: float
    steps: float

    @property
    def fraction(self) -> float:
        return (self.agents + self.callbacks + self.hooks) / self.training

    @property
    def step(self) -> float:
        return self.training / self.steps


def collect_cost(watch: AgentWatch, metrics: str, hook: float) -> Cost:
    """From what was seen of a job of MEMBERS members, its last metrics, and the cost of one hook."""
    values = parse_metrics(metrics)
    return Cost(
        agents=sum(watch.agent_seconds.values()),
        callbacks=values["tfo_job_callback_seconds_total"],
        hooks=hook * MEMBERS,
        runner=watch.runner_seconds,
        training=values["tfo_job_step_duration_seconds_sum"] / MEMBERS,
        steps=values["tfo_job_step_duration_seconds_count"] / MEMBERS,
    )


def script(steps: int) -> list[str]:
    return [str(SCRIPT), "--steps", str(steps), "--units", "256", "--batch", "768"]


def job(steps: int, hook: float) -> Cost:
    """One job under `tfo run`. Raises RuntimeError when it fails."""
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-m", "orchestrator.cli.main", "run", "--workers", "2", "--runs-dir", name]
        runner = subprocess.Popen(
            [*command, "--name", "bench", "--metrics-port", "0", "--", "python", *script(steps)],
            stdout=subprocess.DEVNULL,
        )
        with AgentWatch(runner.pid) as watch:
            code = runner.wait()
        if code != 0 or len(watch.agent_seconds) != MEMBERS:
            raise RuntimeError(f"the run ended with {code}, {len(watch.agent_seconds)} agents were seen")
        return collect_cost(watch, (Path(name) / "bench/1/metrics.prom").read_text(encoding="utf-8"), hook)


def hook_seconds() -> float:
    """What the start-up hook adds to a program: loading itself, and what it loads once Keras is there."""
    with cluster.report_socket() as (path, _):
        environ = {
            "PYTHONPATH": str(HOOK),
            "TFO_INSTRUMENT": "metrics,kerasFix",
            "TFO_REPORT_SOCKET": path,
            "PYTHONPROFILEIMPORTTIME": "1",
        }
        done = subprocess.run(
            [sys.executable, *script(1), "--epochs", "1"],
            env=os.environ | environ,
            check=True,
            stderr=subprocess.PIPE,
            text=True,
        )
    return parse_import_times(done.stderr.splitlines())


def parse_import_times(lines: Iterable[str]) -> float:
    """Seconds in modules of ours, by `-X importtime`. Raises ValueError when the hook did not do its work."""
    rows = [line.removeprefix("import time:").split("|") for line in lines if line.startswith("import time:")]
    found = {row[2].strip(): row[0].strip() for row in rows if len(row) == 3}
    ours = {name: int(own) for name, own in found.items() if name.split(".")[0] in OURS}
    if not {"sitecustomize", "orchestrator.train.report_callback"} <= set(ours):
        raise ValueError("the start-up hook was not loaded")
    return sum(ours.values()) / 1e6


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300, help="of each of the 4 epochs")
    words = parser.parse_args()
    hooks = [hook_seconds() for _ in range(words.rounds)]
    found = [show(job(words.steps, hook)) for hook in hooks]
    middle = statistics.median(one.fraction for one in found)
    reached = middle <= GOAL and min(one.step for one in found) >= STEP_SECONDS
    print(f"agents of {MEMBERS} members, callbacks and hooks, of the training time")
    print(f"  CPU of the agents            {pairs.spread([one.agents for one in found])}")
    print(f"  in callbacks                 {pairs.spread([one.callbacks for one in found])}")
    print(f"  in hooks                     {pairs.spread([one.hooks for one in found])}")
    print(f"  CPU of tfo run, beside it    {pairs.spread([one.runner for one in found])}")
    print(f"  training                     {pairs.spread([one.training for one in found])}")
    verdict = "reached" if reached else "MISSED"
    print(f"  {100 * middle:.2f} %, goal at most {100 * GOAL:.0f} % at steps of 20 ms and more: {verdict}")
    return 0 if reached else 1


def show(cost: Cost) -> Cost:
    print(
        f"  {100 * cost.fraction:.2f} % of {cost.training:.1f} s in steps of {1000 * cost.step:.1f} ms: agents"
        f" {cost.agents:.3f} s, callbacks {cost.callbacks:.3f} s, hooks {cost.hooks:.3f} s;"
        f" beside it tfo run {cost.runner:.3f} s of CPU",
        flush=True,
    )
    return cost


if __name__ == "__main__":
    sys.exit(main())
