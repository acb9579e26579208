"""From a valid job to a run that may start: its folder, its files' places, what it resumes from, its GPUs.

Called by `cli.run` before the event loop begins. Raises `Refused` with words for the user; until the folder is
made nothing has been changed.
"""

import importlib.util
import os
import shutil
import sys
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec.structs import replace

from orchestrator.api.status import JobStatus
from orchestrator.api.types import AgentMode, TensorFlowJob
from orchestrator.backends.local import gpus, run_folder
from orchestrator.backends.local.programs import Place
from orchestrator.backends.local.run_folder import RunFolder, RunLock, Runner, RunState
from orchestrator.cli import folders, outputs, wording
from orchestrator.cli.errors import Refused
from orchestrator.cli.lookup import find_run, label, read_state
from orchestrator.cli.session import RunPlan, utc_now
from orchestrator.core import plan
from orchestrator.protocol.checkpoints import checkpoint_path, latest_step


def check_tensorflow(job: TensorFlowJob) -> None:
    """The built-in programs need TensorFlow; said before anything starts."""
    if job.spec.workload is not None and importlib.util.find_spec("tensorflow") is None:
        name = job.spec.workload.name
        raise Refused(
            f"the built-in program {name!r} needs TensorFlow, which is not installed here: {_install_line()}"
        )


def _install_line() -> str:
    """For the interpreter that runs this, whichever one a bare `pip` belongs to."""
    python = outputs.program("python", shutil.which, Path.cwd()) or sys.executable
    return wording.command(python, "-m", "pip", "install", "tf-orchestrator[train]")


def effective(job: TensorFlowJob) -> TensorFlowJob:
    """As it runs on this machine: with a UID of its own, always with agents, as if not suspended elsewhere."""
    spec = replace(
        job.spec,
        recovery=replace(job.spec.recovery, agent=AgentMode.ENABLED),
        # Nothing here could ever resume it, and `tfo rm` alone removes runs.
        run_policy=replace(job.spec.run_policy, suspend=False, ttl_seconds_after_finished=None),
    )
    return replace(job, metadata=replace(job.metadata, uid=uuid.uuid4().hex), spec=spec)


def resumed_from(runs: Path, reference: str, where: str) -> RunFolder:
    """`where`: the option or field that asks for it. Raises Refused when there is no such run."""
    try:
        return find_run(runs, reference)
    except Refused as error:
        raise Refused(f"{where}: {error}") from None


def checkpoint_to_resume(source: RunFolder, base: Path, where: str) -> Path:
    """The newest committed checkpoint of an earlier run. Raises Refused when it cannot be known or there is none."""
    try:
        job = source.read_state().job
    except (OSError, msgspec.DecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"is damaged ({error})"
        raise Refused(
            f"{where}: {source.state_file}: {reason}; resume another run (`tfo ps --all` lists them), or start "
            f"without {where}; its checkpoints are in {source.checkpoints}"
        ) from None
    origin = folders.checkpoints_of(job, source, base)
    step = latest_step(str(origin))
    if step is None:
        other = _newest_with_checkpoint(source, base)
        hint = f"; {label(other)} has one: --resume={label(other)}" if other else ""
        raise Refused(f"{where}: {label(source)} has no committed checkpoint in {origin}{hint}")
    return Path(checkpoint_path(str(origin), step))


def _newest_with_checkpoint(source: RunFolder, base: Path) -> RunFolder | None:
    """Among the other runs of the same job."""
    for run in reversed(run_folder.folders_of(source.path.parent)):
        state = read_state(run)
        if state and latest_step(str(folders.checkpoints_of(state.job, run, base))) is not None:
            return run
    return None


def take_checkpoint(checkpoint: Path, target: Path) -> None:
    """Copies it, since that run may be removed later. Raises Refused."""
    beside = target / f"{checkpoint.name}.copy"
    try:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copytree(checkpoint, beside)
        os.replace(beside, target / checkpoint.name)
    except OSError as error:
        raise Refused(f"cannot copy {checkpoint} to {target}: {error.strerror or error}") from None


def create(runs: Path, job: TensorFlowJob, invocation: tuple[str, ...]) -> tuple[RunFolder, RunLock]:
    """The run's folder with its first state, locked. Raises Refused when the disk says no."""
    folder = None
    try:
        folder = run_folder.create(runs, job.metadata.name)
        lock = RunLock(folder)
        runner = Runner(pid=os.getpid(), start_time=utc_now(), invocation=invocation)
        folder.reserve()
        folder.write_state(RunState(job=job, status=JobStatus(), runner=runner))
    except OSError as error:
        if folder is not None:
            discard(folder)
        raise Refused(f"cannot write to the runs folder {runs}: {error.strerror or error}") from None
    return folder, lock


def discard(folder: RunFolder) -> None:
    """Of a run that has not begun."""
    with suppress(OSError):
        folder.remove()


def planned(folder: RunFolder, job: TensorFlowJob, base: Path, environ: Mapping[str, str]) -> RunPlan:
    """What runs and where its files go."""
    places = folders.local_folders(job, folder, base, folders.cache_folder(environ))
    made = plan.plan(job, places, report_seconds=folders.REPORT_SECONDS)
    shares = gpus.share(job.spec, made.replicas, gpus.visible(environ))
    place = Place(folder=base, environ=environ)
    return RunPlan(folder=folder, job=job, plan=made, folders=places, place=place, shares=shares)
