"""Documents -> jobs: what a file may hold, and the words and place of every error in names and types."""

import codecs

import pytest

from orchestrator.api.errors import MAX_ERRORS, Path
from orchestrator.api.parse import parse_documents, parse_jobs
from orchestrator.api.types import CleanPodPolicy, Role, Toggle
from orchestrator.api.yaml_nodes import MAX_TEXT
from tests.fixtures.job_texts import HEAD, cnn, job_text

ROLES = "replicaSpecs: {chief: {}}\n"


def errors_of(text: str | bytes) -> list[str]:
    return [str(error) for error in parse_jobs(text, "f")[1]]


def test_a_whole_job() -> None:
    text = job_text(
        """
        workload: {name: cnn, args: {epochs: 3, layers: [64], learning_rate: 1e-3}}
        template:
          spec: {containers: [{name: tensorflow, securityContext: {runAsUser: 0644}}]}
        replicaSpecs:
          worker: {replicas: 0x2, gpus: 1}
        runPolicy: {cleanPodPolicy: None, suspend: off}
        recovery: {exitCodes: [{codes: [3, 4], action: Fail}]}
        telemetry: {everySeconds: 2}
        instrument: {metrics: Off}
        checkpoint: {from: other}
        """.replace("\n        ", "\n")
    )
    (job,), errors = parse_jobs(text, "f")
    assert errors == ()
    assert job.metadata.name == "digits"
    assert job.spec.workload is not None
    assert job.spec.workload.args == {"epochs": 3, "layers": [64], "learning_rate": 0.001}
    assert job.spec.template is not None
    assert job.spec.template["spec"]["containers"][0]["securityContext"] == {"runAsUser": 0o644}
    assert job.spec.replica_specs.worker is not None
    assert job.spec.replica_specs.worker.replicas == 2
    assert job.spec.run_policy.clean_pod_policy is CleanPodPolicy.NONE
    assert job.spec.run_policy.suspend is False
    assert job.spec.recovery.exit_codes[0].codes == (3, 4)
    assert job.spec.telemetry.every_seconds == 2.0
    assert job.spec.instrument.metrics is Toggle.OFF
    assert job.spec.checkpoint.from_ == "other"


@pytest.mark.parametrize(
    "text", [cnn().encode(), b"\xef\xbb\xbf" + cnn().encode(), "\ufeff" + cnn(), cnn().replace("\n", "\r\n")]
)
def test_bytes_marks_and_line_ends_do_not_matter(text: str | bytes) -> None:
    assert parse_jobs(text, "f") == parse_jobs(cnn(), "f")


def test_several_documents_and_what_a_server_adds() -> None:
    read_back = """
apiVersion: tf-orchestrator.io/v1alpha1
kind: TensorFlowJob
metadata:
  name: second
  namespace: research
  uid: 1b2c
  generation: 3
  resourceVersion: "12"
  creationTimestamp: null
  labels:
  managedFields: [{manager: kubectl}]
  ownerReferences: []
spec: {replicaSpecs: {chief: {}}}
status: {phase: Running, restarts: 3}
"""
    jobs, errors = parse_jobs(f"---\n{cnn()}---\n{read_back}---\n", "f")
    assert errors == ()
    assert [(job.metadata.name, job.metadata.namespace) for job in jobs] == [
        ("digits", None),
        ("second", "research"),
    ]


