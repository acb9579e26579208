"""One call from a file to jobs that may run, or to everything that is wrong."""

import io
from pathlib import Path

import pytest

from orchestrator.api.errors import MAX_ERRORS
from orchestrator.api.load import Completed, complete, complete_document, load_jobs, load_text
from orchestrator.api.parse import parse_documents
from orchestrator.api.types import JobSpec, Metadata, ReplicaSpec, ReplicaSpecs, SuccessPolicy, TensorFlowJob
from orchestrator.api.yaml_nodes import MAX_TEXT
from tests.fixtures.job_texts import HEAD, cnn, job_text


def test_a_file_gives_defaulted_jobs(tmp_path: Path) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(cnn() + "---\n" + cnn().replace("digits", "second"))
    result = load_jobs(str(file))
    assert result.errors == ()
    assert [job.metadata.name for job in result.jobs] == ["digits", "second"]
    assert result.jobs[0].spec.success_policy is SuccessPolicy.CHIEF


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a: [")))
    assert [str(error) for error in load_jobs("-").errors] == [
        "<stdin>:2:1: not valid YAML: did not find expected node content"
    ]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.yaml", "cannot be read: no such file or directory"),
        ("", "cannot be read: is a directory"),
        ("a\0b", "cannot be read: embedded null byte"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, name: str, message: str) -> None:
    result = load_jobs(f"{tmp_path}/{name}")
    (error,) = result.errors
    assert str(error).startswith(str(tmp_path))
    assert str(error).endswith(message)
    assert result.jobs == ()


def test_no_more_is_read_than_may_be_parsed() -> None:
    (error,) = load_jobs("/dev/zero").errors
    assert str(error) == f"/dev/zero: larger than {MAX_TEXT // 1024**2} MiB"


def test_errors_of_reading_and_of_rules_come_together_in_the_order_of_the_text() -> None:
    text = cnn(
        "recovery: {exitCodes: [{codes: [1, 1], action: Fail}]}\ncheckpoint: {keep: x}\nlogs: {volumeClaim: _}"
    )
    assert [str(error).split(": ")[:2] for error in load_text(text, "f").errors] == [
        ["f:7:38", "spec.recovery.exitCodes[0].codes[1]"],
        ["f:8:22", "spec.checkpoint.keep"],
        ["f:9:23", "spec.logs.volumeClaim"],
    ]


def test_a_wrong_document_does_not_hide_a_good_one() -> None:
    result = load_text(f"{cnn()}---\n{cnn('x: 1').replace('digits', 'b')}---\n- c\n", "f")
    assert [job.metadata.name for job in result.jobs] == ["digits"]
    assert [error.path for error in result.errors] == [("spec", "x"), ()]


def test_two_jobs_of_one_name_are_refused_in_one_namespace_only() -> None:
    other = cnn().replace("{name: digits}", "{name: digits, namespace: other}")
    result = load_text(f"{cnn()}---\n{other}---\n{cnn()}", "f")
    assert [str(error) for error in result.errors] == [
        "f:17:18: metadata.name: there is a job of the name 'digits' in line 3 already"
    ]


def test_two_jobs_without_a_name_are_each_told_so_and_nothing_else() -> None:
    nameless = cnn().replace("metadata: {name: digits}\n", "")
    found = [str(error) for error in load_text(f"{nameless}---\n{nameless}", "f").errors]
    assert found == ["f:1:1: metadata: is missing: Name, namespace, labels.",
                     "f:7:1: metadata: is missing: Name, namespace, labels."]  # fmt: skip


def test_a_repeated_key_and_an_unknown_tag_are_both_told() -> None:
    text = cnn(
        "template: !foo {spec: {containers: [{name: !bar tensorflow, image: a, image: b}]}}\ntemplate: {}"
    )
    assert [str(error) for error in load_text(text, "f").errors] == [
        "f:7:13: spec.template: unknown tag '!foo'; write the value without a tag",
        "f:7:46: spec.template.spec.containers[0].name: unknown tag '!bar'; write the value without a tag",
        "f:7:73: spec.template.spec.containers[0].image: duplicate key 'image'; it stands in line 7 already",
        "f:8:3: spec.template: duplicate key 'template'; it stands in line 7 already",
    ]


def test_a_tag_of_the_whole_document_is_told() -> None:
    (error,) = load_text(f"--- !foo\n{cnn()}", "f").errors
    assert str(error) == "f:1:5: unknown tag '!foo'; write the value without a tag"


def test_assignments_change_jobs_before_their_defaults() -> None:
    result = load_text(cnn(), "f", ["replicaSpecs.worker.replicas=7"])
    (job,) = result.jobs
    assert job.spec.replica_specs.worker == ReplicaSpec(replicas=7, min_replicas=7)


def test_rules_broken_by_an_assignment_point_at_it() -> None:
    result = load_text(cnn(), "f", ["replicaSpecs.worker.minReplicas=3", "y=1"])
    assert [str(error) for error in result.errors] == [
        "--set y=1: spec.y: unknown field 'y' (fields: workload, strategy, template, replicaSpecs, runPolicy, "
        "successPolicy, recovery, checkpoint, logs, telemetry, instrument, tensorboard)",
        "--set replicaSpecs.worker.minReplicas=3: spec.replicaSpecs.worker.minReplicas: "
        "must be at most replicas (2), is 3",
    ]


def test_a_job_that_comes_from_no_file_is_judged_without_places() -> None:
    job = TensorFlowJob(
        metadata=Metadata(name="A"), spec=JobSpec(replica_specs=ReplicaSpecs(chief=ReplicaSpec(replicas=2)))
    )
    assert [str(error).split(": ")[0] for error in complete(job).errors] == [
        "metadata.name",
        "spec.replicaSpecs.chief.replicas",
        "spec",
    ]


def test_an_assignment_that_is_none_silences_no_rule() -> None:
    found = load_text(cnn("checkpoint: {keep: 0}"), "f", ["no assignment"]).errors
    assert [str(error).split(": ")[:2] for error in found] == [
        ["--set no assignment", "expected PATH=VALUE, such as spec.runPolicy.backoffLimit=5"],
        ["f:7:22", "spec.checkpoint.keep"],
    ]


def test_a_document_is_completed_alone() -> None:
    good, bad = parse_documents(f"{cnn()}---\n5", "f")
    assert isinstance(complete_document(good), Completed)
    assert isinstance(complete_document(bad), tuple)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("replicaSpecs", "replicaSpec"),
        ("name: digits", "nmae: digits"),
        ("metadata", "metadate"),
        ("apiVersion", "apiversion"),
        ("kind: T", "knid: T"),
        ("spec:", "specs:"),
    ],
)
def test_a_required_field_that_is_misspelled_is_one_error(right: str, wrong: str) -> None:
    """And not first one that says that it is missing, though it stands there."""
    text = cnn()
    assert text.count(right) == 1
    [error] = load_text(text.replace(right, wrong), "f").errors
    assert f"unknown field '{wrong.split(':')[0]}'; did you mean '{right.split(':')[0]}'?" in error.message


