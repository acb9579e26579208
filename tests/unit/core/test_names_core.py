"""Names: deterministic, and the only place that formats them."""

from itertools import pairwise

from msgspec.structs import replace

from orchestrator.api.types import Role
from orchestrator.core import names
from tests.simulation.jobs import make_job

JOB = make_job()


def test_replica_and_host_names() -> None:
    assert names.replica("job", Role.WORKER, 1) == "job-worker-1"
    assert names.host(JOB, Role.WORKER, 1) == "job-worker-1.job-tfo.default.svc"
    assert names.host(JOB, Role.PS, 0, "cluster.local") == "job-ps-0.job-tfo.default.svc.cluster.local"


def test_a_job_without_a_namespace_is_in_default() -> None:
    assert names.namespace(replace(JOB, metadata=replace(JOB.metadata, namespace=None))) == "default"
    assert names.namespace(replace(JOB, metadata=replace(JOB.metadata, namespace="ml"))) == "ml"


def test_labels_and_selector_agree() -> None:
    found = names.labels("job", Role.CHIEF, 0)
    assert names.selector("job") in {f"{key}={value}" for key, value in found.items()}


def test_the_base_port_is_the_templates_if_it_has_one() -> None:
    ports = [{"name": "web", "containerPort": 80}, {"name": "tfjob-port", "containerPort": 5000}]
    assert names.base_port({"ports": ports}) == 5000
    assert names.base_port({"ports": ports[:1]}) == 2222
    assert names.base_port({}) == 2222


def test_attempts_in_sequence_never_share_a_port() -> None:
    ports = [names.port(2222, number) for number in range(1, 100)]
    assert all(one != other for one, other in pairwise(ports))
    assert set(ports) == set(range(2222, 2222 + names.PORT_RANGE))


def test_namesakes_have_different_checkpoint_folders() -> None:
    other = replace(JOB, metadata=replace(JOB.metadata, uid="other-uid"))
    assert names.checkpoint_folder(JOB) == "job-job-uid"
    assert names.checkpoint_folder(other) != names.checkpoint_folder(JOB)
    assert names.checkpoint_folder(replace(JOB, metadata=replace(JOB.metadata, uid=None))) == "job-"
