"""`--set`: values by dotted path and arguments of built-in programs, with the words of files for what is wrong."""

import pytest

from orchestrator.api import overrides
from orchestrator.api.errors import Path, Position
from orchestrator.api.types import (
    CleanPodPolicy,
    ExitCodeAction,
    ExitCodeRule,
    ReplicaSpec,
    TensorFlowJob,
    Toggle,
    WorkloadSpec,
)
from tests.fixtures.job_texts import cnn, job_text, load_one

JOB = load_one(cnn())


def changed(*assignments: str, job: TensorFlowJob = JOB) -> TensorFlowJob:
    result = overrides.apply(job, assignments)
    assert [str(error) for error in result.errors] == []
    return result.job


def test_nothing_set_changes_nothing() -> None:
    assert changed() == JOB


def test_values_of_every_type() -> None:
    spec = changed(
        "spec.runPolicy.backoffLimit=5",
        "runPolicy.cleanPodPolicy=None",
        "runPolicy.suspend=true",
        "telemetry.everySeconds = 0.5 ",
        "instrument.metrics=Off",
        "checkpoint.directory=0x10",
        "recovery.exitCodes=[{codes: [1, 2], action: Fail}]",
        "metadata.labels={a: b}",
    ).spec
    assert (spec.run_policy.backoff_limit, spec.run_policy.suspend) == (5, True)
    assert spec.run_policy.clean_pod_policy is CleanPodPolicy.NONE
    assert spec.telemetry.every_seconds == 0.5
    assert spec.instrument.metrics is Toggle.OFF
    assert spec.checkpoint.directory == "0x10"
    assert spec.recovery.exit_codes == (ExitCodeRule(codes=(1, 2), action=ExitCodeAction.FAIL),)


def test_metadata_is_named_by_its_head() -> None:
    metadata = changed(
        "metadata.name=other", 'metadata.labels["a.b/c"]=1', "metadata.annotations.x=y"
    ).metadata
    assert (metadata.name, metadata.labels, metadata.annotations) == ("other", {"a.b/c": "1"}, {"x": "y"})


def test_roles_and_programs_come_into_being() -> None:
    assert changed("replicaSpecs.evaluator.gpus=1").spec.replica_specs.evaluator == ReplicaSpec(gpus=1)
    assert changed("replicaSpecs.evaluator={}").spec.replica_specs.evaluator == ReplicaSpec()
    assert changed("workload.args.epochs=5").spec.workload == WorkloadSpec(name="cnn", args={"epochs": 5})


def test_lists_are_changed_and_extended_by_index() -> None:
    job = changed("recovery.exitCodes[0]={codes: [1], action: Fail}", "recovery.exitCodes[1].action=Restart")
    assert [rule.action for rule in job.spec.recovery.exit_codes] == [
        ExitCodeAction.FAIL,
        ExitCodeAction.RESTART,
    ]
    job = changed("recovery.exitCodes[0].codes[1]=7", job=job)
    assert job.spec.recovery.exit_codes[0].codes == (1, 7)


def test_templates_are_reached_into() -> None:
    text = job_text(
        "replicaSpecs: {chief: {}}\n"
        "template: {spec: {containers: [{name: tensorflow, command: [a], resources: {cpu: 1}}]}}"
    )
    job = changed(
        "template.spec.containers[0].image=me/x:1",
        "template.spec.containers[0].command[1]=--lr=0.1",
        "template.spec.containers[0].resources.limits.cpu=2",
        "template.spec.containers[0].resources.cpu.m=1",
        "template.spec.hosts[0]=a",
        job=load_one(text),
    )
    assert job.spec.template == {
        "spec": {
            "containers": [
                {
                    "name": "tensorflow",
                    "command": ["a", "--lr=0.1"],
                    "resources": {"cpu": {"m": 1}, "limits": {"cpu": 2}},
                    "image": "me/x:1",
                }
            ],
            "hosts": ["a"],
        }
    }
    assert load_one(text).spec.template != job.spec.template


