"""From a valid job to a run that may start: its folder, its files' places, what it resumes from, its GPUs.

Called by `cli.run` before the event loop begins. Raises `Refused` with words for the user; until the folder is
made nothing has been changed.
"""

import importlib.util
import os
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

from msgspec.structs import replace

from orchestrator.api.status import JobStatus
from orchestrator.api.types import AgentMode, TensorFlowJob
from orchestrator.backends.local import gpus, run_folder
from orchestrator.backends.local.programs import Place
from orchestrator.backends.local.run_folder import RunFolder, RunLock, Runner, RunState
from orchestrator.cli.errors import Refused
from orchestrator.cli.session import RunPlan, utc_now
from orchestrator.core import names, plan
from orchestrator.protocol.checkpoints import checkpoint_path, latest_step

LOCAL_REPORT_SECONDS = 1.0
INSTALL_LINE = "pip install 'tf-orchestrator[train]'"


def check_tensorflow(job: TensorFlowJob) -> None:
    """The built-in programs need TensorFlow; said before anything starts."""
    if job.spec.workload is not None and importlib.util.find_spec("tensorflow") is None:
        name = job.spec.workload.name
        raise Refused(
            f"the built-in program {name!r} needs TensorFlow, which is not installed here: {INSTALL_LINE}"
        )


def effective(job: TensorFlowJob) -> TensorFlowJob:
    """As it runs on this machine: with a UID of its own, always with agents, as if not suspended elsewhere."""
    spec = replace(job.spec, recovery=replace(job.spec.recovery, agent=AgentMode.ENABLED))
    return replace(job, metadata=replace(job.metadata, uid=uuid.uuid4().hex), spec=spec)


def checkpoints_of(job: TensorFlowJob, folder: RunFolder, base: Path) -> Path:
    """checkpoint.directory with a folder per job; without one, or with a volume, the run folder's own."""
    wish = job.spec.checkpoint
    if wish.directory is None or wish.volume_claim is not None:
        return folder.checkpoints
    return base / wish.directory / names.checkpoint_folder(job)


def resumed_from(runs: Path, reference: str) -> RunFolder:
    """Raises Refused when there is no such run."""
    found = run_folder.find(runs, reference)
    if found is None:
        raise Refused(f"--resume: there is no run {reference!r} in {runs}; `tfo ps --all` lists them")
    return found


def take_checkpoint(source: RunFolder, base: Path, target: Path) -> int:
    """Copies the newest committed checkpoint of an earlier run; that run may be removed later. Raises Refused."""
    origin = checkpoints_of(source.read_state().job, source, base)
    step = latest_step(str(origin))
    if step is None:
        raise Refused(f"--resume: {source.job}/{source.number} has no committed checkpoint in {origin}")
    target.mkdir(parents=True, exist_ok=True)
    made = checkpoint_path(str(target), step)
    beside = Path(f"{made}.copy")
    shutil.copytree(checkpoint_path(str(origin), step), beside)
    os.replace(beside, made)
    return step


def create(runs: Path, job: TensorFlowJob, invocation: tuple[str, ...]) -> tuple[RunFolder, RunLock]:
    """The run's folder with its first state, locked. Raises Refused when the disk says no."""
    try:
        folder = run_folder.create(runs, job.metadata.name)
        lock = RunLock(folder)
        runner = Runner(pid=os.getpid(), start_time=utc_now(), invocation=invocation)
        folder.write_state(RunState(job=job, status=JobStatus(), runner=runner))
    except OSError as error:
        raise Refused(f"cannot write to the runs folder {runs}: {error}") from None
    return folder, lock


def planned(folder: RunFolder, job: TensorFlowJob, base: Path, environ: Mapping[str, str]) -> RunPlan:
    """What runs and where its files go."""
    logs = job.spec.logs
    own_logs = logs.directory is None or logs.volume_claim is not None
    folders = plan.Folders(
        checkpoints=str(checkpoints_of(job, folder, base)),
        logs=str(folder.tensorboard if own_logs else base / str(logs.directory)),
        models=str(folder.model),
        data=str(_cache(environ) / "data"),
    )
    made = plan.plan(job, folders, report_seconds=LOCAL_REPORT_SECONDS)
    shares = gpus.share(job.spec, made.replicas, gpus.visible(environ))
    place = Place(folder=base, environ=environ)
    return RunPlan(folder=folder, job=job, plan=made, folders=folders, place=place, shares=shares)


def _cache(environ: Mapping[str, str]) -> Path:
    home = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "tf-orchestrator"