def test_a_required_field_is_missed_where_the_unknown_one_is_no_slip_of_it() -> None:
    errors = load_text(cnn().replace("name: digits", "labels: {}, lable: 1"), "f").errors
    assert [error.path[-1] for error in errors] == ["name", "lable"]


def test_rules_about_a_field_that_is_misspelled_are_not_judged() -> None:
    text = job_text("replicaSpecs: {chief: {}, worker: {replica: 4, minReplicas: 2}}\nworkload: {name: cnn}")
    assert [error.path[-1] for error in load_text(text, "f").errors] == ["replica"]


def test_a_flood_of_unreadable_fields_is_cut_and_no_rule_speaks() -> None:
    result = load_text(job_text("".join(f"unknown{number}: 1\n" for number in range(500))), "f")
    # 500 unknown fields and the missing roles
    assert (len(result.errors), result.dropped) == (MAX_ERRORS, 501 - MAX_ERRORS)
    assert {error.path[:1] for error in result.errors} == {("spec",)}
    assert all(len(error.path) == 2 for error in result.errors)


def test_a_flood_of_broken_rules_is_cut() -> None:
    labels = ", ".join(f"-{number}: x" for number in range(200))
    text = cnn().replace(HEAD, HEAD.replace("{name: digits}", f"{{name: digits, labels: {{{labels}}}}}"))
    result = load_text(text, "f")
    assert (len(result.errors), result.dropped) == (MAX_ERRORS, 200 - MAX_ERRORS)


def test_a_list_with_unreadable_items_is_still_judged() -> None:
    text = cnn("recovery: {exitCodes: [{codes: [[], 1, 1, x], action: Fail}]}")
    assert [error.path[-1] for error in load_text(text, "f").errors] == [0, 2, 3]
