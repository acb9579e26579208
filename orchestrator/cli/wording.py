"""How `tfo run` words durations, numbers, counts and paths, the same in every view; pure.

Called by the renderers and the closing summary. Text that programs wrote is cleaned here before a terminal sees it.
"""

import re
import shlex
from datetime import UTC, datetime
from pathlib import Path

_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Controls, separators of lines, changes of the direction of writing, and what no encoding has."""
MAX_LINE = 500


def clean(text: str) -> str:
    """One line without escape sequences, of bearable length; what cannot be printed is replaced."""
    one_line = text.replace("\t", "    ").replace("\r", "").replace("\n", " ")
    plain = _UNPRINTABLE.sub("\ufffd", _ESCAPES.sub("", one_line))
    return plain if len(plain) <= MAX_LINE else plain[: MAX_LINE - 1] + "…"


def duration(seconds: float) -> str:
    """0:07, 12:30, 1:02:03, 2 d 03:04:05."""
    whole = max(int(seconds), 0)
    days, rest = divmod(whole, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, left = divmod(rest, 60)
    if days:
        return f"{days} d {hours:02}:{minutes:02}:{left:02}"
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def step_time(seconds: float) -> str:
    """0.4 ms/step, 41 ms/step, 2.3 s/step."""
    if seconds >= 1:
        return f"{seconds:.1f} s/step"
    return f"{seconds * 1000:.0f} ms/step" if seconds >= 0.01 else f"{seconds * 1000:.1f} ms/step"


def metric(value: float) -> str:
    """Three places where they say something, else as many digits as are needed."""
    if 0.001 <= abs(value) < 1000:
        return f"{value:.3f}"
    return f"{value:.3g}" if value else "0"


def rate(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def count(number: int, noun: str) -> str:
    """1 restart, 2 restarts."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def clock(moment: datetime) -> str:
    """Local time of day, for lines that people read."""
    return moment.astimezone().strftime("%H:%M:%S")


def timestamp(moment: datetime) -> str:
    """UTC with milliseconds, for machines."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def title(job: str, number: int | None, namespace: str) -> str:
    """digits-cnn/3, a run on this machine; team/digits-cnn, a job on a cluster."""
    return f"{namespace}/{job}" if number is None else f"{job}/{number}"


def near(path: Path, folder: Path) -> str:
    """The path as it can be typed in `folder`: relative where it lies inside."""
    try:
        return str(path.absolute().relative_to(folder.absolute()))
    except ValueError:
        return str(path)


def command(*words: str) -> str:
    """A line for a shell, quoted where it must be."""
    return shlex.join(words)
