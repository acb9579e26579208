"""Which Go builds the Kubernetes of the tests."""

import subprocess
from pathlib import Path

import pytest

from tests.cluster import tools


def _program(path: Path, said: str) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho {said}\n")
    path.chmod(0o755)
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))


def test_a_go_that_is_new_enough_is_taken_from_path(tmp_path: Path) -> None:
    found = _program(tmp_path / "path" / "go", "go1.26.1")
    assert tools.go() == found


@pytest.mark.parametrize("is_there", [False, True], ids=["none", "too old"])
def test_without_a_usable_go_the_compiler_of_the_package_is_taken_not_the_script_beside_it(
    tmp_path: Path, is_there: bool
) -> None:
    if is_there:
        _program(tmp_path / "path" / "go", "go1.19.8")
    package = tools.cache_folder() / tools.go_package()
    _program(package / "bin" / "go", "script")
    _program(package / "go" / "bin" / "go", "compiler")
    assert (
        subprocess.run([tools.go(), "version"], capture_output=True, text=True, check=True).stdout
        == "compiler\n"
    )
