"""The agent and its program: how it starts, ends, is stopped, and that nothing of it is left."""

import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from orchestrator.backends.local import programs
from orchestrator.core.observed import Agent
from orchestrator.protocol import agent_environment as names
from orchestrator.protocol.fields import MAX_ENVIRONMENT_VALUE
from orchestrator.protocol.messages import Finish, ProgramState, Run, SaveAndStop, Stop
from orchestrator.protocol.tf_config import join
from tests.fixtures.agents import Bench, is_alive, make_bench, python, read_pids, wait_for

pytestmark = pytest.mark.process

# Short sleeps: a signal that comes just before a sleep begins is seen by Python only after it.
HANDLER = """
import os, signal, sys, time
def save(number, frame):
    time.sleep(0.1); print("saved"); sys.exit(143)
signal.signal(signal.SIGTERM, save)
print("ready"); open(os.environ["PIDS"], "a").write(f"{os.getpid()}\\n")
while True: time.sleep(0.1)
"""

STUBBORN = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(os.environ["PIDS"], "a").write(f"{os.getpid()}\\n")
while True: time.sleep(60)
"""

# A child in the group, one in its own session, one forked twice, each of which ignores SIGTERM.
FAMILY = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
def note():
    with open(os.environ["PIDS"], "a") as file: file.write(f"{os.getpid()}\\n")
def live():
    note()
    while True: time.sleep(60)
if os.fork() == 0: live()
if os.fork() == 0:
    os.setsid(); live()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: live()
    os._exit(0)
note()
while not os.path.exists(os.environ["PIDS"] + ".go"): time.sleep(0.01)
sys.exit(int(os.environ.get("CODE", "0")))
"""


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    async with make_bench() as made:
        yield made


def pid_file(bench: Bench) -> Path:
    return bench.directory / "pids"


def run(bench: Bench, attempt: int = 1, **env: str) -> Run:
    return Run(attempt, {"PIDS": str(pid_file(bench)), **env})


async def end_of(bench: Bench, *argv: str) -> Agent:
    agent = await bench.start(argv)
    bench.want(agent, Run(1))
    return await bench.ended(agent)


async def test_a_program_that_ends_well_waits_for_finish_whose_code_becomes_the_agents(bench: Bench) -> None:
    agent = await bench.start(("sh", "-c", "echo hello; echo bye >&2"))
    bench.want(agent, Run(1))
    seen = await bench.ended(agent)
    assert (seen.exit_code, seen.signal, seen.asked, seen.start_error) == (0, None, False, "")
    assert seen.last_lines == ("hello", "bye")
    assert bench.log(agent) == "hello\nbye\n"
    assert agent.process.returncode is None
    bench.want(agent, Finish(5))
    assert await agent.end() == 5


async def test_exit_codes_and_signals_are_told_apart_from_ends_that_were_asked_for(bench: Bench) -> None:
    failed = await end_of(bench, "sh", "-c", "echo the reason; exit 3")
    assert (failed.exit_code, failed.signal, failed.asked) == (3, None, False)
    assert failed.last_lines == ("the reason",)
    killed = await end_of(bench, "sh", "-c", "kill -9 $$")
    assert (killed.exit_code, killed.signal, killed.asked, killed.out_of_memory) == (None, 9, False, False)


async def test_stop_kills_every_descendant_also_those_that_left_the_group(bench: Bench) -> None:
    agent = await bench.start(python(FAMILY))
    bench.want(agent, run(bench))
    await wait_for(lambda: len(read_pids(pid_file(bench))) == 4)
    bench.want(agent, Stop(1))
    seen = await bench.ended(agent)
    assert (seen.signal, seen.asked) == (signal.SIGKILL, True)
    assert not [pid for pid in read_pids(pid_file(bench)) if is_alive(pid)]


@pytest.mark.parametrize("code", [0, 7])
async def test_what_a_program_leaves_behind_is_killed_before_its_end_is_said(bench: Bench, code: int) -> None:
    agent = await bench.start(python(FAMILY))
    bench.want(agent, run(bench, CODE=str(code)))
    await wait_for(lambda: len(read_pids(pid_file(bench))) == 4)
    Path(f"{pid_file(bench)}.go").touch()
    seen = await bench.ended(agent)
    assert (seen.exit_code, seen.asked) == (code, False)
    assert not [pid for pid in read_pids(pid_file(bench)) if is_alive(pid)]


async def test_save_and_stop_lets_the_program_save_and_exit_143(bench: Bench) -> None:
    agent = await bench.start(python(HANDLER))
    bench.want(agent, run(bench))
    await wait_for(lambda: bool(read_pids(pid_file(bench))))
    bench.want(agent, SaveAndStop(1, 30))
    seen = await bench.ended(agent)
    assert (seen.exit_code, seen.asked, seen.last_lines) == (143, True, ("ready", "saved"))


