"""Words of the command line -> options, and the words for what makes no sense."""

from pathlib import Path

import pytest

from orchestrator.api.types import MAX_REPLICAS, Strategy
from orchestrator.backends.local import run_folder
from orchestrator.cli import arguments, commands, words
from orchestrator.cli.arguments import (
    JobOptions,
    LogsOptions,
    Output,
    Place,
    PlanOptions,
    PsOptions,
    RmOptions,
    RunOptions,
    StopOptions,
    SubmitOptions,
)
from orchestrator.cli.cluster_arguments import Reach
from orchestrator.cli.errors import UsageError


def parse(line: str, **environ: str) -> arguments.Options:
    return arguments.parse(line.split(), environ)[1]


def refusal(line: str) -> str:
    with pytest.raises(UsageError) as caught:
        parse(line)
    return str(caught.value)


def test_a_run_without_flags_leaves_everything_to_the_defaults() -> None:
    assert parse("run cnn") == RunOptions(
        job=JobOptions(target="cnn"),
        runs_dir=Path("tfo-runs"),
        output=Output.AUTO,
        metrics_port=9400,
        metrics_port_asked=False,
        metrics_linger=0.0,
        resume=None,
        invocation=("run", "cnn"),
    )


def test_every_flag_of_a_run_arrives() -> None:
    line = (
        "run job.yaml --workers 2 --set a=1 --set b=x=y --name n --gpus 0 --ps 1 --evaluator --strategy Independent "
        "--runs-dir d --output json --metrics-port 9400 --metrics-linger 1.5 --resume"
    )
    job = JobOptions(
        target="job.yaml",
        workers=2,
        sets=("a=1", "b=x=y"),
        name="n",
        gpus=0,
        ps=1,
        evaluator=True,
        strategy="Independent",
    )
    assert parse(line) == RunOptions(
        job=job,
        runs_dir=Path("d"),
        output=Output.JSON,
        metrics_port=9400,
        metrics_port_asked=True,
        metrics_linger=1.5,
        resume="",
        invocation=tuple(line.split()),
    )


def test_everything_behind_two_hyphens_is_the_program() -> None:
    options = parse("run --workers 2 -- python train.py --workers 3 -- --help")
    assert isinstance(options, RunOptions)
    assert options.job.program == ("python", "train.py", "--workers", "3", "--", "--help")
    assert options.job.workers == 2


@pytest.mark.parametrize(
    ("line", "resume", "target"),
    [
        ("run cnn --resume", "", "cnn"),
        ("run --resume cnn", "", "cnn"),
        ("run --resume examples/cnn.yaml", "", "examples/cnn.yaml"),
        ("run cnn --resume digits-cnn/3", "digits-cnn/3", "cnn"),
        ("run --resume digits-cnn/3 cnn", "digits-cnn/3", "cnn"),
        ("run cnn --resume=digits-cnn", "digits-cnn", "cnn"),
        ("run cnn", None, "cnn"),
    ],
)
def test_resume_takes_a_value_only_where_it_names_a_run(line: str, resume: str | None, target: str) -> None:
    options = parse(line)
    assert isinstance(options, RunOptions)
    assert (options.resume, options.job.target) == (resume, target)


def test_a_file_that_looks_like_a_run_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "1").touch()
    monkeypatch.chdir(tmp_path)
    options = parse("run --resume jobs/1")
    assert isinstance(options, RunOptions)
    assert (options.resume, options.job.target) == ("", "jobs/1")


@pytest.mark.parametrize(
    ("line", "options"),
    [
        (
            "plan cnn --on local --output job",
            PlanOptions(job=JobOptions(command="plan", target="cnn"), on=Place.LOCAL, output="job"),
        ),
        ("plan -- ./a", PlanOptions(job=JobOptions(command="plan", program=("./a",)))),
        ("ps -a --output json", PsOptions(runs_dir=Path("tfo-runs"), all=True, output="json")),
        (
            "logs j worker-1 -f --attempt 2 --tail 9",
            LogsOptions(
                runs_dir=Path("tfo-runs"), run="j", replica="worker-1", follow=True, attempt=2, tail=9
            ),
        ),
        (
            "stop j/3 --now --timeout 2",
            StopOptions(runs_dir=Path("tfo-runs"), run="j/3", now=True, timeout=2.0),
        ),
        ("rm a b/1 --all", RmOptions(runs_dir=Path("tfo-runs"), runs=("a", "b/1"), all=True)),
        ("rm --all", RmOptions(runs_dir=Path("tfo-runs"), all=True)),
    ],
)
def test_other_commands(line: str, options: arguments.Options) -> None:
    assert parse(line) == options


