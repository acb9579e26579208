"""Finds the run that the user names, JOB or JOB/NUMBER, or says which names there are.

Called by the commands that look at runs from another terminal: ps, logs, stop, rm. Reads folders, changes nothing.
"""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from orchestrator.api.suggest import find_nearest
from orchestrator.backends.local import run_folder
from orchestrator.backends.local.run_folder import RunFolder, RunState
from orchestrator.cli.errors import Refused

UNREADABLE = "Unreadable"
_MAX_LISTED = 10


def find_run(runs: Path, reference: str) -> RunFolder:
    """Raises Refused with the nearest name there is."""
    return select(runs, every_run(runs), reference)[-1]


def select(runs: Path, known: Sequence[RunFolder], reference: str) -> list[RunFolder]:
    """JOB: all its runs, oldest first; JOB/NUMBER: that one. Raises Refused when there is none among those known."""
    job, _, number = reference.partition("/")
    same = [one for one in known if one.job == job]
    if not same:
        raise Refused(_no_job(runs, job, sorted({one.job for one in known})))
    if not number:
        return same
    found = [one for one in same if str(one.number) == number]
    if not found:
        raise Refused(
            f"job {job!r} has no run {number!r}; it has {_listed([str(one.number) for one in same])}"
        )
    return found


def every_run(runs: Path) -> list[RunFolder]:
    """Those that can be looked at."""
    return [folder for folder in every_folder(runs) if folder.has_state]


def every_folder(runs: Path) -> list[RunFolder]:
    """Also what is left of runs that were killed before they had a state. Raises Refused."""
    try:
        return list(run_folder.every_folder(runs))
    except OSError as error:
        raise Refused(f"cannot read the runs in {runs}: {error.strerror}") from None


def read_state(folder: RunFolder) -> RunState | None:
    """None when it was removed meanwhile, or is no state of ours."""
    try:
        return folder.read_state()
    except (OSError, msgspec.DecodeError):
        return None


def live_runs(runs: Path) -> list[RunFolder]:
    return [one for one in every_run(runs) if one.is_live()]


def phase_of(folder: RunFolder) -> str:
    """As `tfo ps` says it."""
    try:
        return folder.phase().value
    except FileNotFoundError:
        return "Removed"
    except (OSError, msgspec.DecodeError):
        return UNREADABLE


def label(folder: RunFolder) -> str:
    """JOB/NUMBER, the way the user names it."""
    return f"{folder.job}/{folder.number}"


def _no_job(runs: Path, job: str, known: list[str]) -> str:
    if not known:
        return f"there are no runs in {runs} (--runs-dir or TFO_RUNS_DIR names another folder)"
    nearest = find_nearest(job, known)
    hint = f"did you mean {nearest!r}?" if nearest else f"there: {_listed(known)}"
    return f"no run of a job {job!r} in {runs}; {hint}"


def _listed(names: list[str]) -> str:
    """The newest last; never a flood."""
    shown = names[-_MAX_LISTED:]
    return ", ".join(["…", *shown] if len(shown) < len(names) else shown)
