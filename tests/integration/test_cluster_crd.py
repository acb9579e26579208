"""The CRD on real API servers, the newest and an older one: the same verdict as our own validation."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orchestrator.api.defaults import default
from orchestrator.api.load import complete
from orchestrator.api.types import TensorFlowJob
from orchestrator.api.update import validate_update
from orchestrator.backends.kubernetes.jobs import Invalid, decode_job
from orchestrator.backends.kubernetes.objects import StoredJob
from tests.cluster.fixtures import Cluster

pytestmark = pytest.mark.cluster
EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))


@pytest.fixture(params=["cluster", "older_cluster"])
def any_cluster(request: pytest.FixtureRequest) -> Cluster:
    found: Cluster = request.getfixturevalue(request.param)
    return found


def refusal(cluster: Cluster, document: dict[str, Any], *words: str) -> str:
    """The server's words, empty when it takes it."""
    try:
        cluster.kubectl(*(words or ("create", "--dry-run=server", "-f", "-")), stdin=json.dumps(document))
    except RuntimeError as error:
        return str(error)
    return ""


def document(spec: dict[str, Any], name: str = "job") -> dict[str, Any]:
    return {
        "apiVersion": "tf-orchestrator.io/v1alpha1",
        "kind": "TensorFlowJob",
        "metadata": {"name": name},
        "spec": spec,
    }


def verdict(found: dict[str, Any]) -> str:
    """Ours, empty when it is right."""
    try:
        job = msgspec.convert(found, type=TensorFlowJob)
    except msgspec.ValidationError as error:
        return str(error)
    return "; ".join(map(str, complete(job).errors))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_taken(any_cluster: Cluster, path: Path) -> None:
    assert "created (server dry run)" in any_cluster.kubectl("create", "--dry-run=server", "-f", str(path))


PROGRAM = {"spec": {"containers": [{"name": "tensorflow", "image": "i", "command": ["train"]}]}}
WRONG: dict[str, dict[str, Any]] = {
    "nobody trains": {"replicaSpecs": {"evaluator": {}}},
    "two chiefs": {"replicaSpecs": {"chief": {"replicas": 2}}},
    "no replica": {"replicaSpecs": {"worker": {"replicas": 0}}},
    "too many": {"replicaSpecs": {"worker": {"replicas": 3001}}},
    "too many in all": {"replicaSpecs": {"chief": {}, "worker": {"replicas": 3000}}},
    "ps without its strategy": {"replicaSpecs": {"chief": {}, "ps": {}}},
    "parameter servers without ps": {
        "strategy": "ParameterServer",
        "replicaSpecs": {"chief": {}, "worker": {}},
    },
    "parameter servers and all workers": {
        "strategy": "ParameterServer",
        "successPolicy": "AllWorkers",
        "replicaSpecs": {"chief": {}, "worker": {}, "ps": {}},
    },
    "all workers without one": {"successPolicy": "AllWorkers", "replicaSpecs": {"chief": {}}},
    "a chief that may be fewer": {"replicaSpecs": {"chief": {"minReplicas": 1}}},
    "more at least than at most": {"replicaSpecs": {"worker": {"replicas": 2, "minReplicas": 3}}},
    "elastic alone": {
        "strategy": "Independent",
        "replicaSpecs": {"worker": {"replicas": 3, "minReplicas": 2}},
    },
    "elastic without agents": {
        "recovery": {"agent": "Disabled"},
        "replicaSpecs": {"worker": {"replicas": 3, "minReplicas": 2}},
    },
    "a gang larger than the job": {
        "runPolicy": {"schedulingPolicy": {"minAvailable": 5}},
        "replicaSpecs": {"worker": {"replicas": 3}},
    },
    "a claim that is no name": {"checkpoint": {"volumeClaim": "No_Name"}, "replicaSpecs": {"chief": {}}},
    "a claim at no absolute path": {
        "checkpoint": {"volumeClaim": "c", "directory": "relative"},
        "replicaSpecs": {"chief": {}},
    },
    "two claims at one place": {
        "checkpoint": {"volumeClaim": "a", "directory": "/x"},
        "logs": {"volumeClaim": "b", "directory": "/x"},
        "replicaSpecs": {"chief": {}},
    },
    "from itself": {"checkpoint": {"from": "job"}, "replicaSpecs": {"chief": {}}},
    "an unknown word": {"strategy": "Mirrored", "replicaSpecs": {"chief": {}}},
    "a negative limit": {"runPolicy": {"backoffLimit": -1}, "replicaSpecs": {"chief": {}}},
    "an unknown workload": {
        "workload": {"name": "nonsense"},
        "replicaSpecs": {"chief": {}},
        "template": None,
    },
    "two perceptrons": {
        "workload": {"name": "perceptron"},
        "replicaSpecs": {"worker": {"replicas": 2}},
        "template": None,
    },
}


