"""A seat's pod: what the user wrote stays, what is ours is added, and nothing that Pod Security forbids."""

from typing import Any

import msgspec
import pytest

from orchestrator.api.defaults import default
from orchestrator.api.types import Role, TensorFlowJob
from orchestrator.backends.kubernetes import pods
from orchestrator.backends.kubernetes.memory import Memory
from orchestrator.backends.kubernetes.settings import Settings

SETTINGS = Settings(
    agent_image="agent:1",
    trainer_image="trainer:1",
    coordinator="coordinator:9443",
    ca="PEM",
    server_name="name",
)
WORKER = (Role.WORKER, 1)


def job(**spec: Any) -> TensorFlowJob:
    document = {
        "metadata": {"name": "job", "namespace": "ns", "uid": "12345678-abcd"},
        "spec": {"replicaSpecs": {"chief": {}, "worker": {"replicas": 2}}, **spec},
    }
    return default(msgspec.convert(document, type=TensorFlowJob))


def render(made: TensorFlowJob, seat: tuple[Role, int] = WORKER, **attempt_env: str) -> dict[str, Any]:
    memory = Memory("12345678-abcd")
    return pods.render_pod(
        pods.Seated(
            job=made,
            seat=seat,
            attempt=3,
            plan=memory.plans(made, 5.0)[seat],
            settings=SETTINGS,
            attempt_env=attempt_env,
            is_counted=seat in memory.counted(made, 5.0),
        )
    )


def own(container: dict[str, Any] | None = None, **pod: Any) -> dict[str, Any]:
    """A template with one container that names an image and a command."""
    base = {"name": "tensorflow", "image": "mine", "command": ["python", "train.py"]}
    return {"spec": {"containers": [base | (container or {})], **pod}}


def env_of(pod: dict[str, Any]) -> dict[str, Any]:
    found: list[dict[str, Any]] = pod["spec"]["containers"][0]["env"]
    return {one["name"]: one.get("value", one.get("valueFrom")) for one in found}


def test_a_built_in_program_runs_in_our_image_under_an_agent() -> None:
    pod = render(job(workload={"name": "mlp"}))
    container = pod["spec"]["containers"][0]
    assert container["image"] == "trainer:1"
    assert container["command"][:4] == ["python", "-I", "/tfo/orchestrator.agent.zip", "--"]
    assert container["command"][4:8] == ["python", "-m", "orchestrator.workloads", "mlp"]
    assert pod["spec"]["initContainers"][0]["image"] == "agent:1"
    assert (pod["spec"]["hostname"], pod["spec"]["subdomain"]) == ("job-worker-1", "job-tfo")


