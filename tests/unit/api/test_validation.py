"""Every rule about a job as a whole: what is said, where, and that nothing else is said."""

import pytest

from orchestrator.api.validation import suggest_name, validate
from tests.fixtures.job_texts import cnn, errors_in, job_text, load_one

COMMAND = "template: {spec: {containers: [{name: tensorflow, command: [python, train.py]}]}}\n"
SERVERS = "strategy: ParameterServer\n"


def own(roles: str, more: str = "") -> str:
    """A job of the user's own program."""
    return job_text(f"{COMMAND}replicaSpecs: {roles}\n{more}")


def test_a_valid_job_has_no_errors() -> None:
    assert validate(load_one(cnn())) == ()


@pytest.mark.parametrize(
    "text",
    [
        cnn(roles="{worker: {replicas: 3000}}"),
        cnn(roles="{chief: {}, worker: {replicas: 2, minReplicas: 1}, evaluator: {}}"),
        own("{chief: {}, worker: {replicas: 2}, ps: {replicas: 2}, evaluator: {}}", SERVERS),
        own("{worker: {replicas: 2, minReplicas: 2}}", "recovery: {agent: Disabled}"),
        own("{worker: {replicas: 4}}", "strategy: Independent"),
        own("{chief: {}}", "strategy: Independent"),
        own("{worker: {}}", "successPolicy: AllWorkers"),
        cnn("checkpoint: {volumeClaim: a, from: b.c}\nlogs: {volumeClaim: b, directory: /x}"),
        cnn("checkpoint: {volumeClaim: a, directory: /x}\nlogs: {volumeClaim: a, directory: /x}"),
        cnn("checkpoint: {directory: relative}"),
        cnn("runPolicy: {schedulingPolicy: {minAvailable: 3}}"),
        cnn("recovery: {exitCodes: [{codes: [1], action: Fail}, {codes: [2], action: Restart}]}"),
    ],
)
def test_jobs_that_are_valid(text: str) -> None:
    assert errors_in(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            cnn(roles="{evaluator: {}}"),
            "6:3: spec.replicaSpecs: nobody trains: add a chief or a worker, such as `chief: {}`",
        ),
        (
            cnn(roles="{chief: {replicas: 2}}"),
            "6:36: spec.replicaSpecs.chief.replicas: there is at most 1 chief, not 2",
        ),
        (
            cnn(roles="{chief: {}, evaluator: {replicas: 3}}"),
            "6:51: spec.replicaSpecs.evaluator.replicas: there is at most 1 evaluator, not 3",
        ),
        (
            cnn(roles="{chief: {}, worker: {replicas: 3000}}"),
            "6:3: spec.replicaSpecs: at most 3,000 replicas in all, not 3,001",
        ),
        (
            own("{chief: {}, ps: {}}"),
            "6:29: spec.replicaSpecs.ps: only strategy ParameterServer has parameter servers, "
            "this is MultiWorkerMirrored",
        ),
        (
            own("{worker: {}, ps: {}}", SERVERS),
            "6:3: spec.replicaSpecs: strategy ParameterServer needs a chief",
        ),
        (
            own("{chief: {}, worker: {}, ps: {}}", SERVERS + "successPolicy: AllWorkers"),
            "8:18: spec.successPolicy: strategy ParameterServer ends with its chief: its workers only serve "
            "and never end",
        ),
        (
            own("{chief: {minReplicas: 1}, worker: {}}"),
            "6:39: spec.replicaSpecs.chief.minReplicas: only workers can be fewer, not the chief",
        ),
        (
            own("{chief: {}, worker: {minReplicas: 1}, ps: {}}", SERVERS),
            "6:51: spec.replicaSpecs.worker.minReplicas: only strategy MultiWorkerMirrored can go on with fewer "
            "workers",
        ),
        (
            own("{worker: {replicas: 2, minReplicas: 3}}"),
            "6:53: spec.replicaSpecs.worker.minReplicas: must be at most replicas (2), is 3",
        ),
        (
            own("{worker: {replicas: 2, minReplicas: 1}}", "recovery: {agent: Disabled}"),
            "6:53: spec.replicaSpecs.worker.minReplicas: only with agents can a job go on with fewer workers; leave it "
            "out, or let the agent be Enabled",
        ),
        (
            own("{chief: {}}", "successPolicy: AllWorkers"),
            "7:18: spec.successPolicy: AllWorkers without a worker; write Chief, or add workers",
        ),
        (
            cnn("runPolicy: {schedulingPolicy: {minAvailable: 4}}"),
            "7:48: spec.runPolicy.schedulingPolicy.minAvailable: must be at most the number of replicas (3), is 4",
        ),
        (
            cnn("recovery: {exitCodes: [{codes: [1, 2], action: Fail}, {codes: [2], action: Restart}]}"),
            "7:66: spec.recovery.exitCodes[1].codes[0]: exit code 2 stands in rule 1 already",
        ),
        (
            cnn("recovery: {exitCodes: [{codes: [1, 1], action: Fail}]}"),
            "7:38: spec.recovery.exitCodes[0].codes[1]: exit code 1 stands in rule 1 already",
        ),
        (
            cnn("checkpoint: {volumeClaim: My_Claim}"),
            "7:29: spec.checkpoint.volumeClaim: 'My_Claim' is no name of a PersistentVolumeClaim",
        ),
        (
            cnn("logs: {volumeClaim: a, directory: logs}"),
            "7:37: spec.logs.directory: a volume is mounted at an absolute path, such as '/logs'",
        ),
        (
            cnn("checkpoint: {volumeClaim: a, directory: /x}\nlogs: {volumeClaim: b, directory: /x}"),
            "8:37: spec.logs.directory: two volumes cannot be mounted at one directory; spec.checkpoint has the same",
        ),
        (
            cnn("checkpoint: {from: digits}"),
            "7:22: spec.checkpoint.from: names this job itself, which continues from its own checkpoints anyway; "
            "remove the line",
        ),
        (
            cnn(roles="{worker: {replicas: -2}}"),
            "6:37: spec.replicaSpecs.worker.replicas: must be from 1 to 3,000, is -2",
        ),
        (
            cnn(roles="{chief: {}, worker: {replicas: 5000}}"),
            "6:48: spec.replicaSpecs.worker.replicas: must be from 1 to 3,000, is 5,000",
        ),
        (cnn("checkpoint: {from: ../x}"), "7:22: spec.checkpoint.from: '../x' is no name of a job"),
        (cnn("checkpoint: {keep: 0}"), "7:22: spec.checkpoint.keep: must be from 1 to 1,000, is 0"),
        (
            cnn("telemetry: {everySeconds: 0}"),
            "7:29: spec.telemetry.everySeconds: must be from 0.1 to 3,600, is 0.0",
        ),
    ],
)
def test_what_is_wrong_about_the_job(text: str, message: str) -> None:
    assert errors_in(text) == [message]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        (
            "{name: Digits_CNN}",
            "3:18: metadata.name: 'Digits_CNN' is no name: lower-case letters, digits and '-', a letter first; "
            "'digits-cnn' would do",
        ),
        (
            "{name: '1'}",
            "3:18: metadata.name: '1' is no name: lower-case letters, digits and '-', a letter first",
        ),
        (f"{{name: {'a' * 51}}}", "3:18: metadata.name: must have at most 50 characters, has 51"),
        (
            "{name: a, namespace: A.b}",
            "3:32: metadata.namespace: 'A.b' is no namespace: lower-case letters, digits and '-'",
        ),
        (
            "{name: a, labels: {-x: y}}",
            "3:34: metadata.labels.-x: is no label key: [DOMAIN/]NAME, NAME of at most 63 letters, digits, '-', "
            "'_' and '.'",
        ),
        (
            "{name: a, labels: {x: a b}}",
            "3:33: metadata.labels.x: 'a b' is no label value: at most 63 letters, digits, '-', '_' and '.'",
        ),
        (
            "{name: a, annotations: {B/x: any thing}}",
            '3:40: metadata.annotations["B/x"]: is no annotation key: [DOMAIN/]NAME, NAME of at most 63 letters, '
            "digits, '-', '_' and '.'",
        ),
    ],
)
def test_what_is_wrong_about_names(metadata: str, message: str) -> None:
    assert errors_in(cnn().replace("{name: digits}", metadata)) == [message]


