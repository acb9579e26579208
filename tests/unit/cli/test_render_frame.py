"""The lines of the live view at several widths, heights and encodings."""

import msgspec
import pytest

from orchestrator.api.status import JobStatus, Phase
from orchestrator.cli.frame import ASCII, Glyphs, glyphs_for, render_frame
from orchestrator.cli.view import ReplicaRow, RunView
from tests.fixtures.run_views import build_view, changed
from tests.fixtures.training_reports import RUNNING, replaced

FINE = Glyphs()


def lines_of(view: RunView, columns: int, rows: int = 40, glyphs: Glyphs = FINE) -> list[str]:
    return [line.plain for line in render_frame(view, columns, rows, glyphs)]


def test_a_wide_terminal_has_it_all_in_five_lines() -> None:
    assert lines_of(build_view(), 160) == [
        "digits-cnn/3  Running  attempt 2  1:05  (restarted 1×: worker-1 was killed by SIGKILL, 14 steps lost)"
        "  metrics http://127.0.0.1:9400/metrics",
        "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸━━━━━━━━━━  312/420 steps  74 %  ETA 0:12   loss 0.082  accuracy 0.974"
        "  val_accuracy 0.981  2,310 examples/s",
        "chief-0   running  pid 4121  step 312  41 ms/step",
        "worker-0  running  pid 4125  step 312  41 ms/step",
        "worker-1  running  pid 4188  step 312  42 ms/step  restarted 1×",
    ]


def test_eighty_columns_take_a_few_lines_more() -> None:
    assert lines_of(build_view(), 80) == [
        "digits-cnn/3  Running  attempt 2  1:05",
        "(restarted 1×: worker-1 was killed by SIGKILL, 14 steps lost)",
        "metrics http://127.0.0.1:9400/metrics",
        "━━━━━━━━━━━━━━━━━━━━━━━━━━━━━╸━━━━━━━━━━  312/420 steps  74 %  ETA 0:12",
        "loss 0.082  accuracy 0.974  val_accuracy 0.981  2,310 examples/s",
        "chief-0   running  pid 4121  step 312  41 ms/step",
        "worker-0  running  pid 4125  step 312  41 ms/step",
        "worker-1  running  pid 4188  step 312  42 ms/step  restarted 1×",
    ]


def test_columns_that_matter_least_go_first() -> None:
    assert lines_of(build_view(), 59)[-1] == "worker-1  running  step 312  42 ms/step  restarted 1×"
    assert lines_of(build_view(), 50)[-1] == "worker-1  running  step 312  restarted 1×"


def test_forty_columns_are_enough() -> None:
    assert lines_of(build_view(), 40) == [
        "digits-cnn/3  Running  attempt 2  1:05",
        "(restarted 1×: worker-1 was killed by S…",
        "metrics http://127.0.0.1:9400/metrics",
        "312/420 steps  74 %  ETA 0:12",
        "loss 0.082  accuracy 0.974",
        "val_accuracy 0.981  2,310 examples/s",
        "chief-0   running  step 312",
        "worker-0  running  step 312",
        "worker-1  running  step 312",
    ]


@pytest.mark.parametrize("columns", [1, 2, 5, 20, 41, 59, 60, 61, 100, 300])
@pytest.mark.parametrize("rows", [1, 2, 5, 10, 40])
def test_no_frame_is_wider_or_higher_than_the_terminal(columns: int, rows: int) -> None:
    lines = render_frame(build_view(), columns, rows, FINE)
    assert all(line.cell_len <= columns for line in lines)
    assert 1 <= len(lines) <= max(rows - 1, 1)


def test_a_terminal_without_unicode_gets_ascii() -> None:
    text = "\n".join(lines_of(build_view(), 40, glyphs=glyphs_for("ascii")))
    assert text.isascii()
    assert "restarted 1x" in text
    assert "..." in text
    assert "####----" in "\n".join(lines_of(build_view(210), 160, glyphs=ASCII))


