"""The reporter: what it sends and when; it loses no counts, never waits, never raises, and speaks for one process."""

import math
import os
import socket
import subprocess
import sys
import threading

import pytest

from orchestrator.protocol.datagrams import STEP_BUCKETS
from orchestrator.train.reporter import Reporter, finite_metrics, read_reporter
from tests.unit.train.conftest import Listener


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def reporter_for(listener: Listener, interval: float = 1.0) -> tuple[Reporter, Clock]:
    clock = Clock()
    return Reporter(listener.path, interval, attempt=3, clock=clock), clock


def test_a_datagram_holds_what_happened_since_the_last_one(listener: Listener) -> None:
    reporter, _ = reporter_for(listener)
    reporter.set_plan(total_steps=100, epoch=2, total_epochs=5)
    reporter.count_steps(10, steps=4, seconds_each=0.02, examples=10.5)
    reporter.set_metrics({"loss": 0.5})
    reporter.add_callback_seconds(0.001)
    assert reporter.send()
    (first,) = listener.heard()
    assert (first.attempt, first.pid, first.step, first.total_steps) == (3, os.getpid(), 10, 100)
    assert (first.epoch, first.total_epochs, first.steps, first.examples) == (2, 5, 4, 10)
    assert first.metrics == {"loss": 0.5}
    assert sum(first.step_seconds) == first.step_seconds[STEP_BUCKETS.index(0.025)] == 4
    assert first.step_seconds_sum == pytest.approx(0.08)
    assert first.callback_seconds == 0.001
    reporter.count_steps(11, examples=10.5)
    reporter.send()
    (second,) = listener.heard()
    # Half an example was left over from the first; metrics that are not new are not repeated.
    assert (second.step, second.steps, second.examples, second.metrics) == (11, 1, 11, {})
    assert second.step_seconds == ()
    reporter.close()


@pytest.mark.parametrize(("seconds", "bucket"), [(0.005, 0), (0.0051, 1), (60.0, 10), (61.0, 11), (0.0, 0)])
def test_step_durations_are_counted_up_to_their_bound(
    listener: Listener, seconds: float, bucket: int
) -> None:
    reporter, _ = reporter_for(listener)
    reporter.count_steps(1, 1, seconds)
    reporter.send()
    (datagram,) = listener.heard()
    assert [index for index, count in enumerate(datagram.step_seconds) if count] == [bucket]
    reporter.close()


def test_first_step_and_last_step_are_due_at_once_the_others_in_time(listener: Listener) -> None:
    reporter, clock = reporter_for(listener)
    reporter.set_plan(total_steps=50)
    reporter.send()
    assert reporter.is_due_after(1)
    reporter.count_steps(1)
    reporter.send()
    assert not reporter.is_due_after(2)
    assert reporter.is_due_after(50)
    clock.now += 1.0
    assert reporter.is_due_after(2)
    reporter.close()


def test_busy_is_sent_when_it_changes_and_only_then(listener: Listener) -> None:
    reporter, _ = reporter_for(listener)
    for busy in ("compiling", "compiling", "", ""):
        reporter.set_busy(busy)
    assert [each.busy for each in listener.heard()] == ["compiling", ""]
    reporter.close()


def test_nan_and_infinity_are_counted_and_sent_as_unknown(listener: Listener) -> None:
    reporter = Reporter(listener.path, metrics=["norm"])
    reporter.set_metrics({"loss": math.nan, "norm": math.inf, "accuracy": 0.5})
    reporter.send()
    (datagram,) = listener.heard()
    assert datagram.metrics == {"loss": None, "norm": None, "accuracy": 0.5}
    assert datagram.non_finite == 2
    reporter.close()


def test_what_is_no_number_is_left_out() -> None:
    values = {"text": "abc", "list": [1, 2], "none": None, "flag": True}
    assert finite_metrics(values, frozenset(values)) == {"flag": 1.0}


def test_however_many_metrics_there_are_those_that_were_asked_for_are_sent(listener: Listener) -> None:
    environ = {"TFO_REPORT_SOCKET": listener.path, "TFO_METRICS": '["auc"]'}
    reporter = read_reporter(environ)
    reporter.set_metrics({f"metric{index}": math.nan for index in range(40)})
    reporter.set_metrics({"auc": 0.5, "val_loss": 2.0})
    reporter.send()
    (datagram,) = listener.heard()
    assert datagram.metrics == {"auc": 0.5, "val_loss": 2.0}
    assert datagram.non_finite == 0
    reporter.close()


@pytest.mark.parametrize(
    ("names", "sent"),
    [
        ('[1, null, "mae"]', 1),
        ('["' + "x" * 65 + '", ""]', 0),
        ("{", 0),
        (str([f"m{index}" for index in range(40)]).replace("'", '"'), 12),
    ],
)
def test_names_of_metrics_are_bounded(listener: Listener, names: str, sent: int) -> None:
    reporter = read_reporter({"TFO_REPORT_SOCKET": listener.path, "TFO_METRICS": names})
    reporter.set_metrics(dict.fromkeys(("mae", "x" * 65, "", *(f"m{index}" for index in range(40))), 1.0))
    reporter.send()
    (datagram,) = listener.heard()
    assert len(datagram.metrics) == sent
    reporter.close()


