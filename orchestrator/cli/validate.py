"""`tfo validate FILE...`: every error of every file with its place; exit code 2 if there is one.

Called by `main`. Errors go to standard error, one a line, so that editors and CI can read them. Imports nothing heavy:
an answer takes less than 0.3 s.
"""

import sys
from collections.abc import Sequence
from typing import TextIO

from orchestrator.api.load import LoadResult, load_jobs, name_source
from orchestrator.cli import exit_codes
from orchestrator.cli.arguments import ValidateOptions


def validate_command(options: ValidateOptions) -> int:
    return validate_files(options.files, sys.stdout, sys.stderr)


def validate_files(files: Sequence[str], out: TextIO, err: TextIO) -> int:
    wrong = errors = 0
    for file in files:
        result = load_jobs(file)
        _print_errors(result, err)
        errors += len(result.errors) + result.dropped
        wrong += bool(result.errors)
        if not result.errors:
            names = ", ".join(job.metadata.name for job in result.jobs)
            print(f"{name_source(file)}: valid ({names})", file=out)
    if not errors:
        return exit_codes.OK
    of = f" of {len(files)}" if len(files) > 1 else ""
    print(f"{_count(errors, 'error')} in {_count(wrong, 'file')}{of}", file=err)
    return exit_codes.WRONG_INPUT


def _print_errors(result: LoadResult, err: TextIO) -> None:
    for error in result.errors:
        print(error, file=err)
    if result.dropped:
        print(f"{_count(result.dropped, 'more error')}, not shown", file=err)


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
