"""`tfo rm`: removes ended runs with all that is in their folders. A live run is refused.

Nothing is removed before every name has been found. What is left of a run that was killed before it had a state is
removed too. A folder that cannot be removed is said, and the others are removed all the same.
"""

import sys
from collections.abc import Sequence

from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli import exit_codes
from orchestrator.cli.arguments import RmOptions
from orchestrator.cli.errors import PROGRAM, Refused
from orchestrator.cli.lookup import every_folder, label, select


def rm_command(options: RmOptions) -> int:
    chosen = _chosen(options)
    living = [label(one) for one in chosen if one.is_live()]
    if living and not options.all:
        raise Refused(f"still running: {', '.join(living)}; first: tfo stop {living[0]}")
    code = _remove_all([one for one in chosen if label(one) not in living])
    for name in living:
        print(f"kept {name}: still running")
    return code


def _chosen(options: RmOptions) -> list[RunFolder]:
    """Each once, in the order of names."""
    known = every_folder(options.runs_dir)
    if not options.runs:
        return known
    found: dict[str, RunFolder] = {}
    for reference in options.runs:
        runs = select(options.runs_dir, known, reference)
        found |= {label(one): one for one in (runs if options.all else [_latest(runs)])}
    return list(found.values())


def _latest(runs: Sequence[RunFolder]) -> RunFolder:
    """As the other commands mean it: the newest with a state, if there is one."""
    return next((one for one in reversed(runs) if one.has_state), runs[-1])


def _remove_all(folders: Sequence[RunFolder]) -> int:
    kept = 0
    for folder in folders:
        try:
            remove(folder)
        except OSError as error:
            kept += 1
            print(f"{PROGRAM}: cannot remove {folder.path}: {error.strerror or error}", file=sys.stderr)
        else:
            print(f"removed {label(folder)}")
    return exit_codes.WRONG_INPUT if kept else exit_codes.OK


def remove(folder: RunFolder) -> None:
    """Raises OSError, unless somebody else has removed it meanwhile."""
    try:
        folder.remove()
    except OSError:
        if folder.path.exists():
            raise
