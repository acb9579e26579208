"""The thread that writes lines: order, bounds, and what was lost is said."""

import io
import threading

from orchestrator.cli import line_writer
from orchestrator.cli.line_writer import LineWriter


class Gate(io.StringIO):
    """A stream whose first write waits until it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.entered = threading.Event()
        self.opened = threading.Event()

    def write(self, text: str) -> int:
        self.entered.set()
        self.opened.wait(30)
        return super().write(text)


def test_lines_keep_their_order_and_close_waits_for_all() -> None:
    stream = io.StringIO()
    writer = LineWriter(stream)
    writer.start()
    for number in range(1000):
        writer.write(str(number))
    writer.close()
    assert stream.getvalue().split() == [str(number) for number in range(1000)]


def test_a_full_queue_loses_what_may_be_lost_first_and_says_so() -> None:
    stream = Gate()
    writer = LineWriter(stream, lambda lost: f"({lost} lost)")
    writer.start()
    writer.write("first")
    assert stream.entered.wait(30)
    for _ in range(line_writer.MAX_WAITING):
        writer.write("progress", may_be_lost=True)
    writer.write("event")
    stream.opened.set()
    writer.close()
    lines = stream.getvalue().splitlines()
    kept = line_writer.MAX_WAITING // 2
    assert lines[0] == "first"
    assert lines[-2:] == [f"({line_writer.MAX_WAITING - kept} lost)", "event"]
    assert lines.count("progress") == kept


def test_nothing_waits_without_bounds() -> None:
    stream = Gate()
    writer = LineWriter(stream)
    writer.start()
    writer.write("first")
    assert stream.entered.wait(30)
    for _ in range(2 * line_writer.MAX_WAITING):
        writer.write("event")
    stream.opened.set()
    writer.close()
    assert stream.getvalue().count("event") == line_writer.MAX_WAITING


def test_closing_a_writer_that_never_started_is_harmless() -> None:
    LineWriter(io.StringIO()).close()


def test_a_closed_stream_is_not_our_problem() -> None:
    stream = io.StringIO()
    stream.close()
    writer = LineWriter(stream)
    writer.start()
    writer.write("lost")
    writer.close()
