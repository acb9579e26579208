"""What a run left on disk, and the commands that go on from there.

Called by `cli.run` at the end, for the closing summary. Names only what exists; reads the disk, changes nothing.
"""

import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.api.status import JobStatus
from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli import wording
from orchestrator.cli.summary import RunPaths
from orchestrator.core.actions import Reason
from orchestrator.core.plan import Folders
from orchestrator.protocol.checkpoints import latest_step

_RUN = re.compile(r"[^/]+/[0-9]+")
Which = Callable[[str], str | None]
"""Where a bare name would be found; shutil.which."""


def collect_paths(folder: RunFolder, folders: Folders, here: Path) -> RunPaths:
    """Paths as they can be typed in `here`."""
    model = _model(Path(folders.models))
    has_checkpoint = bool(folders.checkpoints) and latest_step(folders.checkpoints) is not None
    has_events = _has_any(Path(folders.logs), "events.out.tfevents.*") if folders.logs else False
    return RunPaths(
        run=wording.near(folder.path, here),
        model=wording.near(model, here) if model else None,
        checkpoints=wording.near(Path(folders.checkpoints), here) if has_checkpoint else None,
        tensorboard=wording.near(Path(folders.logs), here) if has_events else None,
        logs=wording.near(folder.logs, here) if _has_any(folder.logs, "*.log") else None,
        metrics=wording.near(folder.metrics_prom, here) if folder.metrics_prom.is_file() else None,
    )


def next_commands(paths: RunPaths, resume: Sequence[str], which: Which, here: Path) -> tuple[str, ...]:
    """Lines for the shell that `tfo` was called in, in the folder `here`. `resume`: the words after `tfo`."""
    lines = []
    if paths.tensorboard and (tensorboard := program("tensorboard", which, here)):
        lines.append(wording.command(tensorboard, "--logdir", paths.tensorboard))
    if paths.checkpoints and resume:
        lines.append(wording.command(program("tfo", which, here) or "tfo", *resume))
    if paths.model and paths.model.endswith(".keras"):
        load = f"import keras; keras.saving.load_model({_literal(paths.model)}).summary()"
        lines.append(wording.command(program("python", which, here) or sys.executable, "-c", load))
    return tuple(lines)


def _literal(text: str) -> str:
    """As Python reads it; in double quotes if it can be, since the shell's own are single ones."""
    is_plain = repr(text) == f"'{text}'" and '"' not in text
    return f'"{text}"' if is_plain else repr(text)


def resume_words(words: Sequence[str], run: str) -> tuple[str, ...]:
    """The words of a `tfo run`, made to resume this run: JOB/NUMBER."""
    mine, rest = _split(words)
    flag = "--resume"
    kept = [word for word in mine if not word.startswith(f"{flag}=")]
    if flag in kept:
        place = kept.index(flag)
        has_value = place + 1 < len(kept) and _RUN.fullmatch(kept[place + 1]) is not None
        del kept[place : place + (2 if has_value else 1)]
    return (*kept, f"{flag}={run}", *rest)


def is_worth_resuming(status: JobStatus, checkpoints: str) -> bool:
    """Not where a built-in program refused what it was given and nothing has been saved since: it would once more."""
    began = status.attempts[-1].restore_step if status.attempts else None
    return status.reason != Reason.WRONG_INPUT or latest_step(checkpoints) != began


def program(name: str, which: Which, here: Path) -> str | None:
    """How to call a program that is installed beside our interpreter: by its name where that finds it."""
    beside = Path(sys.executable).parent / name
    found = which(name)
    if not beside.exists():
        return found
    is_same = found is not None and Path(found).parent.resolve() == beside.parent.resolve()
    return name if is_same else wording.near(beside, here)


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """What is for tfo, and from `--` on what is for the program."""
    place = words.index("--") if "--" in words else len(words)
    return list(words[:place]), list(words[place:])


def _model(folder: Path) -> Path | None:
    """The newest .keras file, else the folder of a SavedModel."""
    files = [path for path in folder.rglob("*.keras") if path.is_file()] if folder.is_dir() else []
    if files:
        return max(files, key=lambda path: (path.stat().st_mtime, str(path)))
    saved = sorted(folder.rglob("saved_model.pb")) if folder.is_dir() else []
    return saved[0].parent if saved else None


def _has_any(folder: Path, pattern: str) -> bool:
    return folder.is_dir() and next(folder.rglob(pattern), None) is not None
