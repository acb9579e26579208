"""What we cost while a chief and two workers train: all agents' CPU, and our time inside the training processes.

`python -m benchmarks.cost [--pairs 3] [--quick]`. Goal: together at most 1 % of the training time of a job of about a
minute, at steps of at least 20 ms. The cost of all members is set against the training time of all members: what one
bears of its own. Beside it the harder reading, as on a machine that all share: all of it against the time of one.
Counted: the agents' CPU from their exec to their end; every method of our reporting callback; the start-up hook, what
it imports and what it changes in Keras, once for each program.
Apart, since a program asks for them: the logic of checkpoints and of the agreed stop (waiting for the other members
included), the saves themselves, and the CPU of `tfo run`, which is no agent.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import cluster, command
from benchmarks.figures import Figure, Sample
from benchmarks.processes import AgentWatch

GOAL = 1.0
"""Per cent."""
STEP_MILLISECONDS = 20.0
TRAINING_SECONDS = 30.0
MEMBERS = len(cluster.ROLES)
EPOCHS = 4
STEPS, QUICK_STEPS = 500, 30
"""Of each epoch."""
SIZES = ("--units", "256", "--batch", "4096")
ROOT = Path(__file__).resolve().parents[1]
HOOK = ROOT / "orchestrator" / "train" / "hook"


@dataclass(frozen=True)
class Cost:
    """Seconds of one job. `training`: `fit` without saves, on average; the rest is summed over all members."""

    agents: float
    reports: float
    hooks: float
    stops: float
    saves: float
    runner: float
    training: float
    steps: int

    @property
    def percent(self) -> float:
        """Of the time that all members train."""
        return self.percent_of_one / MEMBERS

    @property
    def percent_of_one(self) -> float:
        """All members' cost, of the time that one of them trains."""
        return 100 * (self.agents + self.reports + self.hooks) / self.training

    @property
    def stops_percent(self) -> float:
        """As `percent`."""
        return 100 * self.stops / self.training / MEMBERS

    @property
    def step_milliseconds(self) -> float:
        return 1000 * self.training / self.steps


def collect_cost(watch: AgentWatch, programs: Sequence[dict[str, float]], hook: float, steps: int) -> Cost:
    """From what was seen of a job, what each of its programs timed, and the cost of one hook."""
    total = {name: sum(one[name] for one in programs) for name in ("fit", "reports", "stops", "saves")}
    return Cost(
        agents=sum(watch.agent_seconds.values()),
        reports=total["reports"],
        hooks=hook * len(programs),
        stops=total["stops"] - total["saves"],
        saves=total["saves"],
        runner=watch.runner_seconds,
        training=(total["fit"] - total["saves"]) / len(programs),
        steps=steps,
    )


def job(steps: int, hook: float) -> Cost:
    """One job under `tfo run`. Raises RuntimeError when it fails."""
    with tempfile.TemporaryDirectory(prefix="tfo-bench-") as name:
        options = ["--epochs", str(EPOCHS), "--steps", str(steps), *SIZES]
        program = ["python", "-m", "benchmarks.timed_training", name, *options]
        words = [sys.executable, "-m", "orchestrator.cli.main", "run", "--workers", "2", "--name", "bench"]
        runner = subprocess.Popen(
            [*words, "--runs-dir", f"{name}/runs", "--", *program], stdout=subprocess.DEVNULL, cwd=ROOT
        )
        with AgentWatch(runner.pid) as watch:
            code = runner.wait()
        programs = [json.loads(each.read_text(encoding="utf-8")) for each in Path(name).glob("*.json")]
        if code != 0 or not len(watch.agent_seconds) == len(programs) == MEMBERS:
            seen = f"{len(watch.agent_seconds)} agents and {len(programs)} programs were seen"
            raise RuntimeError(f"the run ended with {code}, {seen}")
    return collect_cost(watch, programs, hook, EPOCHS * steps)


def hook_seconds() -> float:
    """What the start-up hook adds to a program: being loaded, and what it does once Keras is there."""
    with cluster.report_socket() as (path, _):
        environ = {
            "PYTHONPATH": str(HOOK),
            "TFO_INSTRUMENT": "metrics,kerasFix",
            "TFO_REPORT_SOCKET": path,
            "PYTHONPROFILEIMPORTTIME": "1",
        }
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.timed_hook"],
            env=os.environ | environ,
            cwd=ROOT,
            check=True,
            capture_output=True,
            text=True,
        )
    return parse_import_time(done.stderr.splitlines(), "sitecustomize") + float(json.loads(done.stdout))


def parse_import_time(lines: Iterable[str], module: str) -> float:
    """Seconds in a module and all that it imports, by `-X importtime`. Raises ValueError where it is not imported."""
    rows = [line.removeprefix("import time:").split("|") for line in lines if line.startswith("import time:")]
    # The hook looks for a sitecustomize behind its own: that search has a row too, and is within its time.
    found = [int(row[1]) for row in rows if row[-1].strip() == module]
    if not found:
        raise ValueError(f"{module} was not imported")
    return max(found) / 1e6


def measured(size: command.Size) -> list[Figure]:
    hook_seconds()  # warms the page cache
    hooks = [hook_seconds() for _ in range(size.pairs)]
    found = [show(job(QUICK_STEPS if size.is_quick else STEPS, hook)) for hook in hooks]
    return [figure_of(found)]


def figure_of(found: Sequence[Cost]) -> Figure:
    """The median of the jobs."""
    beside = (
        Sample("CPU of all agents", tuple(one.agents for one in found)),
        Sample("in reporting callbacks", tuple(one.reports for one in found)),
        Sample("in start-up hooks", tuple(one.hooks for one in found)),
        Sample("training", tuple(one.training for one in found)),
        Sample("a step", tuple(one.step_milliseconds for one in found), "ms"),
        Sample("all of it, of the time of one member", tuple(one.percent_of_one for one in found), "%"),
        Sample("apart: stop and checkpoint logic", tuple(one.stops_percent for one in found), "%"),
        Sample("apart: saves", tuple(one.saves for one in found)),
        Sample("apart: CPU of tfo run", tuple(one.runner for one in found)),
    )
    percent = Sample("agents, callbacks, hooks", tuple(one.percent for one in found), "%")
    return Figure("our cost, of the training time", percent, GOAL, beside, too_short(found))


def too_short(found: Sequence[Cost]) -> str:
    """Why these jobs are no measure; empty where they are long enough."""
    step, training = min(one.step_milliseconds for one in found), min(one.training for one in found)
    if step < STEP_MILLISECONDS:
        return f"a step took {step:.1f} ms, the goal is for {STEP_MILLISECONDS:.0f} ms and more"
    if training < TRAINING_SECONDS:
        return f"training took {training:.1f} s, the goal is for a job of about a minute"
    return ""


def show(cost: Cost) -> Cost:
    print(
        f"  {cost.percent:.2f} % of {cost.training:.1f} s in steps of {cost.step_milliseconds:.1f} ms: agents"
        f" {cost.agents:.3f} s, callbacks {cost.reports:.3f} s, hooks {cost.hooks:.3f} s",
        flush=True,
    )
    return cost


if __name__ == "__main__":
    sys.exit(command.run(__doc__, measured, 3))
