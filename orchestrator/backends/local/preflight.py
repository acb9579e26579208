"""What is certain to fail before a program of a job starts on this machine: its folder, the program, its script.

Called by `tfo run` before anything is made, so that a misspelt name is a wrong input with its place and not a failed
attempt. Looks at files only; what can only be known by starting (an interpreter that is missing, say) is told by the
agent.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

from orchestrator.api import suggest, templates
from orchestrator.api.catalog import DATA_SUFFIX
from orchestrator.api.errors import FieldError, quote
from orchestrator.api.errors import Path as FieldPath
from orchestrator.api.types import TensorFlowJob
from orchestrator.backends.local import programs
from orchestrator.core import plan
from orchestrator.core.plan import ReplicaPlan

_PYTHON = re.compile(r"python(\d+(\.\d+)?)?")
NO_COMMAND = "is missing: an image's own program is known in pods only; give a command, or a workload"
_CUTOFF = 0.75
_MOST_LOOKED_AT = 5000
"""Names among which the one that was meant is looked for."""


def find_missing(job: TensorFlowJob, place: programs.Place, data: Path) -> tuple[FieldError, ...]:
    """`job` is defaulted and valid; `data`: its TFO_DATA_DIR. A template that several roles share is judged once."""
    found: dict[FieldPath, FieldError] = {}
    for one in plan.plan(job, plan.Folders(), report_seconds=1.0).replicas:
        if one.index == 0:
            error = _judge(job, one, place) or _judge_data(job, one, place, data)
            if error is not None:
                found.setdefault(error.path, error)
    return tuple(found.values())


def _judge_data(job: TensorFlowJob, one: ReplicaPlan, place: programs.Place, data: Path) -> FieldError | None:
    """The file that a built-in program is to learn from, where it looks for it."""
    name = str((job.spec.workload.args if job.spec.workload else {}).get("data") or "")
    has_own_command = bool(plan.container_of(job.spec, one.role).get("command"))
    if not name.endswith(DATA_SUFFIX) or has_own_command:
        return None
    wanted = Path(os.path.expanduser(name))  # pathlib's raises where there is no such user
    file = programs.working_dir(one, place) / wanted
    if file.exists() or (data / wanted).exists():
        return None
    return FieldError(path=("spec", "workload", "args", "data"), message=_say_missing(file))


def _container_path(job: TensorFlowJob, one: ReplicaPlan) -> FieldPath:
    """Of the container that this role's replicas run; where there is no template, of the whole job."""
    template = plan.template_of(job.spec, one.role)
    is_own = template is not job.spec.template
    path: FieldPath = ("spec", "replicaSpecs", one.role.value, "template") if is_own else ("spec", "template")
    return templates.locate_container(template, path) or ("spec",)


def _second_word(job: TensorFlowJob, one: ReplicaPlan) -> FieldPath:
    """The words of a program are those of `command` and then those of `args`."""
    command = plan.container_of(job.spec, one.role).get("command") or ()
    return ("command", 1) if len(command) > 1 else ("args", 0)


def _judge(job: TensorFlowJob, one: ReplicaPlan, place: programs.Place) -> FieldError | None:
    path = _container_path(job, one)
    folder = programs.working_dir(one, place)
    if not folder.is_dir():
        near = _near(folder.name, _names((folder.parent,), Path.is_dir))
        return FieldError(path=(*path, "workingDir"), message=f"there is no folder {_quote(folder)}{near}")
    argv = programs.argv(one)
    if not argv:
        return FieldError(path=(*path, "command"), message=NO_COMMAND)
    message = _say_no_program(argv[0], folder, programs.environ(one, place, {})["PATH"])
    if message:
        return FieldError(path=(*path, "command", 0), message=message)
    message = _say_no_script(argv, folder)
    return FieldError(path=(*path, *_second_word(job, one)), message=message) if message else None


def _say_no_program(name: str, folder: Path, search: str) -> str:
    """As the kernel and the shell look for it: with a slash it is a file, without one it is on PATH."""
    if "/" in name:
        return _say_no_file(folder / name)
    folders = [folder / entry for entry in search.split(os.pathsep)]
    if shutil.which(name, path=os.pathsep.join(map(str, folders))):
        return ""
    if (folder / name).is_file():
        how = f"python {name}" if name.endswith(".py") else f"./{name}"
        return f"{quote(name)} is not on PATH; to run the file in {_quote(folder)} write {how}"
    near = _near(name, _names(folders, _is_program))
    return f"there is no program {quote(name)} on PATH{near}"


def _say_no_file(file: Path) -> str:
    if file.is_dir():
        return f"{_quote(file)} is a folder, not a program"
    if not file.exists():
        return _say_missing(file)
    if os.access(file, os.X_OK):
        return ""
    how = f"write python {file.name}" if file.suffix == ".py" else f"chmod +x {file.name} makes it so"
    return f"{_quote(file)} is not executable; {how}"


def _say_no_script(argv: tuple[str, ...], folder: Path) -> str:
    """Python ends with code 2 when its script is missing, which looks like a failure of the program."""
    if len(argv) < 2 or argv[1].startswith("-") or not _PYTHON.fullmatch(Path(argv[0]).name):
        return ""
    script = folder / argv[1]
    if script.exists():
        return ""
    return _say_missing(script)


def _say_missing(file: Path) -> str:
    return f"there is no file {_quote(file)}{_near(file.name, _names((file.parent,), Path.is_file))}"


def _near(name: str, known: Iterable[str]) -> str:
    nearest = suggest.find_nearest(name, known, _CUTOFF)
    return f"; did you mean {quote(nearest)}?" if nearest else ""


def _names(folders: Iterable[Path], is_wanted: Callable[[Path], bool]) -> list[str]:
    """What lies there, but for what nobody may look at."""
    found: list[str] = []
    for folder in folders:
        with suppress(OSError):
            found += [entry.name for entry in islice(folder.iterdir(), _MOST_LOOKED_AT) if is_wanted(entry)]
    return found[:_MOST_LOOKED_AT]


def _is_program(entry: Path) -> bool:
    return entry.is_file() and os.access(entry, os.X_OK)


def _quote(path: Path) -> str:
    return quote(str(path), limit=4096)
