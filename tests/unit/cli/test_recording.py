"""What is said at the end of a run whose metrics are served on."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli import recording
from orchestrator.cli.arguments import JobOptions, Output, RunOptions
from orchestrator.cli.session import LocalSession
from orchestrator.cli.summary import render_summary
from orchestrator.metrics import server
from orchestrator.metrics.store import Store
from tests.fixtures.run_views import build_summary


async def said(folder: Path, linger: float, interrupted: int | None = None) -> tuple[str, str]:
    """And where the metrics were."""
    options = RunOptions(
        job=JobOptions(target="cnn"),
        runs_dir=folder,
        output=Output.AUTO,
        metrics_port=0,
        metrics_port_asked=False,
        metrics_linger=linger,
        resume=None,
        invocation=(),
    )
    stand_in = SimpleNamespace(
        run_plan=SimpleNamespace(folder=RunFolder(folder)),
        backend=SimpleNamespace(set_runner_url=lambda url: None),
        store=Store(),
        interrupted=interrupted,
        metrics_url="",
    )
    endpoint = server.listen("127.0.0.1", 0, asked=True)
    async with recording.Recording(cast("LocalSession", stand_in), options, endpoint) as record:
        return record.farewell(), stand_in.metrics_url


@pytest.mark.parametrize(
    ("seconds", "words"), [(60.0, "60 s"), (0.5, "0.5 s"), (315_360_000, "315,360,000 s")]
)
async def test_where_the_metrics_stay_and_for_how_long_is_the_last_line(
    tmp_path: Path, seconds: float, words: str
) -> None:
    told, url = await said(tmp_path, seconds)
    assert told == f"metrics stay at {url} for {words}; Ctrl-C ends that"
    assert render_summary(build_summary(farewell=told)).splitlines()[-2:] == ["", told]


async def test_nothing_is_said_where_nothing_is_waited_for(tmp_path: Path) -> None:
    assert (await said(tmp_path, 0.0))[0] == ""
    assert (await said(tmp_path, 60.0, interrupted=130))[0] == "", "Ctrl-C has ended that already"
