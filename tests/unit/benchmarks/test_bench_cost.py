"""What we cost is added up as the goal says, from what processes and Python say of themselves."""

import pytest

from benchmarks.cost import Cost, collect_cost, figure_of, parse_import_time
from benchmarks.processes import AgentWatch, Memory, parse_memory
from benchmarks.timing import Timer

IMPORTS = """\
import time: self [us] | cumulative | imported package
import time:       161 |        161 |     sitecustomize
noise of the program
import time:      3212 |       3372 |   sitecustomize
import time:       400 |        400 | keras
""".splitlines()

SMAPS = """\
00400000-7ffe000 ---p 00000000 00:00 0    [rollup]
Rss:               20000 kB
Pss:               10000 kB
Pss_Dirty:          5000 kB
"""


def cost(training: float = 60.0, steps: int = 2000) -> Cost:
    return Cost(
        agents=0.3,
        reports=0.2,
        hooks=0.1,
        stops=0.6,
        saves=5.0,
        runner=1.0,
        training=training,
        steps=steps,
    )


def test_import_times_are_those_of_the_module_with_all_that_it_imports() -> None:
    assert parse_import_time(IMPORTS, "sitecustomize") == pytest.approx(0.003372)
    with pytest.raises(ValueError, match="orchestrator was not imported"):
        parse_import_time(IMPORTS, "orchestrator")


def test_memory_is_in_millions_of_bytes() -> None:
    assert parse_memory(SMAPS) == Memory(resident=20.48, proportional=10.24)


def test_saves_are_neither_our_cost_nor_training() -> None:
    watch = AgentWatch(1)
    watch.agent_seconds = {11: 0.1, 12: 0.2}
    watch.runner_seconds = 1.5
    programs = [
        {"fit": 12.0, "reports": 0.1, "stops": 2.5, "saves": 2.0},
        {"fit": 12.0, "reports": 0.2, "stops": 2.25, "saves": 2.0},
    ]
    found = collect_cost(watch, programs, hook=0.01, steps=100)
    assert (found.training, found.saves, found.stops, found.runner) == (10.0, 4.0, 0.75, 1.5)
    assert found.percent_of_one == pytest.approx(100 * (0.3 + 0.3 + 0.02) / 10.0)
    assert found.percent == pytest.approx(found.percent_of_one / 3)
    assert found.stops_percent == pytest.approx(2.5)
    assert found.step_milliseconds == pytest.approx(100.0)


def test_all_members_cost_is_set_against_all_members_training_and_shown_against_ones() -> None:
    found = figure_of([cost()])
    assert found.sample.values == pytest.approx((1 / 3,))
    shown = {sample.name: sample.values for sample in found.beside}
    assert shown["all of it, of the time of one member"] == pytest.approx((1.0,))


def test_short_steps_and_short_jobs_are_not_judged() -> None:
    assert figure_of([cost(), cost(steps=6000)]).unjudged.startswith("a step took 10.0 ms")
    assert figure_of([cost(), cost(training=3.0, steps=100)]).unjudged.startswith("training took 3.0 s")
    assert figure_of([cost()]).unjudged == ""


class Callback:
    def __init__(self, now: list[float]) -> None:
        self.now = now

    def on_begin(self) -> str:
        self.now[0] += 2.0
        self.on_end()
        return "begun"

    def on_end(self) -> None:
        self.now[0] += 1.0

    def other(self) -> None:
        self.now[0] += 100.0


def test_time_in_all_hooks_of_a_callback_is_counted_once() -> None:
    now = [0.0]
    timer = Timer(clock=lambda: now[0])
    timer.wrap_hooks(Callback)
    callback = Callback(now)
    callback.other()
    assert callback.on_begin() == "begun"
    callback.on_end()
    assert (timer.seconds, timer.calls) == (4.0, 3)