@pytest.mark.parametrize(
    ("encoding", "glyphs"),
    [
        ("utf-8", FINE),
        ("UTF8", FINE),
        ("latin-1", ASCII),
        ("ascii", ASCII),
        (None, ASCII),
        ("nonsense", ASCII),
    ],
)
def test_the_encoding_decides(encoding: str | None, glyphs: Glyphs) -> None:
    assert glyphs_for(encoding) == glyphs


def test_before_the_first_step_it_says_what_is_awaited() -> None:
    created = JobStatus(message="attempt 1 waits for worker-1")
    view = changed(build_view(None), status=created, rows=())
    assert lines_of(view, 120) == [
        "digits-cnn/3  Created  starting  1:05  metrics http://127.0.0.1:9400/metrics",
        "attempt 1 waits for worker-1",
    ]
    assert lines_of(changed(view, status=RUNNING), 120)[1] == "no step reported yet"


def test_a_program_that_does_not_say_its_total_has_no_bar() -> None:
    view = build_view()
    progress = msgspec.structs.replace(view.progress, total_steps=None)
    assert lines_of(changed(view, progress=progress, eta_seconds=None), 120)[2] == (
        "312 steps   loss 0.082  accuracy 0.974  val_accuracy 0.981  2,310 examples/s"
    )


def test_the_bar_is_full_at_the_end_and_empty_at_the_start() -> None:
    assert lines_of(build_view(420), 160)[1].startswith("━" * 40 + "  420/420 steps  100 %")
    assert lines_of(build_view(0), 160)[1].startswith("╸" + "━" * 39 + "  0/420 steps  0 %")
    assert lines_of(build_view(500), 160)[1].startswith("━" * 40 + "  500/420 steps  100 %")


@pytest.mark.parametrize(("step", "total"), [(-420, 420), (10**12, -1), (-1, -420)])
def test_numbers_that_cannot_be_make_no_bar_that_is_longer_than_one(step: int, total: int) -> None:
    """Whoever may write a status, or reports by himself, can say so: a bar as long as that would take all memory."""
    progress = msgspec.structs.replace(build_view().progress, step=step, total_steps=total)
    lines = render_frame(changed(build_view(), progress=progress), 160, 40, FINE)
    assert max(line.plain.count("━") for line in lines) <= 40
    assert all(line.cell_len <= 160 for line in lines)


def build_many(count: int) -> RunView:
    rows = tuple(
        ReplicaRow(
            name=f"worker-{index}",
            state="running",
            pid=100 + index,
            step=10,
            step_seconds=0.04 + index / 1000,
        )
        for index in range(count)
    )
    return changed(build_view(), rows=rows)


def test_twelve_replicas_have_a_line_each_and_thirteen_are_counted() -> None:
    assert len(lines_of(build_many(12), 160)) == 14
    assert lines_of(build_many(13), 160)[2:] == [
        "13 replicas: 13 running",
        "worker-12  running  pid 112  step 10  52 ms/step",
        "worker-11  running  pid 111  step 10  51 ms/step",
        "worker-10  running  pid 110  step 10  50 ms/step",
    ]


def test_of_many_those_that_do_not_run_are_named() -> None:
    view = build_many(3000)
    lost = (ReplicaRow(name="worker-7", state="unreachable"), *view.rows[1:])
    assert lines_of(changed(view, rows=lost), 160)[2:4] == [
        "3,000 replicas: 2,999 running, 1 unreachable",
        "worker-7     unreachable",
    ]


def test_when_all_wait_nobody_is_named() -> None:
    rows = tuple(ReplicaRow(name=f"worker-{index}", state="waiting") for index in range(20))
    assert lines_of(changed(build_view(None), rows=rows), 160)[2:] == ["20 replicas: 20 waiting"]


def test_few_rows_of_terminal_count_the_replicas_too() -> None:
    assert lines_of(build_view(), 160, rows=5)[2:] == [
        "3 replicas: 3 running",
        "worker-1  running  pid 4188  step 312  42 ms/step  restarted 1×",
    ]


def test_what_programs_and_users_wrote_cannot_move_the_cursor() -> None:
    status = replaced(RUNNING, phase=Phase.RESTARTING, message="evil\x1b[2J\r\nname")
    assert lines_of(changed(build_view(None), status=status), 80)[-4] == "evil name"
