"""What only Linux offers: death signal of the parent, child subreaper, leaving the terminal, and the tree in /proc.

Called by `agent.main` and `agent.process`. Everything tolerates processes that vanish while being looked at.
Python 3.9, standard library only.
"""

from __future__ import annotations

import ctypes
import os
import termios
from fcntl import ioctl
from typing import Dict, List, NamedTuple, Optional

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_MOST_LOOKED_AT = 64
_prctl = ctypes.CDLL(None, use_errno=True).prctl


def set_death_signal(number: int) -> None:
    """The kernel sends us this signal when the thread that started us ends. Safe between fork and exec."""
    _prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0)


def become_subreaper() -> None:
    """Orphaned descendants become our children instead of init's. Raises OSError."""
    if _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "cannot become a child subreaper")


def leave_terminal() -> None:
    """Give up the controlling terminal, for all that we start too, as a new session would; without one: nothing.

    Not a new session: the kernel may divide the processors between sessions (CONFIG_SCHED_AUTOGROUP), and programs
    that wait for one another at every step lose by that. The leader of a session keeps its terminal, since giving it
    up would take it from the whole session.
    """
    if os.getsid(0) == os.getpid():
        return
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        ioctl(terminal, termios.TIOCNOTTY)
    finally:
        os.close(terminal)


class Process(NamedTuple):
    """One line of /proc: `state` is the kernel's letter (R running, S sleeping, T stopped, Z zombie)."""

    parent: int
    state: str


def look_at(pid: int) -> Optional[Process]:
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            line = file.read()
    except OSError:
        return None
    # The name, in parentheses, may itself hold spaces and parentheses.
    state, parent = line[line.rindex(b")") + 2 :].split(None, 2)[:2]
    return Process(int(parent), state.decode("ascii", "replace"))


def descendants(root: int) -> List[int]:
    """All living descendants, ascending; zombies are followed but not listed."""
    table = _all_processes()
    children: Dict[int, List[int]] = {}
    for pid, process in table.items():
        children.setdefault(process.parent, []).append(pid)
    found, queue = [], list(children.get(root, ()))
    while queue:
        pid = queue.pop()
        queue.extend(children.get(pid, ()))
        if table[pid].state not in ("Z", "X"):
            found.append(pid)
    return sorted(found)


def _all_processes() -> Dict[int, Process]:
    looked = {int(name): look_at(int(name)) for name in os.listdir("/proc") if name.isdigit()}
    return {pid: process for pid, process in looked.items() if process is not None}


def is_stopped(pid: int) -> bool:
    """Whether the process, or one that its first thread started (a shell's command), is in job-control stop."""
    queue = [pid]
    for _ in range(_MOST_LOOKED_AT):
        if not queue:
            break
        looked_at = queue.pop()
        process = look_at(looked_at)
        if process is not None and process.state == "T":
            return True
        queue.extend(_children(looked_at))
    return False


def _children(pid: int) -> List[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(word) for word in file.read().split()]
    except OSError:
        return []
