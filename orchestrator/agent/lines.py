"""Turn a program's raw output into log lines: pure, bounded, and without a flood of progress bars.

Used by `agent.logs`. A carriage return or backspace starts a new frame of a line that is being redrawn; of such
frames one in a few seconds is kept, and the last. Python 3.9, standard library only.
"""

from __future__ import annotations

import codecs
import re
from collections import deque
from typing import Deque, List, Tuple

MAX_LINE = 16 * 1024
"""Characters after which a line is broken, so that memory stays bounded."""
PROGRESS_SECONDS = 5.0
TAIL_LINES = 20
TAIL_LINE = 1000
TAIL_BYTES = 16 * 1024

_MOVES = re.compile("([\n\r\b])")
_ESCAPES = re.compile("\x1b(?:\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(?:\x07|\x1b\\\\)|[@-Z\\\\^_])")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f]")


class Lines:
    """Bytes in, whole lines out. `feed` and `flush` return what has become final."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._back = 0
        self._returned = False
        self._progress_at = float("-inf")

    def feed(self, data: bytes, now: float) -> List[str]:
        text = self._decoder.decode(data)
        if self._returned or self._back or "\r" in text or "\b" in text:
            found = self._feed_redrawn(text, now)
        else:
            *found, self._line = (self._line + text).split("\n")
        if len(self._line) > MAX_LINE:
            *pieces, self._line = _pieces(self._line)
            found += pieces
        return [clean(piece) for line in found for piece in _pieces(line)]

    def flush(self) -> List[str]:
        """What is left at the end of the output."""
        line = self._line + self._decoder.decode(b"", final=True)
        self._line, self._back, self._returned = "", 0, False
        return [clean(piece) for piece in _pieces(line)] if line else []

    def _feed_redrawn(self, text: str, now: float) -> List[str]:
        found: List[str] = []
        for token in _MOVES.split(text):
            if token == "\n":
                found.append(self._line)
                self._line, self._back, self._returned = "", 0, False
            elif token == "\r":
                self._returned = True
            elif token == "\b":
                self._back += 1
            elif token:
                found += self._frame(now)
                self._line += token
        return found

    def _frame(self, now: float) -> List[str]:
        """Text is about to overwrite the line: is its present state worth a line of the log?"""
        if not (self._returned or self._back):
            return []
        frame = self._line
        self._line = "" if self._returned else frame[: max(0, len(frame) - self._back)]
        self._back, self._returned = 0, False
        if not frame.strip() or now - self._progress_at < PROGRESS_SECONDS:
            return []
        self._progress_at = now
        return [frame.rstrip()]


class Tail:
    """The last lines, few and short."""

    def __init__(self) -> None:
        self._lines: Deque[str] = deque(maxlen=TAIL_LINES)

    def add(self, lines: List[str]) -> None:
        self._lines.extend(line[:TAIL_LINE] for line in lines[-TAIL_LINES:] if line.strip())

    def lines(self) -> Tuple[str, ...]:
        """The newest that fit into TAIL_BYTES."""
        found: List[str] = []
        room = TAIL_BYTES
        for line in reversed(tuple(self._lines)):
            room -= len(line.encode())
            if room < 0:
                break
            found.append(line)
        return tuple(reversed(found))


def clean(line: str) -> str:
    """Without colours and other terminal control, so that a log is safe to print anywhere."""
    if line.isprintable():
        return line
    return _CONTROL.sub("\ufffd", _ESCAPES.sub("", line))


def _pieces(line: str) -> List[str]:
    if len(line) <= MAX_LINE:
        return [line]
    return [line[start : start + MAX_LINE] for start in range(0, len(line), MAX_LINE)]
