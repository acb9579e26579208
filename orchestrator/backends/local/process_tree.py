"""Descendants of this process: who they are, and how to leave none behind.

Called by the local backend after an agent has died and at the end of a run. This process is a child subreaper, so
whatever an agent left behind becomes its child, however it was started. Linux only; only ever signals own
descendants.
"""

import asyncio
import ctypes
import os
import signal
from collections.abc import Iterable
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.01


def become_subreaper() -> None:
    """Orphans of our agents come to us, not to init. Raises OSError."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER) failed")


def parents() -> dict[int, int]:
    """Parent of every process on this machine, zombies included."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            parent = _parent(entry)
            if parent is not None:
                found[int(entry.name)] = parent
    return found


def _parent(entry: Path) -> int | None:
    """Field 4 of /proc/PID/stat; the name before it may hold anything, so count from its closing bracket."""
    try:
        text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return int(text.rpartition(")")[2].split()[1])


def descendants(roots: Iterable[int], known: dict[int, int]) -> list[int]:
    """The roots and everything below them."""
    children: dict[int, list[int]] = {}
    for pid, parent in known.items():
        children.setdefault(parent, []).append(pid)
    found, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def orphans(agents: Iterable[int]) -> list[int]:
    """Our children that are not agents: what dead agents left behind."""
    known, mine = parents(), set(agents)
    return [pid for pid, parent in known.items() if parent == os.getpid() and pid not in mine]


async def sweep(agents: Iterable[int]) -> bool:
    """Kills and reaps everything that is below us but not below a living agent. False: something would not die."""
    kept = list(agents)
    limit = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
    while left := orphans(kept):
        for pid in descendants(left, parents()):
            kill(pid)
        for pid in left:
            _reap(pid)
        if asyncio.get_running_loop().time() > limit:
            return False
        await asyncio.sleep(_LOOK_SECONDS)
    return True


def kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _reap(pid: int) -> None:
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
