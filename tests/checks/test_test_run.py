"""The promises of the test run itself: a process left behind is found, and where asked for a skip fails the run."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.checks.source_tree import ROOT
from tests.fixtures.leftovers import wait_for_leftovers

pytestmark = pytest.mark.process
VARIABLE = "MARK_OF_A_TEST_OF_LEFTOVERS"


def test_a_process_is_found_after_its_parent_has_ended(tmp_path: Path) -> None:
    mark = str(tmp_path)
    script = "sleep 100 >/dev/null 2>&1 & echo $!"
    orphan = subprocess.check_output(
        ("setsid", "sh", "-c", script), env=os.environ | {VARIABLE: mark}, text=True
    )
    try:
        assert wait_for_leftovers(VARIABLE, mark, seconds=0) == [f"{orphan.strip()} sleep 100"]
    finally:
        os.kill(int(orphan), signal.SIGKILL)
    assert wait_for_leftovers(VARIABLE, mark, seconds=10) == []


@pytest.mark.parametrize(("arguments", "code"), [((), 0), (("--no-skips",), 1)])
def test_a_skip_fails_the_run_only_where_asked_for(
    tmp_path: Path, arguments: tuple[str, ...], code: int
) -> None:
    test = tmp_path / "test_skipping.py"
    test.write_text("import pytest\n\ndef test_it():\n    pytest.skip('no such thing here')\n")
    plugins = ("-p", "tests.conftest", "-p", "no:cacheprovider")
    command = (sys.executable, "-m", "pytest", "-c", "pyproject.toml", *plugins, str(test))
    done = subprocess.run((*command, *arguments), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "no such thing here" in done.stdout
    assert ("which --no-skips forbids" in done.stdout) == bool(arguments)
