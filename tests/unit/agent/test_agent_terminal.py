"""An agent and what it starts have no terminal: a program that asks for a password fails instead of stopping."""

from __future__ import annotations

import os
import pty
import sys

import pytest

pytestmark = pytest.mark.process

# As the agent does it: in a group of its own, below the leader of a session that has a terminal.
SCRIPT = """
import os, sys
from orchestrator.agent import linux

def has_terminal():
    try:
        os.close(os.open("/dev/tty", os.O_RDWR))
    except OSError:
        return False
    return True

linux.leave_terminal()  # the leader of the session keeps it
print("leader", has_terminal())
sys.stdout.flush()
child = os.fork()
if child == 0:
    os.setpgid(0, 0)
    before = has_terminal()
    linux.leave_terminal()
    linux.leave_terminal()  # there is none to leave
    grandchild = os.fork()
    if grandchild == 0:
        os._exit(has_terminal())
    status = os.waitpid(grandchild, 0)[1]
    os._exit(before + 2 * has_terminal() + 4 * status)
print("child", os.waitpid(child, 0)[1] >> 8)
print("leader", has_terminal())
"""


def read_all(descriptor: int) -> str:
    text = b""
    try:
        while chunk := os.read(descriptor, 4096):
            text += chunk
    except OSError:  # how a terminal says that nobody holds its other end any more
        pass
    return text.decode()


def test_what_an_agent_starts_has_no_terminal_and_the_session_keeps_its_own() -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", SCRIPT])
    said = read_all(terminal).split()
    os.close(terminal)
    assert os.waitpid(pid, 0)[1] == 0, said
    assert said == ["leader", "True", "child", "1", "leader", "True"]
