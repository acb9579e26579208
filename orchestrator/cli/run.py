"""`tfo run`: from the user's words to the closing summary and the exit code.

Called by `main`. Everything that can be wrong is refused before anything starts; then `session` runs the job, a
renderer shows it, and this module says what came of it.
"""

import asyncio
import os
import shutil
import sys
from pathlib import Path

from orchestrator.api.status import Phase
from orchestrator.api.types import TensorFlowJob
from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli import exit_codes, jobs, outputs, preparation, recording
from orchestrator.cli.arguments import RunOptions
from orchestrator.cli.errors import WrongJob
from orchestrator.cli.rendering import renderer_for
from orchestrator.cli.session import LocalSession, RunPlan, utc_now
from orchestrator.cli.summary import Ending, Summary, collect_summary
from orchestrator.core.plan import ignored_locally
from orchestrator.metrics.store import Store

REFRESH_SECONDS = 0.25


def run_command(options: RunOptions) -> int:
    """Raises Refused for everything that is wrong before the start."""
    built = jobs.job_from_options(options.job)
    if not isinstance(built, jobs.BuiltJob):
        raise WrongJob("\n".join(str(error) for error in built))
    preparation.check_tensorflow(built.job)
    job = preparation.effective(built.job)
    source = _source(options, job)
    folder, lock = preparation.create(options.runs_dir, job, options.invocation)
    try:
        run = preparation.planned(folder, job, built.folder, os.environ)
        if source is not None:
            target = preparation.checkpoints_of(job, folder, built.folder)
            preparation.take_checkpoint(source, built.folder, target)
        return asyncio.run(_run(run, options, _notes(run, built.job)))
    finally:
        lock.release()


def _source(options: RunOptions, job: TensorFlowJob) -> RunFolder | None:
    """The run to resume from, if one is asked for."""
    if options.resume is None:
        return None
    return preparation.resumed_from(options.runs_dir, options.resume or job.metadata.name)


def _notes(run: RunPlan, asked: TensorFlowJob) -> tuple[str, ...]:
    """What is said once at the start."""
    ignored = ignored_locally(asked)
    told = [f"without effect on this machine: {', '.join(ignored)}"] if ignored else []
    return (*told, *([run.shares.note] if run.shares.note else []))


async def _run(run: RunPlan, options: RunOptions, notes: tuple[str, ...]) -> int:
    store = Store(namespace="local")
    async with LocalSession(run, store) as session, recording.Recording(session, options) as record:
        with (
            renderer_for(options.output, sys.stdout, run.folder.job, run.folder.number) as shown,
            recording.Tee(shown, record, run.folder) as renderer,
        ):
            session.renderer = renderer
            renderer.refresh(session.view(utc_now()))
            for note in notes:
                renderer.note(note, utc_now())
            await session.run(REFRESH_SECONDS)
            record.finish()
            summary = _summary(session, store)
            renderer.close(summary)
        await record.linger()
    return summary.exit_code


def _summary(session: LocalSession, store: Store) -> Summary:
    state = session.backend.state
    run = session.run_plan
    paths = outputs.collect_paths(run.folder, run.folders, Path.cwd())
    resume = outputs.resume_words(state.runner.invocation, f"{run.folder.job}/{run.folder.number}")
    end = Ending(
        exit_code=_exit_code(state.status.phase, session.interrupted),
        started=state.runner.start_time,
        now=state.status.completion_time or utc_now(),
        paths=paths,
        next=outputs.next_commands(paths, resume, shutil.which),
    )
    final = store.summary(run.job.metadata.uid or "")
    return collect_summary(run.folder.job, run.folder.number, state.status, final, end)


def _exit_code(phase: Phase, interrupted: int | None) -> int:
    """Whatever the signals were: a job that made it is a success."""
    if phase is Phase.SUCCEEDED:
        return exit_codes.OK
    if phase is Phase.STOPPED:
        return interrupted or exit_codes.INTERRUPTED
    return exit_codes.FAILED