def test_labels_and_annotations_of_every_kind_are_accepted() -> None:
    metadata = (
        "{name: a, labels: {app.kubernetes.io/name: x, empty: '', A_b: 1.0.a}, annotations: {a/b: any thing}}"
    )
    assert errors_in(cnn().replace("{name: digits}", metadata)) == []


@pytest.mark.parametrize(
    ("text", "name"),
    [("Digits CNN", "digits-cnn"), ("3-a", "a"), ("--", ""), ("é" * 9, ""), ("a" * 60, "a" * 50)],
)
def test_names_are_suggested(text: str, name: str) -> None:
    assert suggest_name(text) == name


def test_rules_that_rest_on_what_could_not_be_read_are_silent() -> None:
    assert errors_in(own("{chief: {}, ps: {}}", "strategy: ParameterServers")) == [
        "7:13: spec.strategy: unknown value 'ParameterServers'; did you mean 'ParameterServer'? "
        "(values: MultiWorkerMirrored, ParameterServer, Independent)"
    ]
    assert len(errors_in(cnn(roles="{wroker: {}}"))) == 1


def test_other_rules_still_speak_beside_what_could_not_be_read() -> None:
    assert [line.split(": ")[1] for line in errors_in(cnn("tensorbord: {}\ncheckpoint: {keep: 0}"))] == [
        "spec.tensorbord",
        "spec.checkpoint.keep",
    ]
