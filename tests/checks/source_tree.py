"""The repository's own files, as the checks in this folder look at them.

Reads what git knows or would add (so build outputs and runs stay out), and parses Python once per file. Holds no rule:
each `test_` module beside it has its own.
"""

import ast
import functools
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("orchestrator", "tests", "benchmarks", "examples")
TRAVELLING = ("orchestrator/agent", "orchestrator/protocol", "orchestrator/train")
"""Packages that are put into users' images: Python 3.9 and its standard library."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def list_files() -> tuple[str, ...]:
    """All files of the repository that exist, relative to its root, sorted."""
    command = ("git", "ls-files", "--cached", "--others", "--exclude-standard")
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return tuple(sorted(name for name in set(done.stdout.splitlines()) if (ROOT / name).is_file()))


def list_python(*folders: str) -> tuple[str, ...]:
    """Python files in these folders."""
    return tuple(
        name
        for name in list_files()
        if name.endswith(".py") and name.startswith(tuple(f"{f}/" for f in folders))
    )


@functools.cache
def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@functools.cache
def parse(name: str) -> ast.Module:
    return ast.parse(read(name), filename=name)


def find_functions(name: str) -> Iterator[Function]:
    """All functions and methods of a file, nested ones too."""
    return (
        node for node in ast.walk(parse(name)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def count_lines(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1
