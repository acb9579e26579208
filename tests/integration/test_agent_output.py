"""What a program prints, on its way through the agent into the log file."""

import os
from collections.abc import AsyncIterator

import pytest

from orchestrator.protocol.messages import Run
from tests.fixtures.agents import Bench, make_bench, python

pytestmark = pytest.mark.process


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with make_bench() as made:
        yield made


async def log_of(bench: Bench, source: str) -> str:
    agent = await bench.start(python(source))
    bench.want(agent, Run(1))
    assert (await bench.ended(agent)).exit_code == 0
    return bench.log(agent)


async def test_a_progress_bar_that_redraws_its_line_leaves_its_first_and_last_states(bench: Bench) -> None:
    source = r"""
import sys
print("Epoch 1/3")
for step in range(1000):
    sys.stdout.write("\b" * 40 + "\r" + f"\x1b[1m{step + 1:4d}/1000\x1b[0m loss: 0.5")
print()
sys.stdout.write("download 10 %\rdownload 100 %")
"""
    assert (await log_of(bench, source)).splitlines() == [
        "Epoch 1/3",
        "   1/1000 loss: 0.5",
        "1000/1000 loss: 0.5",
        "download 100 %",
    ]


async def test_binary_output_and_endless_lines_are_kept_readable(bench: Bench) -> None:
    source = r"""
import os
os.write(1, b"\x00\xff\xfe\x1b[31mred\x1b[0m \xc3\xa4 \xc3\n")
os.write(1, b"x" * 40_000 + b"\nend")
"""
    lines = (await log_of(bench, source)).splitlines()
    assert lines[0] == "\ufffd\ufffd\ufffdred ä \ufffd"
    assert [len(line) for line in lines[1:4]] == [16384, 16384, 40_000 - 2 * 16384]
    assert lines[4] == "end"


async def test_a_burst_is_kept_whole_and_the_last_lines_are_bounded(bench: Bench) -> None:
    agent = await bench.start(python("for n in range(20_000): print(f'{n:06d}', 'x' * 93)", buffered=True))
    bench.want(agent, Run(1))
    seen = await bench.ended(agent)
    assert [line[:6] for line in seen.last_lines] == [f"{n:06d}" for n in range(19_980, 20_000)]
    lines = bench.log(agent).splitlines()
    assert (len(lines), lines[0][:6], {len(line) for line in lines}) == (20_000, "000000", {100})


async def test_a_full_disk_costs_log_lines_which_are_counted_and_the_program_does_not_notice(
    bench: Bench,
) -> None:
    bench.logs.mkdir()
    (bench.logs / "worker-0.attempt-1.log").symlink_to("/dev/full")
    agent = await bench.start(python('for n in range(5): print("line", n)\nprint("done")'))
    bench.want(agent, Run(1))
    seen = await bench.ended(agent)
    assert (seen.exit_code, seen.last_lines[-1]) == (0, "done")
    await bench.until(agent, lambda _: bool(bench.reports))
    assert bench.reports[-1].notes == (f"log lines lost: {os.strerror(28)}",)


async def test_a_log_folder_that_cannot_be_made_does_not_disturb_the_program(bench: Bench) -> None:
    bench.logs.write_text("in the way")
    agent = await bench.start(("echo", "hello"))
    bench.want(agent, Run(1))
    seen = await bench.ended(agent)
    assert (seen.exit_code, seen.last_lines) == (0, ("hello",))
