"""Where a local run's programs find and leave their files: what the job names, else the run's own folder; pure.

Called by `preparation` with a real run folder and by `plan_view` with a word in its place, so that both say the same;
`plan` asks whether a job can be moved to another folder.
"""

from collections.abc import Mapping
from pathlib import Path

from orchestrator.api.catalog import DATA_SUFFIX
from orchestrator.api.types import Role, TensorFlowJob
from orchestrator.backends.local.layout import Layout
from orchestrator.core import membership, names, plan
from orchestrator.core.plan import Folders

REPORT_SECONDS = 1.0
"""How often replicas on this machine report unless the job says otherwise."""


def checkpoints_of(job: TensorFlowJob, run: Layout, base: Path) -> Path:
    """checkpoint.directory with a folder per job; without one, or with a volume, the run folder's own."""
    wish = job.spec.checkpoint
    if not wish.directory or wish.volume_claim is not None:
        return run.checkpoints
    return base / wish.directory / names.checkpoint_folder(job)


def local_folders(job: TensorFlowJob, run: Layout, base: Path, cache: Path) -> Folders:
    """`base`: what relative directories of the job begin at."""
    logs = job.spec.logs
    has_own_logs = bool(logs.directory) and logs.volume_claim is None
    return Folders(
        checkpoints=str(checkpoints_of(job, run, base)),
        logs=str(base / str(logs.directory) if has_own_logs else run.tensorboard),
        models=str(run.model),
        data=str(data_folder(cache)),
    )


def is_tied_to_folder(job: TensorFlowJob) -> bool:
    """Whether a run on this machine depends on the folder that the job's file lies in."""
    directories = (job.spec.checkpoint.directory, job.spec.logs.directory)
    roles = {role for role, _ in membership.seats(job.spec)}
    return any(one and _is_relative(one) for one in directories) or any(
        _looks_around(job, role) for role in roles
    )


def _looks_around(job: TensorFlowJob, role: Role) -> bool:
    """A program may do anything in the folder that it starts in; a built-in one at most reads its data there."""
    container = plan.container_of(job.spec, role)
    if not _is_relative(container.get("workingDir") or ""):
        return False
    if container.get("command") or container.get("args") or job.spec.workload is None:
        return True
    data = str(job.spec.workload.args.get("data") or "")
    return data.endswith(DATA_SUFFIX) and _is_relative(data) and not data.startswith("~")


def _is_relative(path: str) -> bool:
    return not Path(path).is_absolute()


def data_folder(cache: Path) -> Path:
    """Where programs look for data that lie nowhere else, and keep what they download."""
    return cache / "data"


def cache_folder(environ: Mapping[str, str]) -> Path:
    home = environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "tf-orchestrator"
