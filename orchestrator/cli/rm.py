"""`tfo rm`: removes ended runs with all that is in their folders. A live run is refused.

Nothing is removed before every name has been found.
"""

from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli import exit_codes
from orchestrator.cli.arguments import RmOptions
from orchestrator.cli.errors import Refused
from orchestrator.cli.lookup import every_run, label, select


def rm_command(options: RmOptions) -> int:
    chosen = _chosen(options)
    living = [label(one) for one in chosen if one.is_live()]
    if living and not options.all:
        raise Refused(f"still running: {', '.join(living)}; first: tfo stop {living[0]}")
    for folder in chosen:
        if label(folder) in living:
            print(f"kept {label(folder)}: still running")
            continue
        remove(folder)
        print(f"removed {label(folder)}")
    return exit_codes.OK


def _chosen(options: RmOptions) -> list[RunFolder]:
    """Each once, in the order of names."""
    if not options.runs:
        return every_run(options.runs_dir)
    found: dict[str, RunFolder] = {}
    for reference in options.runs:
        runs = select(options.runs_dir, reference)
        found |= {label(one): one for one in (runs if options.all else runs[-1:])}
    return list(found.values())


def remove(folder: RunFolder) -> None:
    try:
        folder.remove()
    except OSError as error:
        if not folder.path.exists():
            return
        raise Refused(f"cannot remove {folder.path}: {error.strerror}") from None
