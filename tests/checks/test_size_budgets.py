"""Budgets that keep the code readable: short files, short functions, a module docstring that says what this is.

The budgets hold for tests and benchmarks as for the package. Numbers of arguments and complexity are ruff's to check.
"""

import ast
import statistics
from pathlib import PurePath

import pytest

from tests.checks.source_tree import CODE, count_lines, find_functions, list_python, parse, read

MAX_FILE_LINES = 399
MAX_FUNCTION_LINES = 50
MEDIAN_FUNCTION_LINES = 10
MAX_DOCSTRING_LINES = 8
LINES_THAT_NEED_MORE_THAN_A_TITLE = 60
NAMES_THAT_SAY_NOTHING = {"common", "helper", "helpers", "manager", "misc", "util", "utils"}


def test_no_file_is_too_long() -> None:
    lengths = {name: len(read(name).splitlines()) for name in list_python(*CODE)}
    assert {name: length for name, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_no_function_is_too_long() -> None:
    long = [
        f"{name}:{function.lineno} {function.name}: {count_lines(function)} lines"
        for name in list_python(*CODE)
        for function in find_functions(name)
        if count_lines(function) > MAX_FUNCTION_LINES
    ]
    assert long == []


@pytest.mark.parametrize("folder", CODE)
def test_most_functions_are_short(folder: str) -> None:
    lengths = [count_lines(function) for name in list_python(folder) for function in find_functions(name)]
    assert lengths, f"no function found in {folder}"
    assert statistics.median(lengths) < MEDIAN_FUNCTION_LINES


def test_every_module_says_what_it_is() -> None:
    silent = [name for name in list_python(*CODE) if not ast.get_docstring(parse(name))]
    assert silent == []


def test_module_docstrings_are_short_and_of_long_modules_more_than_a_title() -> None:
    wrong = [
        f"{name}: {lines} lines"
        for name in list_python("orchestrator")
        if not _docstring_lines_at_least(name) <= (lines := _docstring_lines(name)) <= MAX_DOCSTRING_LINES
    ]
    assert wrong == []


def _docstring_lines(name: str) -> int:
    return sum(bool(line.strip()) for line in (ast.get_docstring(parse(name)) or "").splitlines())


def _docstring_lines_at_least(name: str) -> int:
    return 2 if len(read(name).splitlines()) > LINES_THAT_NEED_MORE_THAN_A_TITLE else 1


def test_no_module_is_a_drawer_for_everything() -> None:
    assert [name for name in list_python(*CODE) if PurePath(name).stem in NAMES_THAT_SAY_NOTHING] == []


def test_test_files_have_unique_names() -> None:
    """So that a failing test's file name says which one it is."""
    names = [PurePath(name).name for name in list_python("tests") if PurePath(name).name.startswith("test_")]
    assert sorted({name for name in names if names.count(name) > 1}) == []