def test_a_pod_belongs_to_its_job_and_says_where_it_sits() -> None:
    metadata = render(job(workload={"name": "mlp"}))["metadata"]
    assert metadata["name"] == "job-worker-1"
    assert metadata["labels"] == {
        "tf-orchestrator.io/job-name": "job",
        "tf-orchestrator.io/role": "worker",
        "tf-orchestrator.io/index": "1",
        "tf-orchestrator.io/attempt": "3",
        "app.kubernetes.io/managed-by": "tf-orchestrator",
    }
    (owner,) = metadata["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == ("12345678-abcd", True)


def test_only_pods_whose_success_decides_are_kept_until_they_are_counted() -> None:
    chief, worker = (render(job(workload={"name": "mlp"}), seat) for seat in ((Role.CHIEF, 0), WORKER))
    assert chief["metadata"]["finalizers"] == ["tf-orchestrator.io/counted"]
    assert "finalizers" not in worker["metadata"]
    everybody = job(workload={"name": "mlp"}, successPolicy="AllWorkers")
    assert "finalizers" in render(everybody)["metadata"]


def test_what_a_template_says_stays() -> None:
    template = own(
        {"resources": {"limits": {"cpu": "2"}}, "volumeMounts": [{"name": "data", "mountPath": "/data"}]},
        volumes=[{"name": "data", "emptyDir": {}}],
        initContainers=[{"name": "fetch", "image": "fetch"}],
        nodeSelector={"gpu": "a"},
        terminationGracePeriodSeconds=90,
        securityContext={"runAsUser": 7},
    )
    template["metadata"] = {"labels": {"team": "a"}, "annotations": {"note": "b"}}
    before = msgspec.json.encode(template)
    pod = render(job(template=template))
    spec = pod["spec"]
    assert msgspec.json.encode(template) == before, "the job itself is not changed"
    assert (spec["nodeSelector"], spec["securityContext"]) == ({"gpu": "a"}, {"runAsUser": 7})
    assert [one["name"] for one in spec["initContainers"]] == ["tfo-agent", "fetch"]
    assert {"name": "data", "emptyDir": {}} in spec["volumes"]
    assert spec["containers"][0]["resources"]["limits"] == {"cpu": "2"}
    assert pod["metadata"]["labels"]["team"] == "a"
    assert pod["metadata"]["annotations"] == {"note": "b"}
    assert env_of(pod)["TFO_AGENT_STOP_GRACE_SECONDS"] == "85"


def test_a_label_of_ours_goes_before_the_templates() -> None:
    template = own()
    template["metadata"] = {"labels": {"tf-orchestrator.io/role": "chief", "team": "a"}}
    labels = render(job(template=template))["metadata"]["labels"]
    assert (labels["tf-orchestrator.io/role"], labels["team"]) == ("worker", "a")


def test_a_container_that_names_no_image_gets_the_trainers() -> None:
    program = {"spec": {"containers": [{"name": "tensorflow", "command": ["python", "train.py"]}]}}
    assert render(job(template=program))["spec"]["containers"][0]["image"] == "trainer:1"


def test_restarts_are_ours_whatever_the_template_says() -> None:
    assert render(job(template=own(restartPolicy="Always")))["spec"]["restartPolicy"] == "Never"


def test_variables_are_ours_first_then_theirs_and_the_seat_is_nobodys_to_change() -> None:
    given = [
        {"name": "MINE", "value": "$(TFO_ROLE)"},
        {"name": "TFO_INDEX", "value": "99"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
    ]
    pod = render(job(template=own({"env": given})))
    found = [one["name"] for one in pod["spec"]["containers"][0]["env"]]
    assert found.index("TFO_ROLE") < found.index("MINE")
    assert found.count("TFO_INDEX") == 1
    assert env_of(pod)["TFO_INDEX"] == "1"
    assert env_of(pod)["KEY"] == {"secretKeyRef": {"name": "s", "key": "k"}}


def test_the_agent_is_told_whom_to_trust_and_has_no_secret_in_its_variables() -> None:
    pod = render(job(template=own()))
    found = env_of(pod)
    assert found["TFO_AGENT_ADDRESS"] == "coordinator:9443"
    assert (found["TFO_AGENT_CA"], found["TFO_AGENT_SERVER_NAME"]) == ("PEM", "name")
    assert found["TFO_AGENT_UID"] == {"fieldRef": {"fieldPath": "metadata.uid"}}
    assert "TFO_AGENT_TOKEN" not in found
    (volume,) = [one for one in pod["spec"]["volumes"] if one["name"] == "tfo-token"]
    (source,) = volume["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "tf-orchestrator/agent"
    assert [one["name"] for one in pod["spec"]["initContainers"][0]["volumeMounts"]] == ["tfo"]


@pytest.mark.parametrize(
    ("command", "variables", "python"),
    [
        (["/opt/venv/bin/python3.12", "a.py"], [], "/opt/venv/bin/python3.12"),
        (["./train.sh"], [], "python3"),
        (["./train.sh"], [{"name": "TFO_PYTHON", "value": "/usr/bin/python3"}], "/usr/bin/python3"),
    ],
)
def test_the_agent_runs_on_the_programs_python_else_on_one_that_is_named(
    command: list[str], variables: list[dict[str, str]], python: str
) -> None:
    pod = render(job(template=own({"command": command, "env": variables})))
    assert pod["spec"]["containers"][0]["command"][0] == python


def test_without_an_agent_the_container_is_left_as_it_is() -> None:
    template = {"spec": {"containers": [{"name": "tensorflow", "image": "mine", "args": ["--x"]}]}}
    made = job(template=template, recovery={"agent": "Disabled"})
    pod = render(made, TF_CONFIG="{}", TFO_RANK="2")
    container = pod["spec"]["containers"][0]
    assert container["args"] == ["--x"]
    assert "command" not in container, "the image's own entrypoint"
    assert "initContainers" not in pod["spec"]
    assert "volumes" not in pod["spec"]
    found = env_of(pod)
    assert (found["TF_CONFIG"], found["TFO_RANK"]) == ("{}", "2")
    assert not [name for name in found if name.startswith("TFO_AGENT_")]


def test_nobody_sets_a_tf_config_of_his_own_in_a_pod_without_an_agent() -> None:
    given = own({"env": [{"name": "TF_CONFIG", "value": "theirs"}]})
    pod = render(job(template=given, recovery={"agent": "Disabled"}), TF_CONFIG="ours")
    assert env_of(pod)["TF_CONFIG"] == "ours"


def test_gpus_are_a_limit_and_a_toleration() -> None:
    made = job(template=own(), replicaSpecs={"chief": {}, "worker": {"replicas": 2, "gpus": 2}})
    spec = render(made)["spec"]
    assert spec["containers"][0]["resources"]["limits"] == {"nvidia.com/gpu": 2}
    assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]


def test_a_silent_node_is_given_up_soon_unless_the_template_says_else() -> None:
    usual = {
        one["key"]: one["tolerationSeconds"] for one in render(job(template=own()))["spec"]["tolerations"]
    }
    assert usual == {"node.kubernetes.io/not-ready": 30, "node.kubernetes.io/unreachable": 30}
    patient = {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 600}
    found = render(job(template=own(tolerations=[patient])))["spec"]["tolerations"]
    assert [one["tolerationSeconds"] for one in found if one["key"].endswith("unreachable")] == [600]


def test_claims_are_mounted_where_checkpoints_and_logs_lie() -> None:
    made = job(
        workload={"name": "mlp"},
        checkpoint={"volumeClaim": "data", "directory": "/ckpt"},
        logs={"volumeClaim": "data", "directory": "/logs"},
    )
    pod = render(made)
    claims = [one for one in pod["spec"]["volumes"] if "persistentVolumeClaim" in one]
    assert [one["persistentVolumeClaim"]["claimName"] for one in claims] == ["data"]
    mounts = {one["mountPath"]: one["name"] for one in pod["spec"]["containers"][0]["volumeMounts"]}
    assert mounts["/ckpt"] == mounts["/logs"] == "tfo-checkpoints"
    found = env_of(pod)
    assert found["TFO_CHECKPOINT_DIR"] == "/ckpt/job-12345678"
    assert found["TFO_LOG_DIR"] == "/logs/job-12345678"
    assert found["TFO_MODEL_DIR"] == "/ckpt/job-12345678/model"


def test_built_in_programs_and_the_agent_pass_pod_security_restricted() -> None:
    spec = render(job(workload={"name": "mlp"}))["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in (*spec["containers"], *spec["initContainers"]):
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_the_service_gives_every_pod_a_name_from_its_first_moment() -> None:
    service = pods.render_service(job(workload={"name": "mlp"}), "job-tfo")
    assert service["spec"]["clusterIP"] == "None"
    assert service["spec"]["publishNotReadyAddresses"] is True
    assert service["spec"]["selector"] == {"tf-orchestrator.io/job-name": "job"}


def test_a_built_in_program_without_an_agent_is_the_command_itself() -> None:
    spec = render(job(workload={"name": "mlp"}, recovery={"agent": "Disabled"}))["spec"]
    assert spec["containers"][0]["command"][:4] == ["python", "-m", "orchestrator.workloads", "mlp"]
