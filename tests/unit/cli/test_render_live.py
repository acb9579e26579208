"""The live view on a terminal: what is on the screen while it runs, and what is left of it."""

import os
import re
import signal
import termios
from contextlib import suppress

import pytest

from orchestrator.cli import rendering
from orchestrator.cli.arguments import Output
from orchestrator.cli.frame import Glyphs, render_frame
from orchestrator.cli.render_json import JsonRenderer
from orchestrator.cli.render_live import LiveRenderer
from orchestrator.cli.render_plain import PlainRenderer
from orchestrator.cli.view import Renderer
from tests.fixtures.run_views import build_event, build_summary, build_view
from tests.fixtures.terminals import COLUMNS, Terminal
from tests.fixtures.training_reports import later

STYLES = re.compile(rb"\x1b\[([0-9;]*)m")
PLAIN_STYLES = (b"0", b"1", b"2", b"")
"""End of a style, bold, faint."""


def test_the_frame_is_redrawn_in_place_and_events_scroll_by_above(terminal: Terminal) -> None:
    with LiveRenderer(terminal.stream) as live:
        live.note("GPUs: none", later(0))
        for step in range(100, 104):
            live.refresh(build_view(step, seconds=step))
            terminal.wait_for(f"{step}/420 steps")
        live.told(build_event())
        terminal.wait_for("SIGKILL\x1b[0m\x1b[K")
        live.refresh(build_view(200, seconds=200))
        terminal.wait_for("200/420 steps")
        screen = terminal.screen()
    assert [line[10:] for line in screen.text[:2]] == ["GPUs: none", "worker-1 was killed by SIGKILL"]
    assert screen.text[2].startswith("digits-cnn/3  Running  attempt 2  3:20  (restarted 1×")
    assert "  200/420 steps  47 %  ETA 0:12   loss 0.082" in screen.text[3]
    assert screen.text[4:] == [
        "chief-0   running  pid 4121  step 200  41 ms/step",
        "worker-0  running  pid 4125  step 200  41 ms/step",
        "worker-1  running  pid 4188  step 200  42 ms/step  restarted 1×",
        "",
    ]
    assert screen.cursor == (7, 0)


def test_at_the_end_the_events_and_the_summary_are_left(terminal: Terminal) -> None:
    with LiveRenderer(terminal.stream) as live:
        live.told(build_event())
        live.refresh(build_view())
        terminal.wait_for("312/420 steps")
        live.close(build_summary())
    terminal.wait_for("tensorboard --logdir")
    text = terminal.screen().text
    assert text[0].endswith("worker-1 was killed by SIGKILL")
    assert text[1:3] == [
        "",
        "digits-cnn/3 succeeded after 1:12   val_accuracy 0.981   accuracy 0.987   loss 0.042   "
        "1 restart (worker-1 was killed by SIGKILL)   14 steps lost",
    ]
    assert text[-3:] == ["next:", "  tensorboard --logdir tfo-runs/digits-cnn/3/tensorboard", ""]
    assert not any("/420 steps" in line for line in text)


def test_an_error_leaves_a_usable_terminal(terminal: Terminal) -> None:
    with suppress(RuntimeError), LiveRenderer(terminal.stream) as live:
        live.refresh(build_view())
        terminal.wait_for("worker-1")
        raise RuntimeError("ours")
    terminal.stream.write("a prompt\n")
    terminal.stream.flush()
    terminal.wait_for("a prompt")
    assert terminal.screen().text == ["a prompt", ""]
    assert b"\x1b[?" not in terminal.received, (
        "no mode of the terminal is changed, so none has to be restored"
    )


@pytest.mark.parametrize(
    "columns", [80, COLUMNS], ids=["old lines are wrapped", "old lines are cut, or already joined again"]
)
def test_what_was_told_survives_a_terminal_that_is_made_narrower(terminal: Terminal, columns: int) -> None:
    """Terminals differ in what becomes of long lines; none may lose what stands above the frame."""
    with LiveRenderer(terminal.stream) as live:
        live.told(build_event("worker-1 was killed"))
        live.refresh(build_view(100))
        terminal.wait_for("restarted 1×\x1b[K\r\n")
        screen = terminal.screen(columns)
        already = len(terminal.received)
        terminal.resize(80)
        live.refresh(build_view(101))
        terminal.wait_for("101/420 steps")
        terminal.wait_for_frame()
        screen.feed(terminal.received[already:].decode())
    assert screen.text[0].endswith("worker-1 was killed")
    assert sum("101/420 steps" in line for line in screen.text) == 1


