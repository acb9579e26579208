"""The repository as a whole: a lock that pins everything and names no host, one version, nothing left undone.

What a reader of the project would stumble over, and no other tool looks for.
"""

import re
import tomllib

import pytest

from orchestrator.version import __version__
from tests.checks.source_tree import CODE, ROOT, list_files, list_python, read

LOCK = "requirements.lock"
_REQUIREMENT = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)==\S+", re.MULTILINE)
# Spelled so that this file does not contain them.
_UNDONE = re.compile(rf"\b({'|'.join(('TO' + 'DO', 'FIX' + 'ME', 'X' * 3))})\b")
_MACHINE_PATHS = re.compile("|".join(("/" + "work/", "/" + "root/", "/" + r"home/\w")))


def _normalise(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _project() -> dict[str, list[str | dict[str, str]]]:
    """All requirement lists of pyproject.toml by name."""
    table = tomllib.loads(read("pyproject.toml"))
    return {"base": table["project"]["dependencies"], **table["dependency-groups"]}


def test_the_lock_holds_everything_that_the_project_asks_for() -> None:
    asked = [one for group in _project().values() for one in group if isinstance(one, str)]
    names = {_normalise(re.split(r"[<>=!~\[; ]", one)[0]) for one in asked}
    locked = {_normalise(found["name"]) for found in _REQUIREMENT.finditer(read(LOCK))}
    assert names - locked == set()


def test_every_locked_version_has_a_hash() -> None:
    entries = re.split(r"\n(?=\S)", read(LOCK).strip())
    assert [
        entry.splitlines()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry
    ] == []


def test_locks_name_no_host() -> None:
    locks = [name for name in list_files() if name.endswith(".lock")]
    assert LOCK in locks
    assert [name for name in locks if "://" in read(name)] == []


def test_the_changelog_knows_this_version() -> None:
    assert re.search(rf"^## .*\b{re.escape(__version__)}\b", read("CHANGELOG.md"), re.MULTILINE)


def test_nothing_is_left_undone_in_the_code() -> None:
    assert [name for name in list_python(*CODE) if _UNDONE.search(read(name))] == []
    assert [name for name in list_python("orchestrator") if "raise NotImplementedError" in read(name)] == []


def test_no_file_names_a_place_on_one_machine() -> None:
    texts = [name for name in list_files() if name.endswith((".py", ".md", ".toml", ".yaml", ".sh"))]
    assert [name for name in texts if _MACHINE_PATHS.search(read(name))] == []


def test_no_test_is_skipped_by_a_mark() -> None:
    marks = re.compile(r"pytest\.mark\.(skip|xfail)\b")
    own = "tests/checks/test_repository.py"
    assert [name for name in list_python("tests") if name != own and marks.search(read(name))] == []


@pytest.mark.parametrize(
    "name", ["Makefile", ".ci/run", "LICENSE", "README.md", "CONTRIBUTING.md", "CHANGELOG.md"]
)
def test_what_every_contributor_looks_for_is_there(name: str) -> None:
    assert (ROOT / name).is_file()


def test_ci_can_be_called() -> None:
    assert (ROOT / ".ci/run").stat().st_mode & 0o111 == 0o111