async def test_a_stopped_program_is_seen_and_still_gets_its_sigterm(bench: Bench) -> None:
    agent = await bench.start(python(HANDLER))
    bench.want(agent, run(bench))
    await wait_for(lambda: bool(read_pids(pid_file(bench))))
    (pid,) = read_pids(pid_file(bench))
    os.kill(pid, signal.SIGSTOP)
    await bench.until(agent, lambda seen: seen.stopped)
    os.kill(pid, signal.SIGCONT)
    await bench.until(agent, lambda seen: not seen.stopped)
    os.kill(pid, signal.SIGSTOP)
    await bench.until(agent, lambda seen: seen.stopped)
    bench.want(agent, SaveAndStop(1, 30))
    seen = await bench.ended(agent)
    assert (seen.exit_code, seen.stopped) == (143, False)


async def test_a_command_stopped_below_its_shell_is_seen_and_killed(bench: Bench) -> None:
    agent = await bench.start(("sh", "-c", 'sleep 600 & echo $! > "$PIDS"; wait'))
    bench.want(agent, run(bench))
    await wait_for(lambda: bool(read_pids(pid_file(bench))))
    (pid,) = read_pids(pid_file(bench))
    os.kill(pid, signal.SIGSTOP)
    await bench.until(agent, lambda seen: seen.stopped)
    bench.want(agent, Stop(1))
    assert (await bench.ended(agent)).signal == signal.SIGKILL
    assert not is_alive(pid)


async def test_a_program_that_ignores_sigterm_is_killed_at_its_deadline(bench: Bench) -> None:
    agent = await bench.start(python(STUBBORN))
    bench.want(agent, run(bench))
    await wait_for(lambda: bool(read_pids(pid_file(bench))))
    bench.want(agent, SaveAndStop(1, 0.2))
    await bench.until(agent, lambda seen: seen.state is ProgramState.STOPPING)
    assert (await bench.ended(agent)).signal == signal.SIGKILL


DEAF = """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(os.path.exists(os.environ["TFO_STOP_FILE"]), flush=True)
open(os.environ["PIDS"], "a").write(f"{os.getpid()}\\n")
while not os.path.exists(os.environ["TFO_STOP_FILE"]): time.sleep(0.01)
"""


def _has_started(bench: Bench, attempt: int) -> bool:
    return len(read_pids(pid_file(bench))) == attempt


async def test_who_did_not_hear_the_signal_finds_a_notice_and_the_next_attempt_none(bench: Bench) -> None:
    agent = await bench.start(python(DEAF))
    for attempt in (1, 2):
        bench.want(agent, run(bench, attempt))
        await wait_for(partial(_has_started, bench, attempt))
        bench.want(agent, SaveAndStop(attempt, 30))
        seen = await bench.ended(agent, attempt)
        assert (seen.exit_code, seen.asked, seen.last_lines) == (0, True, ("False",))
    bench.want(agent, Finish())
    assert await agent.end() == 0
    assert list((bench.directory / "c").glob("worker-*")) == []


async def test_who_says_that_it_is_starting_is_not_waited_for(bench: Bench) -> None:
    agent = await bench.start(
        python("from orchestrator.train import report; report(busy='starting')" + STUBBORN)
    )
    bench.want(agent, run(bench))
    await bench.until(agent, lambda seen: seen.busy == "starting")
    await wait_for(lambda: bool(read_pids(pid_file(bench))))
    bench.want(agent, SaveAndStop(1, 300))
    seen = await bench.ended(agent)
    assert (seen.signal, seen.asked) == (signal.SIGKILL, True)


async def test_the_command_of_a_shell_that_dies_of_sigterm_may_still_save(bench: Bench) -> None:
    script = 'echo $$ >> "$PIDS"; "$0" -SEuc "$1"; true'
    agent = await bench.start(("sh", "-c", script, sys.executable, HANDLER))
    bench.want(agent, run(bench))
    await wait_for(lambda: len(read_pids(pid_file(bench))) == 2)
    bench.want(agent, SaveAndStop(1, 30))
    seen = await bench.ended(agent)
    assert (seen.signal, seen.asked) == (signal.SIGTERM, True)
    assert seen.last_lines == ("ready", "saved")


async def test_what_left_the_group_of_a_program_that_obeyed_is_not_waited_for(bench: Bench) -> None:
    """It was never told to stop: the grace is for those who were."""
    script = 'setsid sh -c \'trap "" TERM; echo $$ >> "$PIDS"; sleep 60\' & echo $$ >> "$PIDS"; sleep 60'
    agent = await bench.start(("sh", "-c", script))
    bench.want(agent, run(bench))
    await wait_for(lambda: len(read_pids(pid_file(bench))) == 2)
    bench.want(agent, SaveAndStop(1, 3600))
    seen = await bench.ended(agent)
    assert (seen.signal, seen.asked) == (signal.SIGTERM, True)
    assert [pid for pid in read_pids(pid_file(bench)) if is_alive(pid)] == []


async def test_an_attempt_is_started_once_and_orders_for_older_ones_do_nothing(bench: Bench) -> None:
    agent = await bench.start(python(STUBBORN))
    bench.want(agent, run(bench))
    await wait_for(lambda: len(read_pids(pid_file(bench))) == 1)
    bench.want(agent, Stop(0))
    bench.want(agent, Stop(1))
    await bench.ended(agent)
    bench.want(agent, run(bench))
    bench.want(agent, run(bench, attempt=2))
    await wait_for(lambda: len(read_pids(pid_file(bench))) == 2)
    bench.want(agent, Stop(7))
    assert (await bench.ended(agent, 2)).asked


