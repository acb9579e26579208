"""Finding committed checkpoints."""

from pathlib import Path

import pytest

from orchestrator.protocol.checkpoints import checkpoint_path, committed_steps, latest_step


def test_only_whole_directories_of_the_right_name_count(tmp_path: Path) -> None:
    for step in (200, 0, 9_999_999_999):
        Path(checkpoint_path(str(tmp_path), step)).mkdir()
    for name in ("ckpt-0000000300.tmp", "ckpt-300", "xckpt-0000000300", "ckpt-00000003001", "other"):
        (tmp_path / name).mkdir()
    (tmp_path / "ckpt-0000000400").write_text("a file")
    assert committed_steps(str(tmp_path)) == [0, 200, 9_999_999_999]
    assert latest_step(str(tmp_path)) == 9_999_999_999


def test_a_missing_or_strange_directory_holds_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for place in ("missing", "file", ""):
        assert committed_steps(str(tmp_path / place)) == []
        assert latest_step(str(tmp_path / place)) is None


def test_steps_that_do_not_fit_have_no_path() -> None:
    assert checkpoint_path("d", 7) == "d/ckpt-0000000007"
    for step in (-1, 10_000_000_000):
        with pytest.raises(ValueError, match="must be between 0 and 9999999999"):
            checkpoint_path("d", step)