def test_after_ctrl_z_the_frame_begins_below_what_the_shell_has_written(terminal: Terminal) -> None:
    with LiveRenderer(terminal.stream) as live:
        live.told(build_event())
        for step in (99, 100):
            live.refresh(build_view(step))
            terminal.wait_for(f"{step}/420 steps")
        terminal.wait_for_frame()
        os.write(terminal.stream.fileno(), b"^Z\n[1]+  Stopped  tfo run\n$ fg\ntfo run\n")
        signal.raise_signal(signal.SIGCONT)
        for step in (101, 102):
            live.refresh(build_view(step))
            terminal.wait_for(f"{step}/420 steps")
        terminal.wait_for_frame()
        text = terminal.screen().text
    place = text.index("^Z")
    assert text[0].endswith("worker-1 was killed by SIGKILL")
    assert text[place : place + 4] == ["^Z", "[1]+  Stopped  tfo run", "$ fg", "tfo run"]
    assert [number for number, line in enumerate(text) if "/420 steps" in line] == [2, place + 5]
    assert "102/420 steps" in text[place + 5]


def test_no_color_is_respected(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    with LiveRenderer(terminal.stream) as live:
        live.refresh(build_view())
        terminal.wait_for("worker-1")
        live.told(build_event())
        live.close(build_summary())
    terminal.wait_for("tensorboard --logdir")
    assert [code for code in STYLES.findall(terminal.received) if code not in PLAIN_STYLES] == []


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_no_line_of_a_frame_is_wrapped(terminal: Terminal, columns: int) -> None:
    """A line that the terminal wrapped would be left over when the frame is drawn anew."""
    terminal.resize(columns)
    with LiveRenderer(terminal.stream) as live:
        for step in (312, 400):
            live.refresh(build_view(step))
            terminal.wait_for(f"{step}/420")
        terminal.wait_for_frame()
        screen = terminal.screen(columns)
    expected = [line.plain for line in render_frame(build_view(400), columns - 1, 40, Glyphs())]
    assert all(len(line) < columns for line in expected)
    assert [line for line in screen.text if "312/420" in line] == []
    assert screen.text == [*expected, ""]


def test_a_terminal_that_does_not_speak_utf_8(monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> None:
    with (
        open(os.dup(terminal.stream.fileno()), "w", encoding="ascii") as stream,
        LiveRenderer(stream) as live,
    ):
        live.told(build_event("naïve"))
        live.refresh(build_view())
        terminal.wait_for("worker-1")
    assert terminal.received.isascii()
    assert "na?ve" in terminal.screen().text[0]


def test_it_draws_at_most_four_times_a_second_and_nothing_when_nothing_changes(terminal: Terminal) -> None:
    with LiveRenderer(terminal.stream) as live:
        for step in range(50):
            live.refresh(build_view(step))
        live.refresh(build_view(400))
        terminal.wait_for("400/420 steps")
        drawn = terminal.received.count(b"/420 steps")
        before = len(terminal.received)
        for _ in range(20):
            live.refresh(build_view(400))
        live.note("done", later(0))
        terminal.wait_for("done")
    terminal.stream.write("the end\n")
    terminal.stream.flush()
    terminal.wait_for("the end")
    between = terminal.received[before:].count(b"/420 steps")
    assert drawn <= 3
    assert between == 1


def test_a_stopped_terminal_holds_nothing_up(terminal: Terminal) -> None:
    """Ctrl-S: what is written waits in the kernel, until that is full and the writer waits too."""
    termios.tcflow(terminal.stream.fileno(), termios.TCOOFF)
    with LiveRenderer(terminal.stream) as live:
        for step in range(2_000):
            live.told(build_event("x" * 400))
            live.refresh(build_view(step % 400))
        termios.tcflow(terminal.stream.fileno(), termios.TCOON)
        live.refresh(build_view(411))
        terminal.wait_for("411/420 steps")


def test_a_closed_stream_ends_nothing() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as stream, LiveRenderer(stream) as live:
        live.refresh(build_view())
        live.close(build_summary())


@pytest.mark.parametrize(
    ("output", "kind"),
    [
        (Output.AUTO, LiveRenderer),
        (Output.LIVE, LiveRenderer),
        (Output.PLAIN, PlainRenderer),
        (Output.JSON, JsonRenderer),
    ],
)
def test_on_a_terminal_the_live_view_is_the_default(
    terminal: Terminal, output: Output, kind: type[Renderer]
) -> None:
    assert isinstance(rendering.renderer_for(output, terminal.stream, "digits-cnn", 3), kind)


def test_elsewhere_plain_lines_are(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    with open(os.devnull, "w") as stream:
        assert isinstance(rendering.renderer_for(Output.AUTO, stream, "digits-cnn", 3), PlainRenderer)
    monkeypatch.setenv("TERM", "dumb")
    assert isinstance(rendering.renderer_for(Output.AUTO, terminal.stream, "digits-cnn", 3), PlainRenderer)
    monkeypatch.setenv("TERM", "xterm")
    terminal.resize(19)
    assert isinstance(rendering.renderer_for(Output.AUTO, terminal.stream, "digits-cnn", 3), PlainRenderer)
