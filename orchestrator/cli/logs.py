"""`tfo logs`: what a run's programs wrote, of all replicas or of one, once or until the run ends.

Looks at the files four times a second when following; new attempts are new files and come by themselves.
"""

import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestrator.api.suggest import unknown
from orchestrator.backends.local.run_folder import RunFolder
from orchestrator.cli import exit_codes
from orchestrator.cli.arguments import LogsOptions, Place
from orchestrator.cli.cluster_arguments import Reach, has_cluster
from orchestrator.cli.errors import Refused
from orchestrator.cli.log_files import Cursor, LogFile, every_file, tail_offsets
from orchestrator.cli.lookup import every_run, find_run, label, phase_of, read_state
from orchestrator.core import membership, names

_POLL_SECONDS = 0.25
_COLOURS = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)


def logs_command(options: LogsOptions) -> int:
    """Of a run in the runs folder, if that is meant or there is one, else of a job on a cluster."""
    if _is_on_cluster(options):
        from orchestrator.cli import cluster_logs

        return cluster_logs.logs_command(options)
    return _local(options)


def _is_on_cluster(options: LogsOptions) -> bool:
    if options.on:
        return options.on == Place.KUBERNETES
    job = options.run.partition("/")[0]
    is_meant = options.reach != Reach()
    is_here = any(folder.job == job for folder in every_run(options.runs_dir))
    if not is_meant and not is_here and not has_cluster(os.environ):
        return False
    if is_meant or not is_here:
        print(f"{job}: on the cluster", file=sys.stderr)
    return is_meant or not is_here


def _local(options: LogsOptions) -> int:
    if sys.platform != "linux":
        raise Refused(
            "tfo logs of a run needs Linux (WSL2 on Windows); of a job on a cluster it works here: --on kubernetes"
        )
    folder = find_run(options.runs_dir, options.run)
    _check_replica(folder, options.replica)
    first = _chosen(folder, options)
    if not first and not options.follow:
        _say_nothing(folder, options)
        return exit_codes.OK
    starts = {} if options.tail is None else tail_offsets(first, options.tail)
    printer = _Printer(with_names=not options.replica, is_coloured=_is_coloured())
    _print(folder, options, starts, printer)
    if options.follow:
        print(f"{label(folder)} has ended: {phase_of(folder)}", file=sys.stderr)
    return exit_codes.OK


def _print(folder: RunFolder, options: LogsOptions, starts: Mapping[Path, int], printer: "_Printer") -> None:
    """Once, or again and again until the run has ended; what was written before its end is read after it."""
    cursors: dict[Path, Cursor] = {}
    while True:
        is_last = not options.follow or not folder.is_live()
        for file in _chosen(folder, options):
            if file.path not in cursors:
                cursors[file.path] = Cursor(file, starts.get(file.path, 0))
        printer.fit(one.file for one in cursors.values())
        for cursor in cursors.values():
            printer.print(cursor.file, cursor.read(to_the_end=is_last))
        printer.flush()
        if is_last:
            return
        time.sleep(_POLL_SECONDS)


def _chosen(folder: RunFolder, options: LogsOptions) -> list[LogFile]:
    return [
        one
        for one in every_file(folder.logs)
        if options.replica in ("", one.replica) and options.attempt in (None, one.attempt)
    ]


def _check_replica(folder: RunFolder, replica: str) -> None:
    """Raises Refused for a replica that the job has not got."""
    state = read_state(folder)
    known = [names.member(role, index) for role, index in membership.seats(state.job.spec)] if state else []
    known += [one.replica for one in every_file(folder.logs) if one.replica not in known]
    if replica and replica not in known:
        raise Refused(f"{label(folder)}: {unknown('replica', replica, list(dict.fromkeys(known)))}")


def _say_nothing(folder: RunFolder, options: LogsOptions) -> None:
    attempts = sorted({one.attempt for one in every_file(folder.logs)})
    if options.attempt is not None and attempts:
        there = ", ".join(str(one) for one in attempts)
        raise Refused(f"{label(folder)} has no attempt {options.attempt}; it has {there}")
    of = f" of {options.replica}" if options.replica else ""
    when = " yet" if folder.is_live() else f"; the run has ended: {phase_of(folder)}"
    print(f"{label(folder)}: no output{of}{when}", file=sys.stderr)


def _is_coloured() -> bool:
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


class _Printer:
    """Writes bytes as they are, each line behind its replica's name if there are several replicas."""

    def __init__(self, *, with_names: bool, is_coloured: bool) -> None:
        self._with_names = with_names
        self._is_coloured = is_coloured
        self._width = 0
        self._has_attempts = False
        self._last: LogFile | None = None
        self._colours: dict[str, int] = {}

    def fit(self, files: Iterable[LogFile]) -> None:
        """To the longest name."""
        known = list(files)
        self._width = max((len(_name(one)) for one in known), default=0)
        self._has_attempts = len({one.attempt for one in known}) > 1

    def print(self, file: LogFile, lines: Iterable[bytes]) -> None:
        prefix = self._prefix(file) if self._with_names else b""
        for line in lines:
            if file != self._last and not self._with_names and self._has_attempts:
                sys.stdout.buffer.write(f"==> {file.replica} attempt {file.attempt} <==\n".encode())
            self._last = file
            sys.stdout.buffer.write(prefix + line + b"\n")

    def flush(self) -> None:
        sys.stdout.flush()
        sys.stdout.buffer.flush()

    def _prefix(self, file: LogFile) -> bytes:
        text = f"{_name(file).ljust(self._width)} | "
        if not self._is_coloured:
            return text.encode()
        colour = self._colours.setdefault(file.replica, _COLOURS[len(self._colours) % len(_COLOURS)])
        return f"\x1b[{colour}m{text}\x1b[0m".encode()


def _name(file: LogFile) -> str:
    """worker-1, and from its second start on worker-1 #2."""
    return file.replica if file.attempt == 1 else f"{file.replica} #{file.attempt}"
