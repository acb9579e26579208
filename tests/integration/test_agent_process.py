"""The agent's hold on processes, without a coordinator: in a child of this process, which becomes a subreaper."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.agent import main
from orchestrator.protocol import agent_environment as names

pytestmark = pytest.mark.process


def in_a_child(source: str) -> object:
    """What this source says on standard output, in a process of its own with the agent's parts imported."""
    head = """
import json, os, signal, sys, time
from orchestrator.agent import linux, memory, process
from orchestrator.agent.process import Command, Program, kill_everything
linux.become_subreaper()
def say(value): print(json.dumps(value), flush=True)
def start(*argv):
    program = Program(); program.record(1)
    program.start(Command(argv, dict(os.environ)), 2, 1.0)
    return program
def end(program, now=2.0):
    while program.view.alive:
        program.reap(now); time.sleep(0.01)
    return program
"""
    done = subprocess.run([sys.executable, "-c", head + source], capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return json.loads(done.stdout)


def test_a_death_by_sigkill_beside_a_kill_for_memory_is_out_of_memory() -> None:
    source = """
kills = iter([5, 6, 5, 5, None, 5, 5])
process.oom_kills = lambda: (count := next(kills)) and memory.Kills(count, True)
found = [end(start("sh", "-c", "kill -9 $$")).oom for _ in range(3)]
asked = start("sleep", "60"); asked.kill(1.0)
found += [end(asked).oom, end(start("sh", "-c", "kill -15 $$")).oom]
say(found)
"""
    # The third has no counter at its start and looks at none; the fourth was asked for, the fifth another signal.
    assert in_a_child(source) == [True, False, False, False, False]


def test_what_only_the_whole_machine_counted_is_no_more_than_probable() -> None:
    source = """
found = []
for before, after in ((5, False), (6, False)), ((5, False), (5, False)), ((5, False), (6, True)), ((5, False), None):
    kills = iter([before, after])
    process.oom_kills = lambda: (seen := next(kills)) and memory.Kills(*seen)
    program = end(start("sh", "-c", "kill -9 $$"))
    found.append([program.oom, program.remark])
program.record(2)
say([*found, program.remark])
"""
    probable = "agent: probably out of memory: the kernel killed for want of it on this machine meanwhile"
    assert in_a_child(source) == [[False, probable], [False, ""], [False, ""], [False, ""], ""]


def test_an_end_that_came_before_the_order_was_not_asked_for() -> None:
    source = """
found = []
for order in (lambda program: program.kill(2.0), lambda program: program.terminate(2.0, 9.0)):
    program = start("sh", "-c", "exit 4")
    os.waitid(os.P_PID, program.pid, os.WEXITED | os.WNOWAIT)
    order(program)
    found.append([program.view.exit_code, program.asked, program.view.alive])
say(found)
"""
    assert in_a_child(source) == [[4, False, False], [4, False, False]]


def test_the_last_resort_kills_all_descendants() -> None:
    source = """
program = start("sh", "-c", "setsid sleep 600 & sleep 600 & wait")
while len(linux.descendants(os.getpid())) < 3: time.sleep(0.01)
kill_everything()
say(linux.descendants(os.getpid()))
"""
    assert in_a_child(source) == []


def test_the_tree_in_proc_is_read_whatever_a_process_is_called() -> None:
    source = """
program = start(sys.executable, "-SEc", "import time; open('/proc/self/comm', 'w').write(') Z 1 ('); time.sleep(600)")
while linux.look_at(program.pid).state != "S" or ") Z" not in open(f"/proc/{program.pid}/comm").read():
    time.sleep(0.01)
found = [linux.look_at(program.pid) == (os.getpid(), "S"), linux.descendants(os.getpid()) == [program.pid]]
program.kill(2.0)
say([*found, linux.look_at(end(program).pid), linux.is_stopped(program.pid)])
"""
    assert in_a_child(source) == [True, True, None, False]


def test_modules_in_the_current_directory_are_not_the_agents(tmp_path: Path) -> None:
    for name in ("random", "grpc", "selectors", "json", "socket"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the wrong place')")
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.agent"],
        env={"PYTHONPATH": str(Path(main.__file__).parents[2])},
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (main.EXIT_WRONG_CONFIG, b"agent: TFO_AGENT_ROLE is not set\n")


@pytest.mark.parametrize(
    ("variables", "code", "message"),
    [
        ({}, main.EXIT_WRONG_CONFIG, "agent: TFO_AGENT_ROLE is not set"),
        ({names.PARENT_FD: "999"}, main.EXIT_INTERNAL, "Bad file descriptor"),
        (
            {names.SOCKET_DIR: "/nowhere/run"},
            main.EXIT_WRONG_CONFIG,
            "agent: TFO_AGENT_SOCKET_DIR is '/nowhere/run', which cannot be made: [Errno 2]",
        ),
    ],
)
def test_an_agent_that_cannot_begin_says_why(variables: dict[str, str], code: int, message: str) -> None:
    needed = {
        names.ADDRESS: "unix:/nowhere",
        names.JOB_UID: "job",
        names.ROLE: "chief",
        names.INDEX: "0",
        names.UID: "uid",
        names.COMMAND: '["true"]',
    }
    environ = variables and needed | variables
    done = subprocess.run(
        [sys.executable, "-m", "orchestrator.agent"],
        env=environ,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == code
    assert message in done.stderr.decode()
