"""The log files of a run: which there are, where their last lines begin, and what was added since the last look.

Used by `logs`. Bytes in, bytes out: programs may write anything. Files are read in pieces, whatever their size.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from orchestrator.api.types import Role

_NAME = re.compile(r"(chief|worker|ps|evaluator)-([0-9]+)\.attempt-([0-9]+)\.log")
_ROLES = tuple(role.value for role in Role)
_PIECE = 1 << 20


@dataclass(frozen=True, order=True)
class LogFile:
    """Output of one start of one replica's program. Sorted by attempt, then as ranks are."""

    attempt: int
    role_order: int
    index: int
    path: Path

    @property
    def replica(self) -> str:
        return f"{_ROLES[self.role_order]}-{self.index}"


def every_file(logs: Path) -> list[LogFile]:
    """Empty when the folder is gone."""
    try:
        names = [one.name for one in logs.iterdir()]
    except OSError:
        return []
    found = [(name, _NAME.fullmatch(name)) for name in names]
    return sorted(
        LogFile(
            attempt=int(match[3]), role_order=_ROLES.index(match[1]), index=int(match[2]), path=logs / name
        )
        for name, match in found
        if match
    )


def tail_offsets(files: Sequence[LogFile], lines: int) -> dict[Path, int]:
    """Where to begin in each file, so that `lines` lines of each replica are left, newer attempts first."""
    left: dict[str, int] = {}
    found: dict[Path, int] = {}
    for file in reversed(files):
        wanted = left.get(file.replica, lines)
        found[file.path], count = _tail(file.path, wanted)
        left[file.replica] = wanted - count
    return found


def _tail(path: Path, lines: int) -> tuple[int, int]:
    """Offset of the last `lines` lines, and how many there are from it to the end."""
    try:
        with path.open("rb") as file:
            end = file.seek(0, 2)
            if not lines or not end:
                return end, 0
            count = 0
            for place in _line_starts(file, end):
                count += 1
                if count == lines:
                    return place, count
            return 0, count + 1
    except OSError:
        return 0, 0


def _line_starts(file: BinaryIO, end: int) -> Iterator[int]:
    """Of the lines that begin behind a line feed, last first. The file's first line is not among them."""
    place = end
    while place > 0:
        start = max(0, place - _PIECE)
        file.seek(start)
        piece = file.read(place - start)
        found = piece.rfind(b"\n")
        while found >= 0:
            if start + found + 1 < end:
                yield start + found + 1
            found = piece.rfind(b"\n", 0, found)
        place = start


class Cursor:
    """A place in a growing file."""

    def __init__(self, file: LogFile, offset: int = 0) -> None:
        self.file = file
        self._offset = offset

    def read(self, *, to_the_end: bool) -> Iterator[bytes]:
        """Lines added since the last call, without their ends; an unfinished one only `to_the_end`."""
        try:
            with self.file.path.open("rb") as source:
                source.seek(self._offset)
                yield from self._lines(source, to_the_end)
        except FileNotFoundError:
            return

    def _lines(self, source: BinaryIO, to_the_end: bool) -> Iterator[bytes]:
        rest = b""
        while piece := source.read(_PIECE):
            *lines, rest = (rest + piece).split(b"\n")
            if len(rest) >= _PIECE:
                lines, rest = [*lines, rest], b""
            self._offset = source.tell() - len(rest)
            yield from lines
        if rest and to_the_end:
            self._offset = source.tell()
            yield rest