@pytest.mark.parametrize("name", WRONG)
def test_what_validation_refuses_the_server_refuses_too(any_cluster: Cluster, name: str) -> None:
    spec = {"template": PROGRAM, **WRONG[name]}
    found = document({key: value for key, value in spec.items() if value is not None})
    assert verdict(found)
    assert "is invalid" in refusal(any_cluster, found) or "Invalid value" in refusal(any_cluster, found)


@pytest.mark.parametrize("name", ["UPPER", "1st", "x" * 51, "a.b"])
def test_a_name_that_makes_no_host_is_refused(any_cluster: Cluster, name: str) -> None:
    found = document({"template": PROGRAM, "replicaSpecs": {"chief": {}}}, name)
    assert verdict(found)
    assert refusal(any_cluster, found)


def mostly(right: "list[Any]", wrong: "list[Any]") -> "st.SearchStrategy[Any]":
    """Documents with many fields are still right often enough."""
    return st.sampled_from(right * (8 // len(right) + 1) + wrong)


ROLE = st.fixed_dictionaries(
    {},
    optional={
        "replicas": mostly([1], [0, 2, 3, 4]),
        "gpus": mostly([0, 1], [-1, 65]),
        "restartPolicy": mostly(["Always", "OnFailure", "Never", "ExitCode"], ["Sometimes"]),
    },
)
WORKER = st.fixed_dictionaries(
    {}, optional={"replicas": st.integers(1, 4), "minReplicas": st.integers(1, 3), "gpus": st.just(1)}
)
ROLES = st.fixed_dictionaries({}, optional={"chief": ROLE, "worker": WORKER, "ps": ROLE, "evaluator": ROLE})
SPECS = st.fixed_dictionaries(
    {"replicaSpecs": ROLES},
    optional={
        "strategy": mostly(["MultiWorkerMirrored"], ["ParameterServer", "Independent"]),
        "successPolicy": mostly(["Chief"], ["AllWorkers"]),
        "recovery": st.fixed_dictionaries({}, optional={"agent": mostly(["Enabled"], ["Disabled"])}),
        "runPolicy": st.fixed_dictionaries(
            {},
            optional={
                "backoffLimit": mostly([0, 3], [-1]),
                "suspend": st.booleans(),
                "schedulingPolicy": st.fixed_dictionaries(
                    {}, optional={"minAvailable": mostly([1], [0, 3, 6])}
                ),
            },
        ),
        "checkpoint": st.fixed_dictionaries(
            {},
            optional={
                "volumeClaim": mostly(["a", "b"], ["B"]),
                "directory": mostly(["/x", "/y"], ["x", ""]),
                "from": mostly(["other"], ["job", "-"]),
                "everySteps": mostly([1], [0]),
            },
        ),
        "logs": st.fixed_dictionaries(
            {},
            optional={"volumeClaim": st.sampled_from(["a", "b"]), "directory": st.sampled_from(["/x", "/y"])},
        ),
        "telemetry": st.fixed_dictionaries({}, optional={"everySeconds": mostly([0.1, 5], [0.05, 3601])}),
    },
)
DOCUMENTS = 120
"""As many as a run of the tests looks at: a request each, all at the same time."""


def test_server_and_validation_agree_about_whatever_is_written(cluster: Cluster) -> None:
    found = [document({"template": PROGRAM, **spec}) for spec in drawn(SPECS, DOCUMENTS)]
    with ThreadPoolExecutor(4) as pool:
        said = list(pool.map(lambda one: refusal(cluster, one), found))
    wrong = [
        (json.dumps(one["spec"]), verdict(one), words)
        for one, words in zip(found, said, strict=True)
        if bool(words) != bool(verdict(one))
    ]
    assert wrong == []
    assert 10 < sum(not words for words in said) < DOCUMENTS - 10, "both kinds are there"


def drawn(strategy: "st.SearchStrategy[dict[str, Any]]", count: int) -> list[dict[str, Any]]:
    """So many different ones, in one go."""
    found: dict[str, dict[str, Any]] = {}

    @settings(
        max_examples=count * 3,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        deadline=None,
    )
    @given(strategy)
    def collect(one: dict[str, Any]) -> None:
        found[json.dumps(one, sort_keys=True)] = one

    collect()
    return list(found.values())[:count]


BASE: dict[str, Any] = {
    "template": PROGRAM,
    "replicaSpecs": {"chief": {}, "worker": {"replicas": 2}},
    "recovery": {"exitCodes": [{"codes": [3], "action": "Fail"}]},
}


def changes() -> Iterator[tuple[str, dict[str, Any]]]:
    """What an edit may try, as a merge patch of the spec."""
    other = {"spec": {"containers": [{"name": "tensorflow", "image": "new", "command": ["train"]}]}}
    yield "suspend", {"runPolicy": {"suspend": True}}
    yield "backoffLimit", {"runPolicy": {"backoffLimit": 9}}
    yield "deadline", {"runPolicy": {"activeDeadlineSeconds": 60}}
    yield "ttl", {"runPolicy": {"ttlSecondsAfterFinished": 60}}
    yield "cleanPodPolicy", {"runPolicy": {"cleanPodPolicy": "All"}}
    yield "managedBy", {"runPolicy": {"managedBy": "somebody"}}
    yield "workers", {"replicaSpecs": {"worker": {"replicas": 3}}}
    yield "minReplicas", {"replicaSpecs": {"worker": {"minReplicas": 1}}}
    yield "another role", {"replicaSpecs": {"evaluator": {}}}
    yield "a role less", {"replicaSpecs": {"chief": None}}
    yield "gpus", {"replicaSpecs": {"worker": {"gpus": 1}}}
    yield "restartPolicy", {"replicaSpecs": {"worker": {"restartPolicy": "Never"}}}
    yield "template", {"template": other}
    yield "a role's template", {"replicaSpecs": {"worker": {"template": other}}}
    yield "strategy", {"strategy": "Independent"}
    yield "successPolicy", {"successPolicy": "AllWorkers"}
    yield "successPolicy as it is", {"successPolicy": "Chief"}
    yield "recovery", {"recovery": {"hangTimeoutSeconds": 5}}
    yield "checkpoint", {"checkpoint": {"keep": 9}}
    yield "telemetry", {"telemetry": {"everySeconds": 9}}


def merged(base: Any, patch: Any) -> Any:
    """https://www.rfc-editor.org/rfc/rfc7396"""
    if not isinstance(patch, dict):
        return patch
    found = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            found.pop(key, None)
        else:
            found[key] = merged(found.get(key), value)
    return found


@pytest.mark.parametrize("is_suspended", [False, True], ids=["running", "suspended"])
def test_server_and_validation_agree_about_what_may_change(any_cluster: Cluster, is_suspended: bool) -> None:
    base = merged(BASE, {"runPolicy": {"suspend": is_suspended}})
    name = f"change-{'suspended' if is_suspended else 'running'}"
    any_cluster.kubectl("create", "-f", "-", stdin=json.dumps(document(base, name)))
    before = default(msgspec.convert(document(base, name), type=TensorFlowJob))
    wrong = []
    for label, patch in changes():
        after = default(msgspec.convert(document(merged(base, patch), name), type=TensorFlowJob))
        ours = bool(validate_update(before, after) or verdict(document(merged(base, patch), name)))
        words = ("patch", "tfo", name, "--type=merge", "--dry-run=server", "-p", json.dumps({"spec": patch}))
        theirs = refusal(any_cluster, {}, *words)
        if ours != bool(theirs):
            wrong.append((label, ours, theirs))
    any_cluster.kubectl("delete", "tfo", name)
    assert wrong == []


def test_what_the_server_cannot_know_is_found_by_the_controller(cluster: Cluster) -> None:
    """Arguments of built-in programs, and exit codes that stand in two rules."""
    exceptions = [
        {"workload": {"name": "cnn", "args": {"epochs": "many"}}, "replicaSpecs": {"chief": {}}},
        {
            "template": PROGRAM,
            "replicaSpecs": {"chief": {}},
            "recovery": {
                "exitCodes": [{"codes": [3], "action": "Fail"}, {"codes": [3], "action": "Restart"}]
            },
        },
    ]
    for spec in exceptions:
        found = document(spec)
        assert refusal(cluster, found) == ""
        stored = msgspec.json.decode(json.dumps(found), type=StoredJob)
        assert isinstance(decode_job(stored), Invalid)


def test_kubectl_shows_and_explains_it(any_cluster: Cluster, namespace: str) -> None:
    assert "At most this many restarts" in any_cluster.kubectl("explain", "tfo.spec.runPolicy.backoffLimit")
    assert "tensorflowjobs" in any_cluster.kubectl("api-resources", "--categories=all", "-o", "name")
