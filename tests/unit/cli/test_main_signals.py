"""Signals at every moment of a `tfo` that is no run: the right exit code, and not a word of a traceback.

Real processes, since signals belong to the process; each sends the signal to itself at the moment in question.
"""

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cli import main, preparation, signals

ROOT = Path(__file__).resolve().parents[3]
AT_IMPORT = """
class Struck:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), {number})
sys.meta_path.insert(0, Struck())
"""
IN_COMMAND = """
import orchestrator.cli.ps
orchestrator.cli.ps.ps_command = lambda options: os.kill(os.getpid(), {number}) or print("went on")
"""
# Where tests run under nohup all but the first would be ignored.
BEGIN = """
import os, signal, sys
for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
    signal.signal(number, signal.SIG_DFL)
sys.argv = ['tfo', 'ps']
"""
END = "from orchestrator.cli.main import main\nsys.exit(main())\n"
CODES = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGQUIT, 131)]


def struck(script: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", BEGIN + script + END],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=50,
    )


@pytest.mark.process
@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.parametrize("when", [AT_IMPORT, IN_COMMAND], ids=["import", "command"])
def test_a_signal_ends_it_with_its_own_code(when: str, number: signal.Signals, code: int) -> None:
    done = struck(when.format(module="orchestrator.cli.dispatch", number=int(number)))
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.process
def test_ctrl_c_before_signals_are_caught_is_as_silent() -> None:
    done = struck(AT_IMPORT.format(module="orchestrator.cli.signals", number=int(signal.SIGINT)))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.fixture
def receiver() -> Iterator[None]:
    """Puts back what a run has said of signals."""
    before = signals._receiver
    yield
    signals.give_to(before)


@pytest.mark.parametrize(("number", "code"), CODES)
@pytest.mark.usefixtures("receiver")
def test_a_signal_while_a_run_is_prepared_leaves_no_folder(
    number: signal.Signals, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def signalled(*_: object) -> None:
        signals._receive(number, None)

    monkeypatch.setattr(preparation, "planned", signalled)
    monkeypatch.chdir(tmp_path)
    assert main.main(["run", "--metrics-port", "0", "--", "true"]) == code
    assert not list(tmp_path.rglob("state.json"))


@pytest.mark.usefixtures("receiver")
def test_a_signal_while_the_folder_is_made_counts_as_soon_as_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = preparation.create

    def signalled(*words: object) -> object:
        signals._receive(signal.SIGTERM, None)
        return create(*words)  # type: ignore[arg-type]  # passed on as they came

    monkeypatch.setattr(preparation, "create", signalled)
    monkeypatch.chdir(tmp_path)
    assert main.main(["run", "--metrics-port", "0", "--", "true"]) == 143
    assert not list(tmp_path.rglob("state.json"))


def test_an_inbox_keeps_what_nobody_hears_yet() -> None:
    inbox, heard = signals.Inbox(), list[int]()
    inbox(signal.SIGINT)
    inbox.listen(heard.append)
    inbox(signal.SIGTERM)
    assert heard == [signal.SIGINT, signal.SIGTERM]
