"""What this machine offers: processors, memory and disk, within the limits of our control group.

Called by `doctor`. Reads /proc and /sys where there are any; what cannot be told is None. No judgement here.
"""

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

_Number = TypeVar("_Number", int, float)
_UNLIMITED = 1 << 60
"""Version 1 says `no limit` by a number close to the largest there is."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """Bytes and processors. `memory_limit`, `processor_limit`: of the control group, None without one."""

    processors: int
    processor_limit: float | None = None
    memory: int | None = None
    memory_free: int | None = None
    memory_limit: int | None = None
    disk_free: int | None = None


def look(folder: Path, root: Path = Path("/")) -> Machine:
    """`folder`: where runs will lie, whether it exists or not. `root`: of /proc and /sys."""
    memory = _meminfo(root)
    groups = _groups(root)
    limit = _least(_limit(group) for group in groups)
    return Machine(
        processors=_processors(),
        processor_limit=_least(_quota(group) for group in groups),
        memory=memory.get("MemTotal"),
        memory_free=_least([memory.get("MemAvailable"), *(_left(group) for group in groups)]),
        memory_limit=limit,
        disk_free=_disk_free(folder),
    )


def _processors() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _least(values: Iterable[_Number | None]) -> _Number | None:
    return min((value for value in values if value is not None), default=None)


def _meminfo(root: Path) -> dict[str, int]:
    lines = [line.split() for line in _read(root / "proc/meminfo").splitlines()]
    return {
        words[0].rstrip(":"): int(words[1]) * 1024 for words in lines if len(words) > 1 and words[1].isdigit()
    }


def _groups(root: Path) -> list[Path]:
    """Our control groups and those above them; inside a container the root of the mount is ours."""
    found: list[Path] = []
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        mount = root / "sys/fs/cgroup" / controllers if controllers else root / "sys/fs/cgroup"
        own = mount / place.lstrip("/")
        found += [one for one in (own, *own.parents) if one.is_relative_to(mount) and one not in found]
    return found


def _limit(group: Path) -> int | None:
    value = _number(group / "memory.max")
    value = _number(group / "memory.limit_in_bytes") if value is None else value
    return value if value is not None and value < _UNLIMITED else None


def _left(group: Path) -> int | None:
    """Below the limit; pages of files count as used but are given back when needed."""
    limit = _limit(group)
    used = _number(group / "memory.current")
    used = _number(group / "memory.usage_in_bytes") if used is None else used
    if limit is None or used is None:
        return None
    cached = [line.split() for line in _read(group / "memory.stat").splitlines()]
    spare = [int(words[1]) for words in cached if words[:1] in (["inactive_file"], ["total_inactive_file"])]
    return max(0, limit - used + max(spare, default=0))


def _quota(group: Path) -> float | None:
    words = _read(group / "cpu.max").split()
    if not words:
        words = [_read(group / "cpu.cfs_quota_us").strip(), _read(group / "cpu.cfs_period_us").strip()]
    if len(words) != 2 or not all(word.isdigit() for word in words) or words[1] == "0":
        return None
    return int(words[0]) / int(words[1])


def _disk_free(folder: Path) -> int | None:
    """None also where the current folder, in which `folder` would be made, has been removed."""
    try:
        there = next((one for one in (folder.absolute(), *folder.absolute().parents) if one.exists()), None)
        return shutil.disk_usage(there).free if there else None
    except OSError:
        return None


def _number(path: Path) -> int | None:
    text = _read(path).strip()
    return int(text) if text.isdigit() else None


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