def test_a_value_that_is_not_utf_8_is_refused() -> None:
    """As Python has it from a command line; it could not be written into the state of a run."""
    (error,) = overrides.apply(JOB, ["spec.logs.directory=\udcff"]).errors
    assert str(error) == "--set spec.logs.directory=\\udcff: is not UTF-8"
    _, (error,) = overrides.workload_args("cnn", ["data=\udcff"])
    assert str(error) == "--set data=\\udcff: is not UTF-8"


def test_the_last_assignment_wins() -> None:
    assert changed("checkpoint.keep=1", "checkpoint.keep=2").spec.checkpoint.keep == 2


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "runPolicy.backofLimit=5",
            "spec.runPolicy.backofLimit: unknown field 'backofLimit'; did you mean 'backoffLimit'? (fields: ",
        ),
        (
            "backoffLimit=5",
            "spec.backoffLimit: unknown field 'backoffLimit' here; it belongs in spec.runPolicy",
        ),
        (
            "replicaSpecs.wroker.replicas=5",
            "spec.replicaSpecs.wroker: unknown role 'wroker'; did you mean 'worker'?",
        ),
        ("replicaSpecs[0]=5", "spec.replicaSpecs[0]: unknown role '0'"),
        ("epochs=5", "spec.epochs: is an argument of cnn; write spec.workload.args.epochs"),
        ("epocs=5", "spec.epocs: unknown field 'epocs'"),
        (
            "runPolicy.backoffLimit=five",
            "spec.runPolicy.backoffLimit: expected a whole number, got the text 'five'",
        ),
        (
            "runPolicy.backoffLimit=",
            "spec.runPolicy.backoffLimit: has no value; remove the line, or give it one",
        ),
        (
            "runPolicy.backoffLimit=[1",
            "spec.runPolicy.backoffLimit: not valid YAML: did not find expected ',' or ']'",
        ),
        ("runPolicy.backoffLimit=#", "spec.runPolicy.backoffLimit: has no value"),
        ("logs.directory=", "spec.logs.directory: has no value"),
        ("runPolicy=5", "spec.runPolicy: expected a mapping with the fields backoffLimit,"),
        (
            "runPolicy.backoffLimit.x=5",
            "spec.runPolicy.backoffLimit.x: spec.runPolicy.backoffLimit is a single value and has no fields",
        ),
        (
            "recovery.exitCodes.x=5",
            "spec.recovery.exitCodes.x: spec.recovery.exitCodes is a list of 0; write [0] and so on",
        ),
        (
            "recovery.exitCodes[1]=5",
            "spec.recovery.exitCodes[1]: spec.recovery.exitCodes is a list of 0; write [0] and so on",
        ),
        ("recovery.exitCodes[0]=5", "spec.recovery.exitCodes[0]: expected a mapping"),
        ("metadata.labels.a={}", ""),
        ("template.a=.inf", "spec.template.a: '.inf' is no number that JSON can hold"),
        ("template.a[0]=.inf", "spec.template.a[0]: '.inf' is no number that JSON can hold"),
        ("x", "expected PATH=VALUE, such as spec.runPolicy.backoffLimit=5"),
        ("=5", "'' is no path, such as spec.runPolicy.backoffLimit"),
        ("a..b=5", "'a..b' is no path"),
        ("a.=5", "'a.' is no path"),
        ("[x]=5", "'[x]' is no path"),
    ],
)
def test_what_is_wrong_with_an_assignment(assignment: str, message: str) -> None:
    result = overrides.apply(JOB, [assignment])
    if not message:
        assert result.errors == ()
        return
    (error,) = result.errors
    assert str(error).startswith(f"--set {assignment}: {message}")
    assert result.job == JOB


def test_every_wrong_assignment_is_named_and_the_right_ones_hold() -> None:
    result = overrides.apply(JOB, ["a=1", "checkpoint.keep=7", "b=2"])
    assert [error.path for error in result.errors] == [("spec", "a"), ("spec", "b")]
    assert result.job.spec.checkpoint.keep == 7


