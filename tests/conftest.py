"""What holds for all tests: fast ones first, no process left behind, and, where asked for, no skipped test.

Read by pytest. Fixtures that several folders share come from `tests.fixtures`; nothing about single tests here.
"""

import os
import signal
import uuid

import pytest
from hypothesis import settings

from tests.cluster.fixtures import api as api
from tests.cluster.fixtures import cluster as cluster
from tests.cluster.fixtures import namespace as namespace
from tests.cluster.fixtures import older_cluster as older_cluster
from tests.fixtures.bare_jobs import bare_world as bare_world
from tests.fixtures.bare_jobs import lone_controller as lone_controller
from tests.fixtures.leftovers import wait_for_leftovers
from tests.fixtures.prometheus import prometheus as prometheus
from tests.fixtures.terminals import terminal as terminal

# Processes that tests fork need nothing of gRPC, whose handlers abort in such a child now and then.
os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"

SLOW_MARKS = ("process", "cluster", "tensorflow", "e2e")
SECONDS = {"process": 180, "cluster": 180, "tensorflow": 600, "e2e": 600}
SESSION_VARIABLE = "TESTS_OF_TF_ORCHESTRATOR"
SECONDS_TO_END = 10

# A busy machine is no failure. CI repeats itself exactly; everywhere else each run looks at new examples.
settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "local")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--no-skips", action="store_true", help="a skipped test fails the run")


def pytest_configure(config: pytest.Config) -> None:
    """Every process that a test starts inherits this: by the variable it can be found wherever it hides.

    Why the signals? A shell without job control starts what runs in the background with Ctrl-C and Ctrl-\\ ignored.
    """
    os.environ[SESSION_VARIABLE] = uuid.uuid4().hex
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Milliseconds before seconds before minutes; slow kinds get the longer limit that they need."""
    for item in items:
        kind = _kind(item)
        if kind and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(SECONDS[kind]))
    items.sort(key=lambda item: SLOW_MARKS.index(_kind(item)) if _kind(item) else -1)


def _kind(item: pytest.Item) -> str:
    return next((mark for mark in reversed(SLOW_MARKS) if item.get_closest_marker(mark)), "")


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A process left behind fails the run, and with --no-skips so does a skipped test."""
    left = wait_for_leftovers(SESSION_VARIABLE, os.environ[SESSION_VARIABLE], SECONDS_TO_END)
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    session.config.stash[_COMPLAINTS] = [
        *(f"left behind by the tests: {line}" for line in left),
        *(f"skipped, which --no-skips forbids: {report.nodeid}" for report in _forbidden(session, skipped)),
    ]
    if session.config.stash[_COMPLAINTS] and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


_COMPLAINTS = pytest.StashKey[list[str]]()


def _forbidden(session: pytest.Session, skipped: list[pytest.TestReport]) -> list[pytest.TestReport]:
    return skipped if session.config.getoption("--no-skips") else []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for complaint in config.stash.get(_COMPLAINTS, []):
        terminalreporter.write_line(complaint, red=True)
