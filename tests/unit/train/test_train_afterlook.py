"""What was held back is sent though nothing more is said; no thread of ours is in anybody's way, nor stays."""

import _thread
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.protocol.datagrams import Datagram
from orchestrator.train.reporter import Reporter
from tests.unit.train.conftest import Listener

INTERVAL = 0.05
LIMIT_SECONDS = 10.0
TASKS = Path("/proc/self/task")


class Unlucky(Reporter):
    """One whose datagrams may be refused a few times."""

    failures_left = 0

    def _put(self, data: bytes) -> None:
        if self.failures_left:
            self.failures_left -= 1
            raise BlockingIOError
        super()._put(data)


@pytest.fixture
def alone() -> Iterator[int]:
    """The threads without any of ours, of which none is left behind."""
    count = threads()
    yield count
    wait_until(lambda: threads() == count)


@pytest.fixture
def reporter(alone: int, listener: Listener) -> Iterator[Unlucky]:
    """Its first step has been sent, so that what follows is held back."""
    made = Unlucky(listener.path, INTERVAL, metrics=["norm"])
    made.count_steps(1)
    assert made.send()
    listener.heard()
    yield made
    made.close()


def wait_until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + LIMIT_SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def hear(listener: Listener, until: Callable[[Datagram], bool]) -> list[Datagram]:
    """All that is heard up to the first datagram that is waited for."""
    heard: list[Datagram] = []

    def has_come() -> bool:
        heard.extend(listener.heard())
        return any(until(each) for each in heard)

    wait_until(has_come)
    return heard


def threads() -> int:
    return len(list(TASKS.iterdir()))


def run_program(listener: Listener, text: str, *options: str) -> "subprocess.CompletedProcess[str]":
    """A program that reports to the listener, to its end."""
    environ = {**os.environ, "TFO_REPORT_SOCKET": listener.path, "TFO_REPORT_SECONDS": str(INTERVAL)}
    words = [sys.executable, *options, "-c", textwrap.dedent(text)]
    return subprocess.run(
        words, env=environ, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )


def test_the_last_report_before_a_silence_is_sent_when_the_interval_is_over(
    listener: Listener, reporter: Reporter
) -> None:
    for step in range(2, 41):
        reporter.count_steps(step, examples=10)
    reporter.set_metrics({"loss": 0.25})
    heard = hear(listener, lambda each: each.step == 40)
    assert sum(each.steps for each in heard) == 39
    assert sum(each.examples for each in heard) == 390
    assert heard[-1].metrics == {"loss": 0.25}


def test_what_has_been_said_is_not_repeated_and_the_thread_ends(
    alone: int, listener: Listener, reporter: Reporter
) -> None:
    reporter.count_steps(2)
    hear(listener, lambda each: each.step == 2)
    wait_until(lambda: threads() == alone)
    assert listener.heard() == []


def test_a_program_that_goes_on_may_say_its_next_step_at_once(listener: Listener, reporter: Reporter) -> None:
    """Keras' metrics are looked at only when they are due: a thread that was always first would leave none of them."""
    reporter.count_steps(2)
    hear(listener, lambda each: each.step == 2)
    reporter.count_steps(3)
    assert reporter.is_due_after(3)


def test_a_value_that_may_have_to_be_waited_for_is_left_to_the_thread_that_trains(
    listener: Listener, reporter: Reporter
) -> None:
    converted_in = []

    class Tensor:
        def __float__(self) -> float:
            converted_in.append(_thread.get_ident())
            return 0.5

    reporter.count_steps(2)
    reporter.set_metrics({"loss": Tensor(), "norm": 2.0, "unasked": Tensor()})
    heard = hear(listener, lambda each: each.step == 2)
    assert (heard[-1].metrics, converted_in) == ({"norm": 2.0}, [])
    reporter.close()
    assert [each.metrics for each in listener.heard()] == [{"loss": 0.5}]
    assert converted_in == [_thread.get_ident()]


def test_no_older_state_follows_a_newer_one(listener: Listener, reporter: Reporter) -> None:
    heard: list[Datagram] = []
    end = time.monotonic() + 10 * INTERVAL
    step = 1
    while time.monotonic() < end:
        step += 1
        reporter.count_steps(step)
        reporter.set_busy("saving" if step % 2 else "")
        heard += listener.heard()
        time.sleep(0.3 * INTERVAL if step % 7 else 2 * INTERVAL)
    reporter.set_busy("stopping")
    reporter.close()
    heard += listener.heard()
    steps = [each.step or 0 for each in heard]
    assert steps == sorted(steps)
    assert (heard[-1].step, heard[-1].busy) == (step, "stopping")


