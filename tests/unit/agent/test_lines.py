"""From raw output to log lines."""

import pytest

from orchestrator.agent.lines import MAX_LINE, PROGRESS_SECONDS, TAIL_BYTES, Lines, Tail, clean


def all_lines(*chunks: bytes, every: float = 0.0) -> list[str]:
    lines, found = Lines(), []
    for number, chunk in enumerate(chunks):
        found += lines.feed(chunk, number * every)
    return found + lines.flush()


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\n\nb", ["a", "", "b"]),
        (b"windows\r\nlines\r\n", ["windows", "lines"]),
        (b"10 %\r20 %\r30 %\n", ["10 %", "30 %"]),
        (b"10 %\r20 %\r30 %", ["10 %", "30 %"]),
        (b"\rbar", ["bar"]),
        (b"a\r\r\nb", ["a", "b"]),
        (b"wait |\b/\b-\b\\\ndone", ["wait |", "wait \\", "done"]),
        (b"x\b\b\b\by\n", ["x", "y"]),
        (b"\t\x1b[1;31mred\x1b[0m\x1b]0;title\x07.", ["\tred."]),
        (b"a\x00b\x07", ["a\ufffdb\ufffd"]),
        (b"\xff\xc3\xa4\xc3", ["\ufffdä\ufffd"]),
    ],
)
def test_lines_as_a_terminal_would_leave_them(output: bytes, expected: list[str]) -> None:
    assert all_lines(output) == expected
    assert all_lines(*(output[index : index + 1] for index in range(len(output)))) == expected


def test_of_a_progress_bar_one_state_in_a_few_seconds_is_kept() -> None:
    frames = [f"\r{number}".encode() for number in range(100)]
    assert all_lines(*frames, every=1.0) == [
        str(number) for number in range(0, 100, int(PROGRESS_SECONDS))
    ] + ["99"]


def test_endless_lines_are_broken() -> None:
    found = all_lines(*[b"x" * 1000] * 100)
    assert "".join(found) == "x" * 100_000
    assert max(len(line) for line in found) == MAX_LINE
    assert [len(line) for line in all_lines(b"y" * (2 * MAX_LINE + 1) + b"\n")] == [MAX_LINE, MAX_LINE, 1]


def test_the_tail_is_short_in_lines_and_bytes() -> None:
    tail = Tail()
    tail.add([str(number) for number in range(100)])
    assert tail.lines() == tuple(str(number) for number in range(80, 100))
    tail.add(["", "  ", "ä" * 5000])
    assert tail.lines()[-1] == "ä" * 1000
    tail.add([f"{number}{'€' * 999}" for number in range(10, 30)])
    lines = tail.lines()
    assert sum(len(line.encode()) for line in lines) <= TAIL_BYTES
    assert [line[:2] for line in lines] == ["25", "26", "27", "28", "29"]


def test_clean_text_is_left_alone() -> None:
    assert clean("loss: 0.5 – ä ━") == "loss: 0.5 – ä ━"
