"""The agreed stop without TensorFlow: the flag, the rhythm, and that members with one sum decide the same."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from orchestrator.train import sigterm, stop
from orchestrator.train.stop import AllReduce, StopAgreement, interval


@pytest.fixture(autouse=True)
def flag(monkeypatch: pytest.MonkeyPatch) -> Iterator[sigterm.SigtermFlag]:
    before = signal.getsignal(signal.SIGTERM)
    made = sigterm.SigtermFlag()
    monkeypatch.setattr(stop, "_sigterm", made)
    yield made
    signal.signal(signal.SIGTERM, before)


def sums(*totals: tuple[int, int]) -> tuple[AllReduce, list[tuple[int, int]]]:
    """An all-reduce that answers with these totals in turn, and what it was given."""
    given: list[tuple[int, int]] = []
    answers = iter(totals)

    def all_reduce(flag: int, milliseconds: int) -> tuple[int, float]:
        given.append((flag, milliseconds))
        return next(answers)

    return all_reduce, given


def agreement(
    monkeypatch: pytest.MonkeyPatch, all_reduce: AllReduce | None, every: int | None
) -> StopAgreement:
    monkeypatch.setattr(stop, "_all_reduce_of", lambda strategy: all_reduce)
    return StopAgreement(every=every)


def checked(made: StopAgreement, steps: Sequence[int]) -> list[bool]:
    return [made.should_stop(step) for step in steps]


def test_a_single_process_stops_at_the_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    made = agreement(monkeypatch, None, None)
    assert not made.should_stop(1)
    os.kill(os.getpid(), signal.SIGTERM)
    assert made.should_stop(2)
    made.close()


def test_members_agree_only_at_common_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    all_reduce, given = sums((0, 0), (0, 30), (1, 30))
    made = agreement(monkeypatch, all_reduce, every=5)
    assert checked(made, range(10, 21)) == [False] * 10 + [True]
    assert len(given) == 3
    # Agreed is agreed: nobody asks again, since no peer would answer.
    assert made.should_stop(21)
    assert len(given) == 3
    made.close()


def test_the_own_flag_is_only_a_vote(monkeypatch: pytest.MonkeyPatch) -> None:
    all_reduce, given = sums((0, 0), (2, 9))
    made = agreement(monkeypatch, all_reduce, every=3)
    made.should_stop(0)
    os.kill(os.getpid(), signal.SIGTERM)
    assert checked(made, [1, 2, 3]) == [False, False, True]
    assert [vote for vote, _ in given] == [0, 1]
    made.close()


def test_at_the_end_members_agree_out_of_rhythm(monkeypatch: pytest.MonkeyPatch) -> None:
    all_reduce, given = sums((0, 0), (1, 5))
    made = agreement(monkeypatch, all_reduce, every=1000)
    assert not made.should_stop(1)
    assert not made.should_stop(2)
    assert made.should_stop(2, now=True)
    assert len(given) == 2
    made.close()


def test_steps_that_are_never_asked_about_delay_the_agreement_only(monkeypatch: pytest.MonkeyPatch) -> None:
    all_reduce, given = sums((0, 0), (1, 5))
    made = agreement(monkeypatch, all_reduce, every=5)
    assert checked(made, [0, 3, 7]) == [False, False, True]
    assert len(given) == 2
    made.close()


@pytest.mark.parametrize(
    ("steps", "milliseconds", "wanted"),
    [
        (10, 1000.0, 10),
        (1, 5000.0, 1),
        (1, 1.0, 1000),
        (100, 100.0, 1000),
        (0, 0.0, 1),
        (5, 0.0, 1),
        (4, 100.0, 40),
    ],
)
def test_the_rhythm_is_about_a_second(steps: int, milliseconds: float, wanted: int) -> None:
    assert interval(steps, milliseconds) == wanted


def test_sigterm_is_given_back_when_the_last_listener_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: calls.append(number))
    first, second = agreement(monkeypatch, None, None), agreement(monkeypatch, None, None)
    os.kill(os.getpid(), signal.SIGTERM)
    first.close()
    first.close()
    os.kill(os.getpid(), signal.SIGTERM)
    assert calls == []
    second.close()
    os.kill(os.getpid(), signal.SIGTERM)
    assert calls == [signal.SIGTERM]


LOOP = """
import sys, time
from orchestrator.train import StopAgreement
agreement = StopAgreement()
print("ready", flush=True)
for step in range(10**9):
    if agreement.should_stop(step):
        print("saved")
        agreement.leave()
    time.sleep(0.001)
"""


@pytest.mark.process
def test_a_program_that_was_told_to_stop_exits_143() -> None:
    with subprocess.Popen([sys.executable, "-c", LOOP], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "ready\n"
        program.send_signal(signal.SIGTERM)
        assert program.stdout.read() == "saved\n"
        assert program.wait(30) == stop.STOPPED_EXIT_CODE == 143


def test_outside_the_main_thread_sigterm_stays_what_it_was() -> None:
    code = (
        "import signal, threading\n"
        "from orchestrator.train import StopAgreement\n"
        "def work():\n"
        "    made = StopAgreement(); assert not made.should_stop(1); made.close()\n"
        "thread = threading.Thread(target=work); thread.start(); thread.join()\n"
        "print(signal.getsignal(signal.SIGTERM) is signal.SIG_DFL)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (ended.stdout, ended.stderr) == ("True\n", "")


class Tensorflow:
    """As much of TensorFlow as is asked before any collective."""

    class distribute:  # noqa: N801  TensorFlow's name
        class MultiWorkerMirroredStrategy: ...

        @staticmethod
        def get_strategy() -> object:
            return object()

        @staticmethod
        def has_strategy() -> bool:
            return False


@pytest.mark.parametrize(
    ("world_size", "strategy", "is_refused"), [("3", None, True), ("3", object(), False), ("1", None, False)]
)
def test_a_member_of_several_has_to_say_its_strategy(
    monkeypatch: pytest.MonkeyPatch, world_size: str, strategy: object, is_refused: bool
) -> None:
    """Deciding alone would leave its peers waiting for ever."""
    monkeypatch.setitem(sys.modules, "tensorflow", cast("Any", Tensorflow))
    monkeypatch.setenv("TF_CONFIG", "{}")
    monkeypatch.setenv("TFO_WORLD_SIZE", world_size)
    made = StopAgreement(strategy)
    if is_refused:
        with pytest.raises(ValueError, match="pass its strategy"):
            made.should_stop(1)
    else:
        assert not made.should_stop(1)
    made.close()
