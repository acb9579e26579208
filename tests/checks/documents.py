"""Takes Markdown apart for the checks: its code blocks and its links.

Knows fences and inline links, no more of Markdown. Holds no rule.
"""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from tests.checks.source_tree import list_files, read

_FENCE = re.compile(r"^ *```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
_INLINE = re.compile(r"`(?P<text>[^`\n]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it is, its language, its text."""

    file: str
    language: str
    text: str


def list_documents() -> tuple[str, ...]:
    return tuple(name for name in list_files() if name.endswith(".md"))


def find_blocks(name: str) -> Iterator[Block]:
    return (Block(name, found["language"], found["text"]) for found in _FENCE.finditer(read(name)))


def find_links(name: str) -> Iterator[str]:
    """Link targets outside code."""
    return (found["target"] for found in _LINK.finditer(_FENCE.sub("", read(name))))


def find_commands(name: str, program: str) -> Iterator[tuple[str, ...]]:
    """Command lines that start with this program, as words: `$ tfo ps` in a block, or `tfo ps` in a sentence."""
    lines = [line.strip().removeprefix("$ ") for line in _shell_lines(name)]
    for line in (*lines, *(found["text"] for found in _INLINE.finditer(_FENCE.sub("", read(name))))):
        if line == program or line.startswith(f"{program} "):
            yield _words(line)


def _shell_lines(name: str) -> Iterator[str]:
    """A block in which some lines have a prompt shows output too: then only lines with a prompt are commands."""
    for block in find_blocks(name):
        if block.language in ("sh", "bash", "shell", "console", ""):
            lines = block.text.replace("\\\n", " ").splitlines()
            prompted = [line for line in lines if line.lstrip().startswith("$ ")]
            yield from prompted or lines


def _words(line: str) -> tuple[str, ...]:
    """The command's own words: without what follows a comment sign, a pipe, a redirection, `&&` or `;`."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words = list(lexer)
    end = next((at for at, word in enumerate(words) if word and set(word) <= set("|&;<>")), len(words))
    return tuple(words[:end])
