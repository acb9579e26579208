"""What is wrong in a user's input, and where: field paths, positions, errors.

Made by `parse`, `validation`, `overrides` and `arguments`; printed by the command line, `str(error)` being the whole
line. Values only: nothing here raises, prints or decides what is wrong.
"""

from collections.abc import Callable

import msgspec

Path = tuple[str | int, ...]
"""Where in a document: keys and list indexes, outermost first."""

MAX_ERRORS = 100
_SURROGATES = range(0xD800, 0xE000)


class Position(msgspec.Struct, frozen=True):
    """A place in a file, counted from 1; line 0: the source as a whole."""

    file: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}" if self.line else self.file


class FieldError(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, in words for the user that also say what would be right.

    `related`: other fields that the judgement rests on; where one of them could not be read, it is not made. Of what
    could not be read itself: the missing field that was probably meant.
    """

    path: Path
    message: str
    position: Position | None = None
    related: tuple[Path, ...] = ()

    def __str__(self) -> str:
        parts = (str(self.position) if self.position else "", format_path(self.path), self.message)
        return ": ".join(part for part in parts if part)


Locator = Callable[[Path], Position]
"""Finds the place of a path in its source, or of the nearest parent that stands there."""


class Errors:
    """Collects the errors of one source; from MAX_ERRORS on they are only counted, so no input floods anybody."""

    def __init__(self) -> None:
        self.items: list[FieldError] = []
        self.dropped = 0

    @property
    def is_full(self) -> bool:
        return len(self.items) >= MAX_ERRORS

    def add(
        self, path: Path, message: str, position: Position | None = None, related: tuple[Path, ...] = ()
    ) -> None:
        if self.is_full:
            self.dropped += 1
        else:
            self.items.append(FieldError(path=path, message=message, position=position, related=related))


def format_path(path: Path) -> str:
    """`spec.template.spec.containers[0].name`; a key that is no plain word is quoted: `metadata.labels["a.b/c"]`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif part.replace("_", "a").replace("-", "a").isalnum() and len(part) <= 64:
            text += f".{part}" if text else part
        else:
            text += "[" + quote(part, mark='"') + "]"
    return text


def quote(text: str, limit: int = 60, mark: str = "'") -> str:
    """In quotes, cut to a readable length, control characters escaped."""
    shown = text if len(text) <= limit else f"{text[: limit - 1]}…"
    return f"{mark}{''.join(_escape(char, mark) for char in shown)}{mark}"


def _escape(char: str, mark: str) -> str:
    if char in (mark, "\\"):
        return f"\\{char}"
    return char if char.isprintable() else ascii(char)[1:-1]


def is_utf8(text: str) -> bool:
    """Python has surrogates in place of bytes that are not: in words of a command line, in names of files."""
    return not any(ord(char) in _SURROGATES for char in text)


def is_near(path: Path, other: Path) -> bool:
    """One holds the other, or they are the same."""
    shared = min(len(path), len(other))
    return path[:shared] == other[:shared]
