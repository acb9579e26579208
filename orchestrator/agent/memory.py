"""Whether the kernel killed for want of memory: the oom_kill counter of our cgroup (version 2 or 1), else the host's.

Called by `agent.process` before a program starts and after it was killed. Best effort: no counter, no claim; and the
host's, which counts everybody's processes, makes it no more than probable that ours was among them.
Python 3.9, standard library only.
"""

from __future__ import annotations

from typing import NamedTuple, Optional, Tuple

_COUNTER = "oom_kill"


class Kills(NamedTuple):
    """`number` of processes killed so far. `is_ours`: by the count of our own cgroup, not of the whole machine."""

    number: int
    is_ours: bool


def oom_kills(proc: str = "/proc", cgroups: str = "/sys/fs/cgroup") -> Optional[Kills]:
    """None where nothing tells."""
    for path in _cgroup_files(proc, cgroups):
        count = _read(path)
        if count is not None:
            return Kills(count, True)
    count = _read(f"{proc}/vmstat")
    return None if count is None else Kills(count, False)


def _cgroup_files(proc: str, cgroups: str) -> Tuple[str, ...]:
    """Where our own counters may be; inside a container the path of the host is not there, but the root is ours."""
    try:
        with open(f"{proc}/self/cgroup", encoding="utf-8", errors="replace") as file:
            lines = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return ()
    found = []
    for fields in lines:
        if len(fields) == 3 and fields[1] == "":
            found += [f"{cgroups}{fields[2]}/memory.events", f"{cgroups}/memory.events"]
        elif len(fields) == 3 and "memory" in fields[1].split(","):
            found += [
                f"{cgroups}/memory{fields[2]}/memory.oom_control",
                f"{cgroups}/memory/memory.oom_control",
            ]
    return tuple(found)


def _read(path: str) -> Optional[int]:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            for line in file:
                words = line.split()
                if len(words) == 2 and words[0] == _COUNTER and words[1].isdigit():
                    return int(words[1])
    except OSError:
        pass
    return None
