"""Memory, processors and disk as /proc and /sys tell them, both kinds of control groups."""

from pathlib import Path

import pytest

from orchestrator.cli import machine

MEMINFO = "MemTotal: 16000000 kB\nMemFree: 1000000 kB\nMemAvailable: 12000000 kB\nHugePages_Total:   0\n"
KB = 1024


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_without_limits_the_machine_is_what_it_is(tmp_path: Path) -> None:
    write(tmp_path, {"proc/meminfo": MEMINFO, "proc/self/cgroup": "0::/\n"})
    seen = machine.look(tmp_path, tmp_path)
    assert (seen.memory, seen.memory_free) == (16_000_000 * KB, 12_000_000 * KB)
    assert (seen.memory_limit, seen.processor_limit) == (None, None)
    assert seen.processors >= 1


def test_limits_of_version_2_hold_for_all_groups_above(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/user/job"
    write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "0::/user/job\n",
            f"{group}/memory.max": "max\n",
            f"{group}/cpu.max": "150000 100000\n",
            "sys/fs/cgroup/user/memory.max": "4000000\n",
            "sys/fs/cgroup/user/memory.current": "3500000\n",
            "sys/fs/cgroup/user/memory.stat": "anon 1\ninactive_file 1000000\n",
            "sys/fs/cgroup/user/cpu.max": "max 100000\n",
        },
    )
    seen = machine.look(tmp_path, tmp_path)
    assert (seen.memory_limit, seen.memory_free, seen.processor_limit) == (4_000_000, 1_500_000, 1.5)


def test_limits_of_version_1_inside_a_container_whose_path_is_the_host_s(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "proc/meminfo": MEMINFO,
            "proc/self/cgroup": "4:memory:/docker/abc\n3:cpu:/docker/abc\n0::/\nnonsense\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": "4000000",
            "sys/fs/cgroup/memory/memory.usage_in_bytes": "5000000",
            "sys/fs/cgroup/memory/memory.stat": "total_inactive_file 100000\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "200000",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    seen = machine.look(tmp_path, tmp_path)
    assert (seen.memory_limit, seen.memory_free, seen.processor_limit) == (4_000_000, 0, 2.0)


@pytest.mark.parametrize("quota", ["-1", "", "many"])
def test_no_quota_and_no_real_limit_are_none(tmp_path: Path, quota: str) -> None:
    write(
        tmp_path,
        {
            "proc/self/cgroup": "4:memory:/\n3:cpu:/\n",
            "sys/fs/cgroup/memory/memory.limit_in_bytes": str(2**63 - 4096),
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": quota,
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    seen = machine.look(tmp_path, tmp_path)
    assert (seen.memory, seen.memory_free, seen.memory_limit, seen.processor_limit) == (
        None,
        None,
        None,
        None,
    )


def test_the_disk_is_that_of_the_nearest_folder_there_is(tmp_path: Path) -> None:
    here, deep = machine.look(tmp_path, tmp_path), machine.look(tmp_path / "not" / "yet", tmp_path)
    assert here.disk_free is not None
    assert deep.disk_free == pytest.approx(here.disk_free, rel=0.1)
