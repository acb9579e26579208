"""A cgroup for each node: all its pods live in it, and with it they end.

Called by `nodes`. Both layouts: one folder under every controller (version 1), or one in all (version 2). Needs root.
"""

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_OURS = ("cpu", "cpuacct", "cpuset", "memory", "devices", "freezer", "blkio", "pids", "systemd", "unified")
_KILL_SECONDS = 20.0
_ENABLED = "+cpu +cpuset +memory +pids +io"


def make(name: str) -> None:
    """The kubelet wants it to exist, and cpuset to have values."""
    for folder in _folders(name):
        folder.mkdir(exist_ok=True)
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not _is_unified() and (folder / file).exists():
                (folder / file).write_text((folder.parent / file).read_text())
    if _is_unified():
        (_ROOT / "cgroup.subtree_control").write_text(_ENABLED)


def kill(name: str) -> None:
    """Every process in it, until none is left. Raises RuntimeError for one that does not go."""
    limit = time.monotonic() + _KILL_SECONDS
    while found := _processes(name):
        if time.monotonic() > limit:
            raise RuntimeError(f"processes of {name} do not end: {sorted(found)}")
        for one in found:
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        time.sleep(0.02)


def remove(name: str) -> None:
    """Empty ones; a folder that the kernel still holds stays behind."""
    for folder in _folders(name):
        for inner, _, _ in os.walk(folder, topdown=False):
            with suppress(OSError):
                os.rmdir(inner)


def _folders(name: str) -> list[Path]:
    if _is_unified():
        return [_ROOT / name]
    return [_ROOT / controller / name for controller in _OURS if (_ROOT / controller).is_dir()]


def _is_unified() -> bool:
    return (_ROOT / "cgroup.controllers").exists()


def _processes(name: str) -> set[int]:
    found: set[int] = set()
    for folder in _folders(name):
        for path in folder.rglob("cgroup.procs"):
            with suppress(OSError):
                found |= {int(word) for word in path.read_text().split()}
    return found - {0}  # one of another process namespace, which is none of ours