async def test_what_cannot_be_started_says_why(bench: Bench) -> None:
    script = bench.directory / "script"
    script.write_text("#!/no/such/interpreter\n")
    missing = await end_of(bench, "no-such-command")
    assert missing.exit_code == 127
    assert missing.start_error.startswith("command no-such-command not found on PATH /")
    assert missing.last_lines == (f"agent: {missing.start_error}",)
    assert "cannot be started: Permission denied" in (await end_of(bench, str(script))).start_error
    script.chmod(0o700)
    broken = await end_of(bench, str(script))
    assert (broken.exit_code, broken.start_error) == (
        127,
        f"command {script} cannot be started: its interpreter does not exist",
    )
    assert (await end_of(bench, str(bench.directory))).exit_code == 126


async def test_a_missing_working_directory_says_so_and_another_attempt_may_find_it(bench: Bench) -> None:
    place = bench.directory / "place"
    agent = await bench.start(("pwd",), **{names.WORKING_DIR: str(place)})
    bench.want(agent, Run(1))
    assert (await bench.ended(agent)).start_error == f"working directory {place} does not exist"
    place.mkdir()
    bench.want(agent, Run(2))
    assert (await bench.ended(agent, 2)).last_lines == (str(place),)


async def test_the_program_gets_its_own_environment_and_nothing_of_the_agents(bench: Bench) -> None:
    source = "import os, json; print(json.dumps(dict(os.environ)))"
    changes = '{"KEPT": "base", "CHANGED": "base", "HOME": null}'
    agent = await bench.start(python(source), **{names.ENVIRONMENT: changes})
    bench.want(agent, Run(1, {"CHANGED": "order", "OWN": '{"ü": 1}'}))
    await bench.ended(agent)
    line = bench.log(agent)
    assert '"KEPT": "base"' in line
    assert '"CHANGED": "order"' in line
    assert '"TFO_REPORT_SECONDS": "0.05"' in line
    for absent in (names.PREFIX, '"HOME"', "a-token"):
        assert absent not in line


async def test_a_variable_as_long_as_the_kernel_allows_arrives_whole(bench: Bench) -> None:
    """Several frames, more than the stream's first window."""
    agent = await bench.start(python("import os; print(len(os.environ['LONG']))"))
    bench.want(agent, Run(1, {"LONG": "x" * MAX_ENVIRONMENT_VALUE}))
    assert (await bench.ended(agent)).last_lines == (str(MAX_ENVIRONMENT_VALUE),)


def large(attempt: int = 1) -> Run:
    """TF_CONFIG of 3,000 replicas under long names."""
    addresses = [f"{'j' * 180}-worker-{index}:2222" for index in range(3000)]
    return Run(attempt, {}, json.dumps({"worker": addresses}), "worker", 2999)


async def test_a_tf_config_longer_than_a_variable_is_found_by_the_program_and_by_its_children(
    bench: Bench,
) -> None:
    source = "import os; print(len(os.environ['TF_CONFIG']), flush=True)"
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', \"{source}\"], check=True)"
    hook = json.dumps({"PYTHONPATH": str(programs.HOOK)})
    agent = await bench.start((sys.executable, "-c", f"{source}; {child}"), **{names.ENVIRONMENT: hook})
    places = bench.directory / "c"
    for attempt in (1, 2):
        run = large(attempt)
        bench.want(agent, run)
        seen = await bench.ended(agent, attempt)
        assert seen.last_lines == (str(len(join(run.cluster, "worker", 2999))),) * 2
        assert len(list(places.glob("*.tf-config"))) == 1
    bench.want(agent, Finish())
    assert await agent.end() == 0
    assert list(places.glob("worker-*")) == []


async def test_who_has_no_hook_finds_no_json(bench: Bench) -> None:
    agent = await bench.start(python("import json, os; json.loads(os.environ['TF_CONFIG'])"))
    bench.want(agent, large())
    seen = await bench.ended(agent)
    assert seen.exit_code == 1
    assert "JSONDecodeError" in seen.last_lines[-1]


async def test_a_tf_config_that_cannot_be_written_ends_the_program_and_not_the_agent(bench: Bench) -> None:
    folder = bench.directory / "gone"
    agent = await bench.start(python("print('never')"), **{names.SOCKET_DIR: str(folder)})
    shutil.rmtree(folder)
    bench.want(agent, large())
    seen = await bench.ended(agent)
    assert (seen.exit_code, seen.connected) == (126, True)
    assert seen.start_error.startswith(
        "TF_CONFIG is too long for a variable and cannot be written to a file: [Errno 2]"
    )
    assert seen.last_lines == (f"agent: {seen.start_error}",)
    bench.want(agent, Run(2, {}, '{"worker":["a:1"]}', "worker", 0))
    assert (await bench.ended(agent, 2)).last_lines == ("never",)