def test_who_is_closed_says_nothing_more_and_leaves_the_word_to_others(
    alone: int, listener: Listener, reporter: Reporter
) -> None:
    reporter.count_steps(2)
    reporter.close()
    assert [each.step for each in listener.heard()] == [2]
    reporter.count_steps(3)
    wait_until(lambda: threads() == alone)
    assert listener.heard() == []
    other = Reporter(listener.path)
    assert other.send()
    other.close()


def test_what_does_not_get_through_is_tried_again(listener: Listener, reporter: Unlucky) -> None:
    reporter.failures_left = 2
    reporter.count_steps(2)
    hear(listener, lambda each: each.step == 2)
    assert reporter.failures_left == 0


def test_without_room_for_a_thread_reports_are_sent_as_they_come(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    reporter = Reporter(listener.path, INTERVAL)
    reporter.count_steps(1)
    assert reporter.send()
    assert reporter.send()
    reporter.close()


def test_a_process_is_forked_without_the_thread_and_nothing_is_held_back_by_that(listener: Listener) -> None:
    text = """
        import os, time
        from orchestrator.train import report
        report(step=1)
        report(step=2)
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
        assert len(os.listdir("/proc/self/task")) == 1
        for step in (3, 4):
            report(step=step)
        assert len(os.listdir("/proc/self/task")) == 2
        while len(os.listdir("/proc/self/task")) > 1:
            time.sleep(0.001)
        os._exit(0)
    """
    ended = run_program(listener, text)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert [each.step for each in listener.heard()] == [1, 2, 3, 4]


def test_a_fork_in_the_midst_of_a_datagram_leaves_a_reporter_that_can_be_called(listener: Listener) -> None:
    text = """
        import os, signal, time
        from orchestrator.train.reporter import Reporter
        class Slow(Reporter):
            is_sending = False
            def _put(self, data):
                self.is_sending = True
                time.sleep(0.05)
                super()._put(data)
                self.is_sending = False
        reporter = Slow(os.environ["TFO_REPORT_SOCKET"], 0.05)
        reporter.count_steps(1)
        reporter.send()
        reporter.count_steps(2)
        while not reporter.is_sending:
            time.sleep(0.001)
        child = os.fork()
        if child == 0:
            signal.alarm(5)
            reporter.count_steps(3)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        os._exit(0)
    """
    ended = run_program(listener, text)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_python_does_not_warn_who_forks_of_our_thread(listener: Listener) -> None:
    """As it does since 3.12 where there are several threads."""
    text = """
        import os
        from orchestrator.train import report
        for step in range(20):
            report(step=step)
            child = os.fork()
            if child == 0:
                report(step=1)
                os._exit(0)
            os.waitpid(child, 0)
    """
    ended = run_program(listener, text, "-W", "always")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_signal_handler_that_reports_waits_for_nobody(listener: Listener) -> None:
    """Wherever it interrupts: a report, a send that starts our thread, a program that starts threads of its own."""
    text = """
        import signal, threading, time
        from orchestrator.train import report
        from orchestrator.train.reporter import current
        current()._interval = 0.002
        step = handled = 0
        def handle(number, frame):
            global handled
            handled += 1
            report(busy="saving" if handled % 2 else "")
            report(step=step)
        signal.signal(signal.SIGALRM, handle)
        signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            step += 1
            report(step=step, loss=0.5)
            event = threading.Event()
            threading.Thread(target=event.set).start()
            event.wait()
            if step % 50 == 0:
                time.sleep(0.004)
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert handled > 100, handled
    """
    ended = run_program(listener, text)
    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_signal_that_a_program_waits_for_is_not_delivered_to_the_thread(listener: Listener) -> None:
    text = """
        import os, signal, time
        from orchestrator.train import report
        report(step=1)
        time.sleep(0.01)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signal.sigwait([signal.SIGUSR1]) == signal.SIGUSR1
    """
    ended = run_program(listener, text)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("end", ["", "sys.exit(3)", "os.kill(os.getpid(), 15)", "1 / 0", "os._exit(4)"])
def test_a_program_ends_with_the_thread_as_without(listener: Listener, end: str) -> None:
    text = "import os, sys\nfrom orchestrator.train import report\nreport(step=1)\nreport(step=2)\n" + end
    ended = run_program(listener, text, "-X", "dev")
    code = {"": 0, "sys.exit(3)": 3, "1 / 0": 1, "os._exit(4)": 4}.get(end, -signal.SIGTERM)
    assert (ended.returncode, [line for line in ended.stderr.splitlines() if "thread" in line.lower()]) == (
        code,
        [],
    )
    assert [each.step for each in listener.heard()] == ([1, 2] if code in (0, 1, 3) else [1])