def test_a_good_document_is_read_although_another_is_not() -> None:
    jobs, errors = parse_jobs(f"{cnn()}---\nkind: [\n", "f")
    assert [job.metadata.name for job in jobs] == ["digits"]
    assert len(errors) == 1


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "f: there is no TensorFlowJob in here: it is empty"),
        (b"\n", "f: there is no TensorFlowJob in here: it is empty"),
        ("# only words\n---\n", "f: there is no TensorFlowJob in here: it is empty"),
        (
            "- a",
            "f:1:1: expected a TensorFlowJob (a mapping with apiVersion, kind, metadata, spec), got a list",
        ),
        (
            "\n word",
            "f:2:2: expected a TensorFlowJob (a mapping with apiVersion, kind, metadata, spec), got the text",
        ),
        (b"a: \xff", "f:1:4: not UTF-8: byte 0xff"),
        (b"\xef\xbb\xbfab\nc\xffd", "f:2:2: not UTF-8: byte 0xff"),
        (codecs.BOM_UTF16_LE + "a: 1".encode("utf-16-le"), "f: this is UTF-16; save it as UTF-8"),
        (b"a" * (MAX_TEXT + 1), "f: larger than 2 MiB"),
        ("a" * (MAX_TEXT + 1), "f: larger than 2 MiB"),
        ("a: [", "f:2:1: not valid YAML: did not find expected node content"),
    ],
)
def test_what_is_no_job_at_all(source: str | bytes, message: str) -> None:
    (found,) = errors_of(source)
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (
            "apiVersion: kubeflow.org/v1\nkind: TFJob",
            "f:1:1: this is Kubeflow's TFJob; write `apiVersion: tf-orchestrator.io/v1alpha1`, `kind: TensorFlowJob`",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap",
            "f:1:1: kind 'ConfigMap' is not TensorFlowJob; keep other objects in",
        ),
    ],
)
def test_other_objects_get_one_error_that_says_so(head: str, message: str) -> None:
    (found,) = errors_of(f"{head}\nmetadata: {{name: a}}\nspec: {{tfReplicaSpecs: {{}}}}")
    assert found.startswith(message)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (
            "apiVersion: tf-orchestrator.io/v1\nkind: TensorFlowJob",
            "f:1:13: apiVersion: expected tf-orchestrator.io/v1alpha1, got the text 'tf-orchestrator.io/v1'",
        ),
        (
            "apiVersion: tf-orchestrator.io/v1alpha1\nkind: TensorflowJob",
            "f:2:7: kind: expected TensorFlowJob, got the text 'TensorflowJob'",
        ),
        ("apiVersion: tf-orchestrator.io/v1alpha1", "f:1:1: kind: is missing; write `kind: TensorFlowJob`"),
        (
            "kind: TensorFlowJob",
            "f:1:1: apiVersion: is missing; write `apiVersion: tf-orchestrator.io/v1alpha1`",
        ),
        (
            "apiVersion: []\nkind: TensorFlowJob",
            "f:1:13: apiVersion: expected tf-orchestrator.io/v1alpha1, got a list",
        ),
    ],
)
def test_a_slip_in_the_head_does_not_hide_other_errors(head: str, message: str) -> None:
    assert errors_of(f"{head}\nmetadata: {{name: a}}\nspec: {{replicaSpecs: {{chief: {{}}}}}}") == [message]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "replicaSpecs: {wroker: {}}",
            "5:18: spec.replicaSpecs.wroker: unknown role 'wroker'; did you mean 'worker'? "
            "(roles: chief, worker, ps, evaluator)",
        ),
        (
            ROLES + "backoffLimit: 3",
            "6:3: spec.backoffLimit: unknown field 'backoffLimit' here; it belongs in spec.runPolicy",
        ),
        (
            ROLES + "runPolicy: {kind: 1}",
            "6:15: spec.runPolicy.kind: unknown field 'kind' here; it belongs in the top level",
        ),
        (
            ROLES + "logs: {dir: 1}",
            "6:10: spec.logs.dir: unknown field 'dir'; did you mean 'directory'? (fields: directory, volumeClaim)",
        ),
        (
            ROLES + "checkpoint: {keep: 1, keep: 2}",
            "6:25: spec.checkpoint.keep: duplicate key 'keep'; it stands in line 6 already",
        ),
        (
            ROLES + "workload: {name: cnn, args: {a: 1, a: 2}}",
            "6:38: spec.workload.args.a: duplicate key 'a'; it stands in line 6 already",
        ),
        (
            ROLES + "template: {spec: {a: 1, a: 2}}",
            "6:27: spec.template.spec.a: duplicate key 'a'; it stands in line 6 already",
        ),
        (
            "replicaSpecs:\n  chief:",
            "6:11: spec.replicaSpecs.chief: has no value; remove the line, or give it one ({} for the defaults)",
        ),
        (
            ROLES + "logs: {directory: ~}",
            "6:21: spec.logs.directory: has no value; remove the line, or give it one",
        ),
        (
            ROLES + "logs: [a]",
            "6:9: spec.logs: expected a mapping with the fields directory, volumeClaim; got a list",
        ),
        (
            ROLES + "logs: {directory: 5}",
            "6:21: spec.logs.directory: expected a text, got the number '5'; put it in quotes: '5'",
        ),
        (ROLES + "logs: {directory: [5]}", "6:21: spec.logs.directory: expected a text, got a list"),
        (ROLES + "template: 5", "6:13: spec.template: expected a mapping, got the number '5'"),
        (
            ROLES + "checkpoint: {keep: '3'}",
            "6:22: spec.checkpoint.keep: expected a whole number, got the text '3' in quotes",
        ),
        (
            ROLES + "checkpoint: {keep: {}}",
            "6:22: spec.checkpoint.keep: expected a whole number, got a mapping",
        ),
        (
            ROLES + "checkpoint: {keep: 03}",
            "6:22: spec.checkpoint.keep: expected a whole number, got '03'; write 3 without the leading zero",
        ),
        (
            ROLES + "telemetry: {everySeconds: .inf}",
            "6:29: spec.telemetry.everySeconds: expected a finite number, got '.inf'",
        ),
        (
            ROLES + "telemetry: {everySeconds: []}",
            "6:29: spec.telemetry.everySeconds: expected a number, got a list",
        ),
        (
            ROLES + "runPolicy: {suspend: 'true'}",
            "6:24: spec.runPolicy.suspend: expected true or false, got the text 'true' in quotes",
        ),
        (
            ROLES + "runPolicy: {suspend: 1}",
            "6:24: spec.runPolicy.suspend: expected true or false, got the number '1'",
        ),
        (
            ROLES + "instrument: {metrics: no}",
            "6:25: spec.instrument.metrics: unknown value 'no'; did you mean 'Off'? (values: Auto, Off)",
        ),
        (
            ROLES + "recovery: {agent: true}",
            "6:21: spec.recovery.agent: unknown value 'true'; did you mean 'Enabled'? (values: Enabled, Disabled)",
        ),
        (
            ROLES + "runPolicy: {cleanPodPolicy: yes}",
            "6:31: spec.runPolicy.cleanPodPolicy: unknown value 'yes' (values: None, Running, All)",
        ),
        (
            ROLES + "strategy: {}",
            "6:13: spec.strategy: expected one of MultiWorkerMirrored, ParameterServer, Independent; got a mapping",
        ),
        (
            ROLES + "recovery: {exitCodes: 3}",
            "6:25: spec.recovery.exitCodes: expected a list, got the number '3'; write [3]",
        ),
        (
            ROLES + "recovery: {exitCodes: {}}",
            "6:25: spec.recovery.exitCodes: expected a list, got a mapping",
        ),
        (
            ROLES + "recovery: {exitCodes: [{codes: [x], action: Fail}]}",
            "6:35: spec.recovery.exitCodes[0].codes[0]: expected a whole number, got the text 'x'",
        ),
        (
            ROLES + "recovery: {exitCodes: [5]}",
            "6:26: spec.recovery.exitCodes[0]: expected a mapping with the fields codes, action; got the number '5'",
        ),
        (
            ROLES + "recovery: {exitCodes: [{codes: [1]}]}",
            "6:26: spec.recovery.exitCodes[0].action: is missing: Fail: the job fails at once. Restart: a new attempt.",
        ),
        (ROLES + "template: {a: [.nan]}", "6:18: spec.template.a[0]: '.nan' is no number that JSON can hold"),
        (
            ROLES + f"template: {{a: {2**63}}}",
            "6:17: spec.template.a: the number is too large; put it in quotes if it is a text",
        ),
        (
            "strategy: Independent",
            "5:3: spec.replicaSpecs: is missing: The roles chief, worker, ps and evaluator.",
        ),
    ],
)
def test_what_is_wrong_in_a_spec(spec: str, message: str) -> None:
    assert errors_of(job_text(spec)) == [f"f:{message}"]


