"""Refuses a job whose programs cannot start on this machine, each mistake with the place of its field.

Called by `run` before anything is made; `plan` and `validate` may be about another machine and do not ask. What is
missing is `backends.local.preflight`'s to find.
"""

import os

from msgspec.structs import replace

from orchestrator.backends.local import preflight
from orchestrator.backends.local.programs import Place
from orchestrator.cli import folders
from orchestrator.cli.errors import WrongJob
from orchestrator.cli.jobs import BuiltJob


def check_programs(built: BuiltJob) -> None:
    """Raises WrongJob."""
    place = Place(folder=built.folder, environ=os.environ)
    missing = preflight.find_missing(built.job, place, folders.data_folder(folders.cache_folder(os.environ)))
    if missing:
        placed = [replace(error, position=built.locate(error.path)) for error in missing]
        raise WrongJob("\n".join(str(error) for error in placed))