def test_the_runs_folder_is_the_flag_else_the_variable_else_the_default() -> None:
    found = [
        options.runs_dir
        for options in (
            parse("ps --runs-dir f", TFO_RUNS_DIR="v"),
            parse("ps", TFO_RUNS_DIR="v"),
            parse("ps"),
        )
        if isinstance(options, PsOptions)
    ]
    assert found == [Path("f"), Path("v"), Path("tfo-runs")]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("rnu cnn", "unknown command 'rnu'; did you mean 'run'?"),
        ("cnn --workers 2", "did you mean: tfo run cnn?"),
        ("examples/cnn.yaml", "did you mean: tfo run examples/cnn.yaml?"),
        ("run cnn --worker 2", "unknown option '--worker'; did you mean '--workers'?"),
        ("run cnn --workesr=2", "unknown option '--workesr'; did you mean '--workers'?"),
        ("ps -x", "unexpected argument '-x'"),
        ("logs a b-1 c", "unexpected argument 'c'"),
        ("run cnn --workers two", "argument --workers: must be a whole number from 0 to 3000, not 'two'"),
        ("run cnn --workers -1", "argument --workers: must be a whole number from 0 to 3000, not '-1'"),
        ("run cnn --metrics-port 65536", "must be a whole number from 0 to 65535"),
        ("run cnn --metrics-linger nan", "must be seconds from 0"),
        ("stop j --timeout soon", "must be seconds from 0"),
        ("run cnn --output text", "invalid choice: 'text'"),
        ("run cnn --strategy Mirrored", "invalid choice: 'Mirrored'"),
        ("run", "which job? write: tfo run FILE|WORKLOAD [options] or: tfo run [options] -- PROGRAM"),
        ("run --resume", "which job?"),
        ("run --", "nothing stands after '--'"),
        ("run cnn -- python x.py", "either 'cnn' or a program after '--', not both"),
        ("ps -- python x.py", "takes no program after '--'"),
        ("logs", "JOB[/NUMBER]"),
        ("rm", "which run?"),
        ("--workers 2 cnn", "option '--workers' stands behind its command: tfo run ... --workers"),
        ("--versoin", "unknown option '--versoin'; did you mean '--version'?"),
    ],
)
def test_what_makes_no_sense_is_said_with_what_would(line: str, words: str) -> None:
    assert words in refusal(line)


def test_a_program_in_place_of_a_command_is_understood(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "train.py").touch()
    monkeypatch.chdir(tmp_path)
    assert "did you mean: tfo run -- python train.py?" in refusal("train.py")


def test_the_hint_names_the_command_whose_help_tells_more() -> None:
    hints = []
    for line in ("nonsense", "run cnn --worker 2", "logs"):
        with pytest.raises(UsageError) as caught:
            parse(line)
        hints.append(caught.value.hint)
    assert hints == ["tfo --help", "tfo run --help", "tfo logs --help"]


def test_what_the_parser_says_twice_agrees_with_where_it_comes_from() -> None:
    """The parser may not import these: they are dear, and one of them needs Linux."""
    assert tuple(commands.STRATEGIES) == tuple(Strategy)
    assert words.MAX_REPLICAS == MAX_REPLICAS
    assert (arguments.RUNS_VARIABLE, arguments.DEFAULT_RUNS) == (
        run_folder.RUNS_VARIABLE,
        run_folder.DEFAULT_RUNS,
    )


@pytest.mark.parametrize(
    "line",
    ["logs job -f worker-0 --tail 2", "logs -f --tail=2 job worker-0", "logs --tail 2 job -f worker-0"],
)
def test_the_replica_may_stand_behind_flags(line: str) -> None:
    assert parse(line) == LogsOptions(
        runs_dir=Path("tfo-runs"), run="job", replica="worker-0", follow=True, tail=2
    )


def test_how_a_submitted_job_is_shown_needs_somebody_who_looks() -> None:
    found = parse("submit cnn --watch --output json -n team")
    assert isinstance(found, SubmitOptions)
    assert (found.watch, found.output, found.reach) == (True, Output.JSON, Reach(namespace="team"))
    assert refusal("submit cnn --output json") == "--output says how --watch shows the job; write both"
