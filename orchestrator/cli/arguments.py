"""What the user asked `tfo` for, as frozen values: one dataclass per command, made by `parse`.

Called by `main`, read by every command. Imports nothing but the standard library, so that `tfo --help` answers at
once; `parser` holds the words and flags. Nothing here looks at files, except whether one stands behind a word that
could also be a run's name.
"""

import re
from argparse import Namespace
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from orchestrator.cli import commands, parser
from orchestrator.cli.cluster_arguments import JobOnCluster, Reach, job_on_cluster, reach
from orchestrator.cli.errors import UsageError
from orchestrator.cli.words import Command

RUNS_VARIABLE = "TFO_RUNS_DIR"
DEFAULT_RUNS = "tfo-runs"
DEFAULT_METRICS_PORT = 9400
_RUN_REFERENCE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?/[0-9]+")


class Output(StrEnum):
    """How `tfo run` and `tfo submit --watch` show what happens. AUTO: LIVE on a terminal, else PLAIN."""

    AUTO = "auto"
    PLAIN = "plain"
    LIVE = "live"
    JSON = "json"


class Place(StrEnum):
    """Which backend a plan is for."""

    KUBERNETES = "kubernetes"
    LOCAL = "local"


@dataclass(frozen=True, kw_only=True)
class JobOptions:
    """Which job: a file, a built-in workload or a program, and what to change in it. None: not asked for.

    `command`: that of `tfo` which wants to know; for hints.
    """

    command: str = "run"
    target: str = ""
    program: tuple[str, ...] = ()
    name: str | None = None
    workers: int | None = None
    ps: int | None = None
    evaluator: bool = False
    gpus: int | None = None
    strategy: str | None = None
    sets: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """`resume`: None: a fresh start; "": the latest run of the same job; else JOB or JOB/NUMBER.

    `metrics_port` 0: no metrics server; `metrics_port_asked`: given by the user, so another one will not do.
    `invocation`: the command line as typed, without `tfo`.
    """

    job: JobOptions
    runs_dir: Path = Path(DEFAULT_RUNS)
    output: Output = Output.AUTO
    metrics_port: int = DEFAULT_METRICS_PORT
    metrics_port_asked: bool = False
    metrics_linger: float = 0.0
    resume: str | None = None
    invocation: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PlanOptions:
    job: JobOptions
    on: Place = Place.KUBERNETES
    output: str = "text"


@dataclass(frozen=True, kw_only=True)
class SubmitOptions:
    """`dry_run`: client, server, or "" for none. `output`: how `watch` shows the job."""

    job: JobOptions
    reach: Reach
    image: str = ""
    watch: bool = False
    output: Output = Output.AUTO
    dry_run: str = ""


@dataclass(frozen=True, kw_only=True)
class ValidateOptions:
    files: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class SchemaOptions:
    pass


@dataclass(frozen=True, kw_only=True)
class PsOptions:
    """`all`: ended runs too."""

    runs_dir: Path
    all: bool = False
    output: str = "text"


@dataclass(frozen=True, kw_only=True)
class LogsOptions:
    """`replica`: role-index, "" for all. `attempt` None: every one. `tail` None: everything. `on` "": where it is."""

    runs_dir: Path
    run: str
    on: str = ""
    reach: Reach = field(default_factory=Reach)
    replica: str = ""
    follow: bool = False
    attempt: int | None = None
    tail: int | None = None


@dataclass(frozen=True, kw_only=True)
class StopOptions:
    runs_dir: Path
    run: str
    now: bool = False
    timeout: float | None = None


@dataclass(frozen=True, kw_only=True)
class RmOptions:
    """JOB: its latest run, with `all` every ended run of it; none and `all`: every ended run there is."""

    runs_dir: Path
    runs: tuple[str, ...] = ()
    all: bool = False


@dataclass(frozen=True, kw_only=True)
class DoctorOptions:
    runs_dir: Path
    output: str = "text"


@dataclass(frozen=True, kw_only=True)
class CompletionOptions:
    shell: str


Options = (
    RunOptions
    | PlanOptions
    | ValidateOptions
    | SchemaOptions
    | PsOptions
    | LogsOptions
    | StopOptions
    | RmOptions
    | DoctorOptions
    | CompletionOptions
    | SubmitOptions
    | JobOnCluster
)


@dataclass(frozen=True, kw_only=True)
class _Line:
    """A command line, taken apart as far as argparse cannot."""

    words: Namespace
    program: tuple[str, ...]
    typed: tuple[str, ...]
    runs_dir: Path


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[Command, Options]:
    """Raises UsageError; --help and --version print and raise SystemExit."""
    before, program = _split_program(argv)
    words = parser.parse(_with_resume_value(before))
    command = commands.find(words.command or "")
    if command is None:
        raise UsageError("no command")
    _check_program(command, words, argv, program)
    asked = getattr(words, "runs_dir", None) or environ.get(RUNS_VARIABLE) or DEFAULT_RUNS
    line = _Line(words=words, program=program, typed=tuple(argv), runs_dir=Path(asked))
    return command, _MAKERS[command.name](line)


