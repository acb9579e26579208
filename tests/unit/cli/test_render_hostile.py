"""What programs write reaches a terminal and a log reader harmless and short, in every view."""

import io
import json
import os
import random

import pytest
from msgspec.structs import replace

from orchestrator.cli.frame import Glyphs, render_frame
from orchestrator.cli.render_json import JsonRenderer
from orchestrator.cli.render_live import LiveRenderer
from orchestrator.cli.render_plain import PlainRenderer
from orchestrator.cli.summary import Summary
from orchestrator.cli.view import Renderer
from orchestrator.cli.wording import MAX_LINE
from tests.fixtures.run_views import build_failure, build_view, changed
from tests.fixtures.training_reports import later

HOSTILE = "\x1b]0;title\x07\x1b[2J\x9b5A\x1bc\x00 \u202etxt\u2028next \udcff"
BINARY = random.Random(1).randbytes(4000).decode("latin-1")
HARMFUL = ("\x1b]", "\x1b[2J", "\x1bc", "\x9b", "\x00", "\x07", "\u202e", "\u2028")


def a_failure() -> Summary:
    summary = build_failure()
    assert summary.cause is not None
    return replace(summary, cause=replace(summary.cause, last_lines=(HOSTILE, BINARY, "the last line")))


def shown(renderer: Renderer, stream: io.StringIO) -> str:
    """All that is printed of a program that is hostile wherever it can be."""
    with renderer:
        renderer.refresh(changed(build_view(), metrics={HOSTILE: 1.0}))
        renderer.note(HOSTILE, later(1))
        renderer.close(a_failure())
    return stream.getvalue()


@pytest.mark.parametrize("kind", [PlainRenderer, LiveRenderer])
def test_nothing_that_a_terminal_would_obey_reaches_it(
    kind: type[PlainRenderer] | type[LiveRenderer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    stream = io.StringIO()
    text = shown(kind(stream), stream)
    assert [one for one in HARMFUL if one in text] == []
    assert "the last line" in text
    assert all(len(line) <= MAX_LINE + 20 for line in text.splitlines())


def test_names_of_metrics_are_harmless_in_a_frame() -> None:
    lines = render_frame(changed(build_view(), metrics={HOSTILE: 1.0}), 160, 40, Glyphs())
    text = "\n".join(line.plain for line in lines)
    assert [one for one in HARMFUL if one in text] == []
    assert "txt" in text


def test_programs_that_read_get_one_line_each() -> None:
    stream = io.StringIO()
    text = shown(JsonRenderer(stream, "digits-cnn", 3), stream)
    assert text.isascii()
    *_, note, summary = [json.loads(line) for line in text.splitlines()]
    said = [note["message"], *summary["cause"]["lastLines"]]
    assert [one for one in HARMFUL for line in said if one in line] == []
    assert [len(line) for line in said][2] == MAX_LINE
    assert "".join(said).encode() == os.fsencode("".join(said))
