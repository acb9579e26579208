"""`tfo run`: from the user's words to the closing summary and the exit code.

Called by `main`. Everything that can be wrong is refused before anything starts; then `session` runs the job, a
renderer shows it, and this module says what came of it.
"""

import asyncio
import os
import shutil
import socket
import sys
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from orchestrator.api.status import Phase
from orchestrator.api.types import TensorFlowJob
from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli import exit_codes, jobs, outputs, preparation, recording, signals, startable
from orchestrator.cli.arguments import RunOptions
from orchestrator.cli.errors import WrongJob
from orchestrator.cli.rendering import renderer_for
from orchestrator.cli.session import LocalSession, RunPlan, utc_now
from orchestrator.cli.summary import Ending, Summary, collect_summary
from orchestrator.core.plan import ignored_locally
from orchestrator.metrics.store import RETENTION, Store

REFRESH_SECONDS = 0.25


@dataclass(frozen=True)
class Frame:
    """What surrounds a run. `here`: the current folder, which may be gone at the end."""

    options: RunOptions
    endpoint: socket.socket | None
    inbox: signals.Inbox
    notes: tuple[str, ...]
    here: Path


def run_command(options: RunOptions) -> int:
    """Raises Refused for everything that is wrong before the start; then nothing is left of the run."""
    here = Path.cwd()
    built = jobs.job_from_options(options.job)
    if not isinstance(built, jobs.BuiltJob):
        raise WrongJob("\n".join(str(error) for error in built))
    preparation.check_tensorflow(built.job)
    startable.check_programs(built)
    job = preparation.effective(built.job)
    checkpoint = _checkpoint(options, job, built.folder)
    endpoint = recording.listen(options)
    # From here to the end of the process: what is made is taken back, or brought to its end, whatever signal comes.
    inbox = signals.Inbox()
    signals.catch_interrupt()
    signals.give_to(inbox)
    folder, lock = preparation.create(options.runs_dir, job, options.invocation)
    try:
        run = _prepared(folder, built, job, checkpoint, inbox)
        frame = Frame(options, endpoint, inbox, _notes(run, built.job), here)
        return asyncio.run(_run(run, frame))
    finally:
        lock.release()


def _checkpoint(options: RunOptions, job: TensorFlowJob, base: Path) -> Path | None:
    """What to resume from, if that is asked for: by the command line, else by the file."""
    asked, where = options.resume, "--resume"
    if asked is None:
        asked, where = job.spec.checkpoint.from_, "spec.checkpoint.from"
    if asked is None:
        return None
    source = preparation.resumed_from(options.runs_dir, asked or job.metadata.name, where)
    return preparation.checkpoint_to_resume(source, base, where)


def _prepared(
    folder: RunFolder, built: jobs.BuiltJob, job: TensorFlowJob, checkpoint: Path | None, inbox: signals.Inbox
) -> RunPlan:
    """Raises Refused, or SystemExit after a signal; then the folder is gone."""
    try:
        with signals.GivenTo(signals.exit_soon):
            inbox.pass_on(signals.exit_soon)
            run = preparation.planned(folder, job, built.folder, os.environ)
            if checkpoint is not None:
                preparation.take_checkpoint(checkpoint, Path(run.folders.checkpoints))
            return run
    except BaseException:
        preparation.discard(folder)
        raise


def _notes(run: RunPlan, asked: TensorFlowJob) -> tuple[str, ...]:
    """What is said once at the start."""
    ignored = ignored_locally(asked)
    told = [f"without effect on this machine: {', '.join(ignored)}"] if ignored else []
    return (*told, *([run.shares.note] if run.shares.note else []))


async def _run(run: RunPlan, frame: Frame) -> int:
    kept = timedelta(seconds=frame.options.metrics_linger)
    store = Store(namespace="local", retention=RETENTION + kept)
    leave = threading.Event()
    async with (
        LocalSession(run, store) as session,
        recording.Recording(session, frame.options, frame.endpoint) as record,
    ):
        with (
            renderer_for(frame.options.output, sys.stdout, run.folder.job, run.folder.number, leave) as shown,
            recording.Tee(shown, record, run.folder) as renderer,
        ):
            session.renderer = renderer
            renderer.refresh(session.view(utc_now()))
            for note in frame.notes:
                renderer.note(note, utc_now())
            await session.run(REFRESH_SECONDS, frame.inbox)
            frame.inbox.listen(lambda number: leave.set())
            record.finish()
            summary = _summary(session, record, store, frame.here)
            renderer.close(summary)
        await record.linger(leave)
    return summary.exit_code


def _summary(session: LocalSession, record: recording.Recording, store: Store, here: Path) -> Summary:
    state = session.backend.state
    run = session.run_plan
    paths = outputs.collect_paths(run.folder, run.folders, here)
    is_to_go_on = outputs.is_worth_resuming(state.status, run.folders.checkpoints)
    words = outputs.resume_words(state.runner.invocation, f"{run.folder.job}/{run.folder.number}")
    end = Ending(
        exit_code=_exit_code(state.status.phase, session.interrupted),
        started=state.runner.start_time,
        now=state.status.completion_time or utc_now(),
        paths=paths,
        next=outputs.next_commands(paths, words if is_to_go_on else (), shutil.which, here),
        farewell=record.farewell(),
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
