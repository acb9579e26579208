"""Finding the counter of kills for want of memory."""

from pathlib import Path

import pytest

from orchestrator.agent.memory import Kills, oom_kills


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, None),
        ({"proc/vmstat": "pgfault 5\noom_kill 7\n"}, Kills(7, False)),
        ({"proc/vmstat": "oom_kill x\n"}, None),
        (
            {"proc/self/cgroup": "0::/user/me\n", "cg/user/me/memory.events": "oom 3\noom_kill 2\n"},
            Kills(2, True),
        ),
        ({"proc/self/cgroup": "0::/host/path\n", "cg/memory.events": "oom_kill 4\n"}, Kills(4, True)),
        (
            {
                "proc/self/cgroup": "5:cpu:/a\n4:memory:/a\n0::/\n",
                "cg/memory/a/memory.oom_control": "under_oom 0\noom_kill 1\n",
                "proc/vmstat": "oom_kill 9\n",
            },
            Kills(1, True),
        ),
        (
            {
                "proc/self/cgroup": "4:memory,x:/host\nnonsense\n",
                "cg/memory/memory.oom_control": "oom_kill 6\n",
            },
            Kills(6, True),
        ),
    ],
)
def test_our_cgroup_first_then_the_whole_machine(
    tmp_path: Path, files: dict[str, str], expected: Kills | None
) -> None:
    write(tmp_path, files)
    assert oom_kills(str(tmp_path / "proc"), str(tmp_path / "cg")) == expected
