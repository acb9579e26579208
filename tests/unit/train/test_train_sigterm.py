"""SIGTERM where TensorFlow takes the signal over below Python: it is heard again, and what came before is found."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.protocol.environment import STOP_FILE
from orchestrator.train.sigterm import SigtermFlag, end_on_sigterm, was_asked

STRATEGY = """
import ctypes, os, signal, sys
from orchestrator.train.sigterm import end_on_sigterm
IGNORE = ctypes.c_void_p(1)
libc = ctypes.CDLL(None)
libc.signal.argtypes = (ctypes.c_int, ctypes.c_void_p)
def make_strategy():  # as TensorFlow does: a handler of which Python knows nothing
    libc.signal(signal.SIGTERM, IGNORE)
"""


@pytest.fixture
def notice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv(STOP_FILE, str(tmp_path / "worker-0.stop"))
    before = signal.getsignal(signal.SIGTERM)
    yield tmp_path / "worker-0.stop"
    signal.signal(signal.SIGTERM, before)


def ended(source: str) -> int:
    return subprocess.run([sys.executable, "-c", STRATEGY + source], check=False, timeout=50).returncode


def test_who_listens_late_hears_that_it_was_asked(notice: Path) -> None:
    assert not was_asked()
    notice.touch()
    flag = SigtermFlag()
    flag.listen()
    assert was_asked()
    assert flag.is_set


@pytest.mark.usefixtures("notice")
def test_who_was_not_asked_is_not_stopped() -> None:
    flag = SigtermFlag()
    flag.listen()
    assert not flag.is_set


def test_without_an_agent_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(STOP_FILE, raising=False)
    assert not was_asked()


def test_sigterm_ends_the_process_again() -> None:
    assert ended("make_strategy(); os.kill(os.getpid(), signal.SIGTERM); sys.exit(7)") == 7
    again = "make_strategy(); end_on_sigterm(); os.kill(os.getpid(), signal.SIGTERM); sys.exit(7)"
    assert ended(again) == -signal.SIGTERM


def test_one_that_came_meanwhile_ends_it_too(notice: Path) -> None:
    asked = f"os.kill(os.getpid(), signal.SIGTERM); open({str(notice)!r}, 'w')"
    source = f"make_strategy(); {asked}; end_on_sigterm(); sys.exit(7)"
    assert ended(source) == -signal.SIGTERM


@pytest.mark.parametrize("handler", ["signal.SIG_IGN", "lambda *_: sys.exit(9)"])
def test_a_program_that_handles_it_itself_is_left_alone(notice: Path, handler: str) -> None:
    notice.touch()
    source = f"signal.signal(signal.SIGTERM, {handler}); end_on_sigterm(); sys.exit(7)"
    assert ended(source) == 7


def test_a_handler_that_was_set_before_the_strategy_is_called_again() -> None:
    before = "signal.signal(signal.SIGTERM, lambda *_: sys.exit(9)); make_strategy(); "
    asked = "os.kill(os.getpid(), signal.SIGTERM); sys.exit(7)"
    assert ended(before + asked) == 7
    assert ended(before + "end_on_sigterm(); " + asked) == 9


def test_outside_the_main_thread_nothing_is_done(notice: Path) -> None:
    notice.touch()
    source = "import threading; one = threading.Thread(target=end_on_sigterm); one.start(); one.join(); sys.exit(7)"
    assert ended(source) == 7


def test_a_handler_of_this_process_stays(notice: Path) -> None:
    calls: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    notice.touch()
    end_on_sigterm()
    os.kill(os.getpid(), signal.SIGTERM)
    assert calls == [signal.SIGTERM]