def test_counts_survive_a_full_queue(listener: Listener) -> None:
    reporter, _ = reporter_for(listener)
    sent = 0
    while reporter.send():
        sent += 1
        assert sent < 100_000
    reporter.count_steps(7, steps=7, seconds_each=0.1, examples=70)
    reporter.add_checkpoint(7, ok=True, seconds=0.5)
    assert not reporter.send()
    assert len(listener.heard()) == sent
    assert reporter.send()
    (datagram,) = listener.heard()
    assert (datagram.steps, datagram.examples, sum(datagram.step_seconds)) == (7, 70, 7)
    assert datagram.checkpoint is not None
    assert datagram.checkpoint.step == 7
    reporter.close()


def test_checkpoints_and_notes_that_waited_are_all_sent(listener: Listener) -> None:
    path = listener.path
    os.rename(path, path + ".away")
    reporter, _ = reporter_for(listener)
    for step in (10, 20):
        reporter.add_checkpoint(step, ok=step == 10, seconds=0.1)
    reporter.add_note("disk full")
    os.rename(path + ".away", path)
    assert reporter.send()
    heard = listener.heard()
    assert [(each.checkpoint.step, each.checkpoint.ok) for each in heard if each.checkpoint] == [
        (10, True),
        (20, False),
    ]
    assert [each.note for each in heard if each.note] == ["disk full"]
    reporter.close()


def test_without_an_agent_nothing_happens() -> None:
    for path in ("", "/nonexistent/folder/socket", "/tmp/" + "x" * 200):
        reporter = Reporter(path)
        reporter.count_steps(1)
        reporter.set_busy("saving")
        reporter.add_note("n" * 100_000)
        assert not reporter.send()
        reporter.close()


def test_only_one_of_a_programs_processes_reports_until_it_ends(listener: Listener) -> None:
    reporter, _ = reporter_for(listener)
    assert reporter.send()
    code = f"from orchestrator.train.reporter import Reporter; print(Reporter({listener.path!r}).send())"

    def other_process_may_send() -> bool:
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        return found.stdout.strip() == "True"

    assert not other_process_may_send()
    reporter.close()
    assert other_process_may_send()
    reporter = Reporter(listener.path)
    assert reporter.send()
    reporter.close()


def test_a_forked_child_does_not_speak_for_its_parent(listener: Listener) -> None:
    reporter, _ = reporter_for(listener)
    reporter.send()
    listener.heard()
    child = os.fork()
    if child == 0:
        os._exit(int(reporter.send()))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert listener.heard() == []
    reporter.close()


def test_close_sends_what_is_left(listener: Listener) -> None:
    reporter, _ = reporter_for(listener)
    reporter.count_steps(5)
    reporter.close()
    assert [each.step for each in listener.heard()] == [5]
    reporter.close()
    assert listener.heard() == []


def test_close_sends_whatever_was_said_since_the_last_datagram(listener: Listener) -> None:
    reporter, _ = reporter_for(listener)
    reporter.count_steps(5)
    reporter.send()
    reporter.add_input_wait(3.0)
    reporter.add_examples(500)
    reporter.set_plan(total_steps=5)
    reporter.close()
    _, last = listener.heard()
    assert (last.input_wait_seconds, last.examples, last.total_steps) == (3.0, 500, 5)


def test_close_repeats_nothing(listener: Listener) -> None:
    reporter, _ = reporter_for(listener)
    reporter.count_steps(5)
    reporter.send()
    reporter.close()
    assert len(listener.heard()) == 1


def test_threads_lose_no_counts(listener: Listener) -> None:
    reporter, _ = reporter_for(listener, interval=0.0)

    def work() -> None:
        for step in range(200):
            reporter.count_steps(step, 1, 0.01, 1.0)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    reporter.send()
    assert sum(each.steps for each in listener.heard()) == 800
    reporter.close()


def test_the_environment_describes_the_reporter(listener: Listener) -> None:
    environ = {"TFO_REPORT_SOCKET": listener.path, "TFO_REPORT_SECONDS": "0.5", "TFO_ATTEMPT": "4"}
    reporter = read_reporter(environ)
    assert reporter.send()
    assert [each.attempt for each in listener.heard()] == [4]
    reporter.close()
    assert not read_reporter({}).is_active
    odd = read_reporter({**environ, "TFO_REPORT_SECONDS": "nan", "TFO_ATTEMPT": "-1"})
    assert odd.send()
    assert [each.attempt for each in listener.heard()] == [None]
    odd.close()


def test_a_socket_that_is_closed_and_made_again_is_found_again(listener: Listener) -> None:
    reporter, _ = reporter_for(listener)
    reporter.send()
    listener.close()
    os.unlink(listener.path)
    reporter.count_steps(9)
    assert not reporter.send()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(listener.path)
        assert reporter.send()
        assert b'"steps":1' in again.recv(65536)
    reporter.close()