def _split_program(argv: Sequence[str]) -> tuple[Sequence[str], tuple[str, ...]]:
    """Everything behind the first `--` is the user's program, whatever it looks like."""
    if "--" not in argv:
        return argv, ()
    place = list(argv).index("--")
    return argv[:place], tuple(argv[place + 1 :])


def _with_resume_value(argv: Sequence[str]) -> list[str]:
    """`--resume` takes the next word only if that is a JOB/NUMBER: `--resume FILE` resumes the job of FILE."""
    found: list[str] = []
    for word in argv:
        is_reference = _RUN_REFERENCE.fullmatch(word) is not None and not Path(word).exists()
        if found and found[-1] == "--resume" and is_reference:
            found[-1] = f"--resume={word}"
        else:
            found.append(word)
    return ["--resume=" if word == "--resume" else word for word in found]


def _check_program(command: Command, words: Namespace, argv: Sequence[str], program: tuple[str, ...]) -> None:
    if "--" in argv and not command.takes_program:
        raise UsageError("takes no program after '--'", command.name)
    if "--" in argv and not program:
        raise UsageError(
            f"nothing stands after '--'; write: tfo {command.name} -- PROGRAM ARGUMENTS", command.name
        )
    if not command.takes_program:
        return
    if program and words.target:
        raise UsageError(f"either {words.target!r} or a program after '--', not both", command.name)
    if not program and not words.target and not getattr(words, "resume", None):
        usage = " or: ".join(command.usage)
        raise UsageError(f"which job? write: {usage}", command.name)


def _job(line: _Line) -> JobOptions:
    words = line.words
    return JobOptions(
        command=words.command,
        target=words.target or "",
        program=line.program,
        name=words.name,
        workers=words.workers,
        ps=words.ps,
        evaluator=words.evaluator,
        gpus=words.gpus,
        strategy=words.strategy,
        sets=tuple(words.set),
    )


def _run(line: _Line) -> RunOptions:
    words = line.words
    asked = words.metrics_port is not None
    return RunOptions(
        job=_job(line),
        runs_dir=line.runs_dir,
        output=Output(words.output),
        metrics_port=words.metrics_port if asked else DEFAULT_METRICS_PORT,
        metrics_port_asked=asked,
        metrics_linger=words.metrics_linger,
        resume=words.resume,
        invocation=line.typed,
    )


def _plan(line: _Line) -> PlanOptions:
    return PlanOptions(job=_job(line), on=Place(line.words.on), output=line.words.output)


def _submit(line: _Line) -> SubmitOptions:
    words = line.words
    output = Output(words.output)
    if output is not Output.AUTO and not words.watch:
        raise UsageError("--output says how --watch shows the job; write both", "submit")
    return SubmitOptions(
        job=_job(line),
        reach=reach(words),
        image=words.image or "",
        watch=words.watch,
        output=output,
        dry_run=words.dry_run or "",
    )


def _on_cluster(line: _Line) -> JobOnCluster:
    return job_on_cluster(line.words)


def _scale(line: _Line) -> JobOnCluster:
    if line.words.replicas is None:
        raise UsageError("how many workers? write: tfo scale JOB --replicas N", "scale")
    return job_on_cluster(line.words)


def _validate(line: _Line) -> ValidateOptions:
    return ValidateOptions(files=tuple(line.words.files))


def _schema(line: _Line) -> SchemaOptions:
    return SchemaOptions()


def _ps(line: _Line) -> PsOptions:
    return PsOptions(runs_dir=line.runs_dir, all=line.words.all, output=line.words.output)


def _logs(line: _Line) -> LogsOptions:
    words = line.words
    return LogsOptions(
        runs_dir=line.runs_dir,
        run=words.run,
        replica=words.replica or "",
        follow=words.follow,
        attempt=words.attempt,
        tail=words.tail,
        on=words.on or "",
        reach=reach(words),
    )


def _stop(line: _Line) -> StopOptions:
    words = line.words
    return StopOptions(runs_dir=line.runs_dir, run=words.run, now=words.now, timeout=words.timeout)


def _rm(line: _Line) -> RmOptions:
    words = line.words
    if not words.runs and not words.all:
        raise UsageError("which run? write: tfo rm JOB[/NUMBER], or tfo rm --all for every ended run", "rm")
    return RmOptions(runs_dir=line.runs_dir, runs=tuple(words.runs), all=words.all)


def _doctor(line: _Line) -> DoctorOptions:
    return DoctorOptions(runs_dir=line.runs_dir, output=line.words.output)


def _completion(line: _Line) -> CompletionOptions:
    return CompletionOptions(shell=line.words.shell)


_MAKERS: dict[str, Callable[[_Line], Options]] = {
    "run": _run,
    "plan": _plan,
    "validate": _validate,
    "schema": _schema,
    "ps": _ps,
    "logs": _logs,
    "stop": _stop,
    "rm": _rm,
    "doctor": _doctor,
    "completion": _completion,
    "submit": _submit,
    "scale": _scale,
    **dict.fromkeys(("get", "describe", "events", "wait", "suspend", "resume", "delete"), _on_cluster),
}