def test_what_was_set_is_found_at_its_assignment_and_the_rest_in_the_file() -> None:
    result = overrides.apply(JOB, ["replicaSpecs.worker={replicas: 5}"])
    locate = overrides.overlay(lambda path: Position("job.yaml", 1, 1), result)
    assert (
        str(locate(("spec", "replicaSpecs", "worker", "replicas")))
        == "--set replicaSpecs.worker={replicas: 5}"
    )
    assert str(locate(("spec", "replicaSpecs"))) == "job.yaml:1:1"


@pytest.mark.parametrize(
    ("assignment", "path"),
    [
        ("recovery.exitCodes[0].action=Fail", ("spec", "recovery", "exitCodes", 0, "codes")),
        ("template.spec.containers[0].command=[a]", ("spec", "template", "spec", "containers", 0, "name")),
        ("checkpoint.volumeClaim=claim", ("spec", "checkpoint", "directory")),
        ("replicaSpecs.ps.gpus=1", ("spec", "replicaSpecs", "ps")),
        ("metadata.labels.a=b", ("metadata", "labels")),
    ],
)
def test_what_is_missing_beside_what_was_set_is_found_at_the_assignment(assignment: str, path: Path) -> None:
    """Nothing of it stands in the file."""
    locate = overrides.overlay(lambda path: Position("job.yaml", 5, 1), overrides.apply(JOB, [assignment]))
    assert str(locate(path)) == f"--set {assignment}"
    assert str(locate(("spec", "replicaSpecs", "worker"))) == "job.yaml:5:1"


def test_what_is_missing_beside_what_stands_in_the_file_is_found_there() -> None:
    text = job_text(
        "replicaSpecs: {chief: {}}\ntemplate: {spec: {containers: [{name: tensorflow, command: [a]}]}}"
    )
    job = load_one(text)
    containers: Path = ("spec", "template", "spec", "containers")
    for assignment, place in (
        ("template.spec.containers[0].command=[b]", "job.yaml:5:1"),
        ("template.spec.containers[1].command=[b]", "job.yaml:5:1"),
        ("template.spec.containers.x=1", "--set template.spec.containers.x=1"),
    ):
        locate = overrides.overlay(
            lambda path: Position("job.yaml", 5, 1), overrides.apply(job, [assignment])
        )
        assert str(locate((*containers, 0, "args"))) == place


def test_of_two_assignments_the_one_that_won_is_blamed() -> None:
    sets = ["recovery={hangTimeoutSeconds: -1, startTimeoutSeconds: -1}", "recovery.hangTimeoutSeconds=-2"]
    locate = overrides.overlay(lambda path: Position("job.yaml", 5, 1), overrides.apply(JOB, sets))
    assert str(locate(("spec", "recovery", "hangTimeoutSeconds"))) == f"--set {sets[1]}"
    assert str(locate(("spec", "recovery", "startTimeoutSeconds"))) == f"--set {sets[0]}"


def test_arguments_of_a_built_in_program() -> None:
    values, errors = overrides.workload_args(
        "mlp",
        ["epochs=5", "layers=64,32", "data=x=y.npz", "summaries=off", "learning_rate = 1e-2", "epochs=6"],
    )
    assert errors == ()
    assert values == {
        "epochs": 6,
        "layers": (64, 32),
        "data": "x=y.npz",
        "summaries": False,
        "learning_rate": 0.01,
    }


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "epoch=5",
            "--set epoch=5: unknown argument 'epoch'; did you mean 'epochs'? (arguments: filters, layers,",
        ),
        ("epochs=0", "--set epochs=0: must be from 1 to 1,000,000, is 0"),
        ("epochs", "--set epochs: expected NAME=VALUE"),
    ],
)
def test_wrong_arguments_of_a_built_in_program(assignment: str, message: str) -> None:
    values, (error,) = overrides.workload_args("cnn", ["seed=3", assignment])
    assert values == {"seed": 3}
    assert str(error).startswith(message)