def test_every_error_is_found_in_one_go() -> None:
    text = (
        HEAD.replace("digits", "5")
        + "spec:\n  replicaSpecs: {chief: {gpus: x, replica: 1}}\n  strategie: x\n"
    )
    assert [error.path for error in parse_jobs(text, "f")[1]] == [
        ("metadata", "name"),
        ("spec", "replicaSpecs", "chief", "gpus"),
        ("spec", "replicaSpecs", "chief", "replica"),
        ("spec", "strategie"),
    ]


def test_a_job_with_errors_is_not_given_out_but_can_be_judged() -> None:
    (document,) = parse_documents(job_text("replicaSpecs: {worker: {replicas: x}}"), "f")
    assert parse_jobs(job_text("replicaSpecs: {worker: {replicas: x}}"), "f")[0] == ()
    assert document.job is not None
    assert document.job.spec.replica_specs.worker is not None


def test_a_flood_of_errors_is_counted_and_not_described() -> None:
    spec = ROLES + "".join(f"unknown{number}: 1\n" for number in range(1000))
    (document,) = parse_documents(job_text(spec), "f")
    assert (len(document.errors), document.dropped) == (MAX_ERRORS, 1000 - MAX_ERRORS)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), (1, 1)),
        (("metadata", "name"), (3, 18)),
        (("spec",), (4, 1)),
        (("spec", "workload", "name"), (5, 20)),
        (("spec", "replicaSpecs"), (6, 3)),
        (("spec", "replicaSpecs", Role.WORKER.value), (6, 29)),
        (("spec", "replicaSpecs", "worker", "minReplicas"), (6, 29)),
        (("spec", "recovery", "exitCodes", 0, "codes", 1), (7, 38)),
        (("spec", "recovery", "exitCodes", 7), (7, 14)),
        (("spec", "recovery", 0), (7, 3)),
        (("spec", "logs", "directory"), (8, 10)),
    ],
)
def test_paths_are_found_in_the_text_or_their_nearest_parent_is(path: Path, place: tuple[int, int]) -> None:
    more = "recovery: {exitCodes: [{codes: [3, 4], action: Fail}]}\nlogs: {directory: }\n"
    (document,) = parse_documents(cnn(more), "f")
    position = document.locate(path)
    assert (position.line, position.column) == place
