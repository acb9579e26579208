"""The page on attempts and recovery: its causes, reasons and numbers are those of the code."""

import re

import pytest

from orchestrator.agent import decide as agent
from orchestrator.api.status import Cause
from orchestrator.api.types import Checkpoint, Recovery, RunPolicy
from orchestrator.backends.kubernetes import lost_nodes
from orchestrator.controller import options
from orchestrator.core import cause, policies, running, stopping, turn, waiting
from orchestrator.core.actions import Reason
from tests.checks.source_tree import read

PAGE = "docs/explanation/attempts-and-recovery.md"
FAILURES = {
    Reason.BACKOFF_LIMIT,
    Reason.RESTART_POLICY,
    Reason.EXIT_CODE_RULE,
    Reason.CANNOT_START,
    Reason.WRONG_INPUT,
    Reason.MODEL_LOST,
    Reason.NO_PROGRESS,
    Reason.DEADLINE,
    Reason.REPLICA_INVALID,
    Reason.INVALID,
    Reason.TOO_LARGE,
}
FLAGS = {flag.name: flag.default for flag in options.FLAGS}


def _rows(head: str) -> list[list[str]]:
    """Cells of the table below this line."""
    lines = read(PAGE).partition(f"{head}\n")[2].split("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]


def _names(text: str) -> list[str]:
    return re.findall(r"`(\w+)`", text)


def test_every_cause_is_there_and_counted_as_it_is() -> None:
    kinds = {
        name: row[2] for row in _rows("| what happened | cause | counted as |") for name in _names(row[1])
    }
    assert set(kinds) == {one.value for one in Cause}
    for one in Cause:
        other = "resize" if one is Cause.RESIZE else "nothing"
        kind = "restart" if one.is_restart else "disruption" if one.is_disruption else other
        assert kinds[one.value] == kind


def test_every_reason_to_fail_is_there() -> None:
    found = [name for row in _rows("| reason | what it means |") for name in _names(row[0])]
    assert sorted(found) == sorted(one.value for one in FAILURES)


@pytest.mark.parametrize(
    "words",
    [
        f"`checkpoint.everySteps`, {Checkpoint().every_steps} by default",
        f"`recovery.hangTimeoutSeconds` ({Recovery().hang_timeout_seconds})",
        f"`recovery.startTimeoutSeconds` ({Recovery().start_timeout_seconds})",
        f"`recovery.replacementTimeoutSeconds` ({Recovery().replacement_timeout_seconds})",
        f"`--unreachable-seconds` ({FLAGS['unreachable-seconds']})",
        f"ready for {cause.BARRIER_SECONDS:g} seconds",
        f"waited for at most {cause.BARRIER_SECONDS:g} seconds",
        f"at most {policies.BACKOFF_CAP_SECONDS:g} seconds",
        f"first {turn.LEADER_SETTLE_SECONDS:g} seconds",
        f"after {stopping.SAVE_SECONDS:g} seconds gets SIGKILL",
    ],
)
def test_the_numbers_are_those_of_the_code(words: str) -> None:
    assert words in " ".join(read(PAGE).split())


def test_numbers_in_words() -> None:
    """What the page writes out: half a second, five, ten, four attempts, a minute and a quarter of an hour."""
    found = (cause.TOGETHER_SECONDS, policies.NO_PROGRESS_ATTEMPTS, policies.KEPT_ATTEMPTS)
    assert found == (0.5, 5, 10)
    assert (waiting.WAITING_SECONDS, running.GROW_SECONDS, RunPolicy().backoff_limit) == (10, 600, 3)
    assert lost_nodes.USUAL_SECONDS == 10
    assert (agent.LOST_AFTER_SUCCESS_SECONDS, agent.LOST_AFTER_FAILURE_SECONDS) == (60, 900)
