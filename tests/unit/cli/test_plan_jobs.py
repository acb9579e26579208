"""Which job the user means: file, workload or program, with what flags and `--set` change, and every error."""

from pathlib import Path

import pytest

from orchestrator.api.types import Strategy
from orchestrator.cli import commands
from orchestrator.cli.arguments import JobOptions
from orchestrator.cli.errors import Refused
from orchestrator.cli.job_names import name_of
from orchestrator.cli.jobs import BuiltJob, job_from_options
from orchestrator.cli.words import Command

JOB = """\
apiVersion: tf-orchestrator.io/v1alpha1
kind: TensorFlowJob
metadata: {name: digits-cnn}
spec:
  workload: {name: cnn, args: {epochs: 3}}
  replicaSpecs:
    chief: {}
    worker: {replicas: 2, gpus: 1}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "job.yaml"
    path.write_text(JOB)
    return path


def built(options: JobOptions) -> BuiltJob:
    found = job_from_options(options)
    assert isinstance(found, BuiltJob), [str(error) for error in found]
    return found


def errors(options: JobOptions) -> list[str]:
    found = job_from_options(options)
    assert not isinstance(found, BuiltJob)
    return [str(error) for error in found]


def test_a_workload_alone_is_a_chief() -> None:
    found = built(JobOptions(target="cnn"))
    specs = found.job.spec.replica_specs
    assert (found.job.metadata.name, found.folder) == ("cnn", Path.cwd())
    assert (specs.chief is not None, specs.worker, specs.ps, specs.evaluator) == (True, None, None, None)


def test_arguments_of_a_workload_have_the_types_of_the_catalog() -> None:
    sets = ("epochs=5", "layers=64,32", "learning_rate=0.5", "summaries=false", "runPolicy.backoffLimit=7")
    spec = built(JobOptions(target="mlp", sets=sets)).job.spec
    assert spec.workload is not None
    args = spec.workload.args
    assert {name: args[name] for name in ("epochs", "layers", "learning_rate", "summaries")} == {
        "epochs": 5,
        "layers": [64, 32],
        "learning_rate": 0.5,
        "summaries": False,
    }
    assert spec.run_policy.backoff_limit == 7


def test_a_program_is_the_command_of_every_role_and_gives_the_job_its_name() -> None:
    found = built(JobOptions(program=("python", "train.py", "--lr", "0.1"), workers=2, evaluator=True))
    spec = found.job.spec
    assert spec.template == {
        "spec": {"containers": [{"name": "tensorflow", "command": ["python", "train.py", "--lr", "0.1"]}]}
    }
    assert found.job.metadata.name == "train"
    assert spec.replica_specs.worker is not None
    assert (spec.replica_specs.worker.replicas, spec.replica_specs.evaluator is not None) == (2, True)


def test_a_set_of_a_program_is_a_path_in_its_job() -> None:
    options = JobOptions(program=("./a",), sets=("spec.recovery.hangTimeoutSeconds=10",))
    assert built(options).job.spec.recovery.hang_timeout_seconds == 10


def test_a_file_runs_in_its_own_folder(file: Path) -> None:
    found = built(JobOptions(target=str(file)))
    assert (found.job.metadata.name, found.folder) == ("digits-cnn", file.parent)


def test_a_file_of_any_name_is_a_file(tmp_path: Path) -> None:
    path = tmp_path / "job"
    path.write_text(JOB)
    assert built(JobOptions(target=str(path))).job.metadata.name == "digits-cnn"


def test_flags_win_over_the_file_and_leave_the_rest(file: Path) -> None:
    options = JobOptions(
        target=str(file),
        name="other",
        workers=3,
        gpus=0,
        evaluator=True,
        sets=("spec.workload.args.epochs=9",),
    )
    job = built(options).job
    worker, chief = job.spec.replica_specs.worker, job.spec.replica_specs.chief
    assert worker is not None
    assert chief is not None
    assert (job.metadata.name, worker.replicas, worker.gpus, chief.gpus) == ("other", 3, 0, 0)
    assert job.spec.workload is not None
    assert job.spec.workload.args["epochs"] == 9


def test_no_workers_takes_the_role_away(file: Path) -> None:
    assert built(JobOptions(target=str(file), workers=0)).job.spec.replica_specs.worker is None


def test_parameter_servers_bring_their_strategy() -> None:
    job = built(JobOptions(program=("./a",), ps=2, workers=1)).job
    assert job.spec.strategy is Strategy.PARAMETER_SERVER
    assert job.spec.replica_specs.ps is not None
    assert job.spec.replica_specs.ps.replicas == 2


@pytest.mark.parametrize("word", ["ps", "ParameterServer"])
def test_the_strategy_brings_a_parameter_server(word: str) -> None:
    spec = built(JobOptions(target="mlp", strategy=word, workers=2)).job.spec
    assert spec.strategy is Strategy.PARAMETER_SERVER
    assert spec.replica_specs.ps is not None
    assert spec.replica_specs.ps.replicas == 1
    several = built(JobOptions(target="mlp", strategy=word, workers=2, ps=3)).job.spec
    assert several.replica_specs.ps is not None
    assert several.replica_specs.ps.replicas == 3


def test_a_strategy_that_is_named_stays() -> None:
    job = built(JobOptions(program=("./a",), workers=1, strategy="Independent")).job
    assert job.spec.strategy is Strategy.INDEPENDENT


def test_what_is_written_has_no_defaults(file: Path) -> None:
    found = built(JobOptions(target=str(file)))
    assert found.written.spec.success_policy is None
    assert found.job.spec.success_policy is not None


def test_errors_of_a_file_have_their_places_and_come_all_at_once(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB.replace("chief:", "cheif:").replace("epochs: 3", "epochs: 0"))
    found = errors(JobOptions(target=str(path)))
    assert len(found) == 2
    assert any(line.startswith(f"{path}:7:") and "chief" in line for line in found)
    assert any(line.startswith(f"{path}:5:") and "epochs" in line for line in found)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            JobOptions(target="cnn", sets=("epoch=5",)),
            "--set epoch=5: unknown argument 'epoch'; did you mean 'epochs'?",
        ),
        (JobOptions(target="cnn", sets=("epochs=x",)), "--set epochs=x: expected a whole number"),
        (JobOptions(target="cnn", sets=("epochs",)), "--set epochs: expected NAME=VALUE"),
        (JobOptions(target="cnn", sets=("spec.nmae=5",)), "--set spec.nmae=5"),
        (
            JobOptions(target="cnn", name="Digits_CNN"),
            "--name Digits_CNN: metadata.name: 'Digits_CNN' is no name",
        ),
        (
            JobOptions(target="perceptron", workers=2),
            "--workers 2: spec.replicaSpecs.worker: perceptron is one process",
        ),
        (
            JobOptions(target="cnn", strategy="Independent"),
            "--strategy Independent: spec.strategy: cnn runs with",
        ),
        (JobOptions(target="cnn", evaluator=True, workers=3000), "at most 3,000 replicas in all"),
        (JobOptions(program=("./a",), ps=1), "spec.replicaSpecs: strategy ParameterServer needs a worker"),
        (
            JobOptions(program=("./a",), ps=1, workers=1, strategy="Independent"),
            "--ps 1: spec.replicaSpecs.ps: only",
        ),
    ],
)
def test_what_is_wrong_names_the_flag(options: JobOptions, words: str) -> None:
    assert any(line.startswith(words) or words in line for line in errors(options)), errors(options)


def test_what_a_flag_makes_wrong_in_a_file_names_the_flag(file: Path) -> None:
    found = errors(JobOptions(target=str(file), workers=1, sets=("spec.replicaSpecs.worker.minReplicas=2",)))
    assert found == [
        "--set spec.replicaSpecs.worker.minReplicas=2: spec.replicaSpecs.worker.minReplicas: "
        "must be at most replicas (1), is 2"
    ]


@pytest.mark.parametrize("command", [commands.RUN, commands.PLAN])
def test_the_help_says_how_an_argument_is_set_in_a_file(command: Command, file: Path) -> None:
    """`--set epochs=5` is refused there: not every file is of a workload."""
    [said] = [flag.help for flag in command.flags if "--set" in flag.names]
    assert "with a FILE only the path: spec.workload.args.epochs=5." in said
    [error] = errors(JobOptions(target=str(file), sets=("epochs=5",)))
    assert error == "--set epochs=5: spec.epochs: is an argument of cnn; write spec.workload.args.epochs"
    built(JobOptions(target=str(file), sets=("spec.workload.args.epochs=5",)))


@pytest.mark.parametrize(
    ("assignment", "wrong"),
    [
        ("recovery={hangTimeoutSeconds: -1}", "spec.recovery.hangTimeoutSeconds: must be from 0"),
        ("recovery={hang: 1}", "spec.recovery.hang: unknown field"),
        ("recovery.exitCodes=[{action: Fail}]", "spec.recovery.exitCodes[0].codes: is missing"),
        ("recovery.exitCodes[0].action=Fail", "spec.recovery.exitCodes[0].codes: must not be empty"),
        ("replicaSpecs.ps.replicas=2", "spec.replicaSpecs.ps: only strategy ParameterServer"),
    ],
)
def test_what_a_set_makes_wrong_in_a_file_names_the_set(file: Path, assignment: str, wrong: str) -> None:
    [error] = errors(JobOptions(target=str(file), sets=(assignment,)))
    assert error.startswith(f"--set {assignment}: {wrong}")


def test_a_flag_that_changes_nothing_is_not_blamed(file: Path) -> None:
    file.write_text(JOB + "    evaluator: {replicas: 2}\n")
    [error] = errors(JobOptions(target=str(file), evaluator=True))
    assert error.startswith(f"{file}:9:")


def test_a_file_that_is_not_there_is_an_error_with_its_name(tmp_path: Path) -> None:
    path = str(tmp_path / "none.yaml")
    assert errors(JobOptions(target=path)) == [f"{path}: cannot be read: no such file or directory"]


def test_a_flood_of_errors_is_counted(tmp_path: Path) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(JOB + "".join(f"    wrong-{number}: 1\n" for number in range(150)))
    found = errors(JobOptions(target=str(path)))
    assert len(found) < 110
    assert any(line.endswith("more errors, not shown") for line in found)


def test_an_argument_that_turns_out_to_be_wrong_later_is_shown_without_control_characters() -> None:
    locate = built(JobOptions(target="cnn", sets=("data=\x1b[31mx.npz",))).locate
    assert str(locate(("spec", "workload", "args", "data"))) == r"--set data=\x1b[31mx.npz"


def test_a_file_of_two_jobs_is_refused_at_the_second(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(f"{JOB}---\n{JOB.replace('digits-cnn', 'other')}")
    [error] = errors(JobOptions(target=str(path)))
    assert error == f"{path}:10:1: there are 2 jobs in this file; put the one to run into a file of its own"


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("cnnn", "unknown workload 'cnnn'; did you mean 'cnn'?"),
        ("train.py", "'train.py' is a Python program, not a job; write: tfo run -- python train.py"),
        ("no/such/thing", "there is no file 'no/such/thing'"),
    ],
)
def test_what_is_neither_file_nor_workload_is_refused(target: str, words: str) -> None:
    with pytest.raises(Refused) as caught:
        job_from_options(JobOptions(target=target))
    assert words in str(caught.value)


def test_a_program_where_a_job_file_is_expected_is_named_as_one(tmp_path: Path) -> None:
    """Not as broken YAML; in the words of the command that was called."""
    path = tmp_path / "my train.py"
    path.write_text('"""Trains."""\nimport sys\n')
    for command in ("run", "plan"):
        with pytest.raises(Refused) as caught:
            job_from_options(JobOptions(command=command, target=str(path)))
        assert str(caught.value) == (
            f"'{path}' is a Python program, not a job; write: tfo {command} -- python '{path}'"
        )


def test_a_folder_where_a_job_file_is_expected_is_named_as_one(tmp_path: Path) -> None:
    def said() -> str:
        with pytest.raises(Refused) as caught:
            job_from_options(JobOptions(target=str(tmp_path)))
        return str(caught.value)

    head = f"'{tmp_path}' is a folder, not a job file"
    assert said() == f"{head}, and no YAML file is in it"
    (tmp_path / "b.yaml").touch()
    (tmp_path / "train.py").touch()
    assert said() == f"{head}; write: tfo run {tmp_path}/b.yaml"
    (tmp_path / "a.yml").touch()
    assert said() == f"{head}; write: tfo run {tmp_path}/a.yml or: tfo run {tmp_path}/b.yaml"
    for number in range(4):
        (tmp_path / f"c{number}.yaml").touch()
    assert said() == f"{head}; name one of the 6 job files in it, such as {tmp_path}/a.yml"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("python train.py --lr 0.1", "train"),
        ("/usr/bin/python3.11 -u -W error src/Train_Big.py", "train-big"),
        ("python -m team.models.resnet50", "resnet50"),
        ("python -c pass", "python"),
        ("python", "python"),
        ("./run.sh", "run"),
        ("./0001.sh", "job"),
        ("bash -c true", "bash"),
        (f"./{'x' * 80}", "x" * 50),
        ("./日本", "job"),
    ],
)
def test_a_job_is_named_after_its_program(line: str, name: str) -> None:
    assert name_of(line.split()) == name
