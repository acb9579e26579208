"""What the documents promise exists: links lead somewhere, commands parse, job files and Python are valid.

A placeholder in capitals (`JOB`, `FILE`) or in dots stands for something of the reader's, so such lines are only
checked as far as the command goes. The YAML of pages about other systems is theirs.
"""

import ast
from pathlib import PurePosixPath

import pytest
import yaml

from orchestrator.api.load import load_text
from orchestrator.api.types import API_VERSION
from orchestrator.cli import arguments
from orchestrator.cli.commands import COMMANDS
from orchestrator.cli.errors import UsageError
from tests.checks.documents import find_blocks, find_commands, find_links, list_documents
from tests.checks.source_tree import ROOT, list_files, read

every_document = pytest.mark.parametrize("name", list_documents())
every_job_file = pytest.mark.parametrize(
    "name",
    [name for name in list_files() if name.startswith("examples/") and name.endswith((".yaml", ".yml"))],
)


@every_document
def test_links_lead_to_a_file(name: str) -> None:
    folder = (ROOT / name).parent
    inside = (target.partition("#")[0] for target in find_links(name) if "://" not in target)
    assert [target for target in inside if target and not (folder / target).exists()] == []


@every_document
def test_make_targets_exist(name: str) -> None:
    known = {line.partition(":")[0] for line in read("Makefile").splitlines() if ":" in line}
    named = {word for words in find_commands(name, "make") for word in words[1:] if "=" not in word}
    assert {word for word in named if word.isalpha() and word.islower()} - known == set()


@every_document
def test_commands_are_understood(name: str) -> None:
    refused = [" ".join(words) for words in find_commands(name, "tfo") if not _is_understood(words[1:])]
    assert refused == []


def _is_understood(words: tuple[str, ...]) -> bool:
    if not words or words[0].isupper() or words[0].startswith("-"):
        return True
    if any(word.strip("[]").isupper() or "…" in word or "..." in word for word in words):
        return words[0] in {command.name for command in COMMANDS}
    try:
        arguments.parse(words, {})
    except UsageError:
        return len(words) == 1 and words[0] in {command.name for command in COMMANDS}
    except SystemExit as end:
        return end.code == 0
    return True


@every_document
def test_job_files_in_documents_are_valid(name: str) -> None:
    jobs = [
        block.text for block in find_blocks(name) if API_VERSION in block.text and block.language == "yaml"
    ]
    assert [_errors(text, name) for text in jobs if _errors(text, name)] == []


@every_job_file
def test_examples_are_valid(name: str) -> None:
    assert _errors(read(name), name) == []


def _errors(text: str, name: str) -> list[str]:
    return [str(error) for error in load_text(text, name).errors]


def test_the_readmes_job_is_the_example_that_it_runs() -> None:
    """Written more tightly, but the same job."""
    (shown,) = (block.text for block in find_blocks("README.md") if API_VERSION in block.text)
    assert load_text(shown, "README.md").jobs == load_text(read("examples/cnn.yaml"), "cnn.yaml").jobs != ()


@every_document
def test_python_in_documents_parses(name: str) -> None:
    for block in find_blocks(name):
        if block.language in ("python", "py"):
            ast.parse(block.text)


def test_yaml_of_the_repository_parses() -> None:
    for name in list_files():
        if PurePosixPath(name).suffix in (".yaml", ".yml") and not name.startswith(("tests/", "helm/")):
            list(yaml.safe_load_all(read(name)))
