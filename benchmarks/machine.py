"""The machine that figures were measured on, in one line, and whether it is idle enough to be believed.

Read at the start of every benchmark. Linux only.
"""

import os
import platform
import re
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

BUSY = 0.5
"""Load average of the last minute above which figures say little."""
_MODEL = re.compile(r"^model name\s*:\s*(.+)$", re.MULTILINE)
_MEMORY = re.compile(r"^MemTotal:\s*(\d+) kB$", re.MULTILINE)


def describe(today: date) -> str:
    cores = len(os.sched_getaffinity(0))
    return (
        f"{today.isoformat()}: {cores} cores ({parse_model(_read('/proc/cpuinfo'))}),"
        f" {parse_memory_gib(_read('/proc/meminfo')):.0f} GiB of memory, Linux {platform.release()}, Python"
        f" {platform.python_version()}, TensorFlow {_tensorflow()}, load average {os.getloadavg()[0]:.2f} at the start"
    )


def warn_if_busy(load: float) -> str:
    """Empty where the machine is idle enough."""
    if load <= BUSY:
        return ""
    return (
        f"warning: the load average is {load:.2f}, above {BUSY}: something else runs here, believe no figure"
    )


def parse_model(cpuinfo: str) -> str:
    found = _MODEL.search(cpuinfo)
    return found[1] if found else platform.machine()


def parse_memory_gib(meminfo: str) -> float:
    found = _MEMORY.search(meminfo)
    return int(found[1]) / 2**20 if found else 0.0


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8")


def _tensorflow() -> str:
    for name in ("tensorflow", "tensorflow-cpu"):
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "absent"
