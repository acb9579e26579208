"""The plan: every replica's program and environment, from the spec alone."""

from msgspec.structs import replace

from orchestrator.api.defaults import default
from orchestrator.api.types import (
    AgentMode,
    Checkpoint,
    CleanPodPolicy,
    Instrument,
    JobSpec,
    JsonObject,
    Logs,
    Recovery,
    ReplicaSpec,
    ReplicaSpecs,
    RestartPolicy,
    Role,
    RunPolicy,
    SchedulingPolicy,
    Strategy,
    Telemetry,
    TensorBoard,
    TensorFlowJob,
    Toggle,
    WorkloadSpec,
)
from orchestrator.core import plan
from orchestrator.core.expansion import expand_all
from orchestrator.protocol import environment as env
from tests.simulation.jobs import WITHOUT_AGENTS, gang, make_job

FOLDERS = plan.Folders(checkpoints="/c", logs="/l", models="/m", data="/d")


def with_spec(**changes: object) -> TensorFlowJob:
    job = make_job(gang(1))
    return replace(job, spec=replace(job.spec, **changes))


def template(**container: object) -> JsonObject:
    return {"spec": {"containers": [{"name": "side"}, {"name": "tensorflow", **container}]}}


def first(job: TensorFlowJob, folders: plan.Folders = FOLDERS) -> plan.ReplicaPlan:
    return plan.plan(job, folders, report_seconds=5).replicas[0]


def test_every_replica_in_the_order_of_rank() -> None:
    found = plan.plan(make_job(gang(2, evaluator=True)), FOLDERS, report_seconds=5)
    assert [one.name for one in found.replicas] == [
        "job-chief-0",
        "job-worker-0",
        "job-worker-1",
        "job-evaluator-0",
    ]
    assert (found.job, found.service) == ("job", "job-tfo")


def test_the_templates_program_and_environment() -> None:
    variables = [{"name": "A", "value": 1}, {"name": "B", "valueFrom": {"fieldRef": {}}}]
    pod = template(command=["python"], args=["x.py", 3], workingDir="/src", env=variables)
    found = first(with_spec(template=pod))
    assert found.argv == ("python", "x.py", "3")
    assert found.working_dir == "/src"
    assert found.env["A"] == "1"
    assert "B" not in found.env


def test_a_built_in_program_with_sorted_arguments() -> None:
    workload = WorkloadSpec(name="mlp", args={"z": [1, 2], "a": "text", "none": None, "b": 1.5})
    found = first(with_spec(workload=workload, template=None))
    assert found.argv == ("python", "-m", "orchestrator.workloads", "mlp", "--a=text", "--b=1.5", "--z=[1,2]")
    assert found.working_dir == ""


def test_an_argument_of_a_built_in_program_means_itself() -> None:
    """In a pod the kubelet reads these words."""
    workload = WorkloadSpec(name="mlp", args={"data": "$(HOME)/x.npz"})
    assert first(with_spec(workload=workload, template=None)).argv[-1] == "--data=$$(HOME)/x.npz"


def test_the_templates_variables_may_refer_to_ours_which_mean_themselves() -> None:
    pod = template(command=["x"], env=[{"name": "MINE", "value": "$(TFO_LOG_DIR)/$(TFO_ROLE)"}])
    found = first(with_spec(template=pod), replace(FOLDERS, logs="/l/$(y)")).env
    assert list(found).index("TFO_LOG_DIR") < list(found).index("MINE")
    assert expand_all(found)["MINE"] == "/l/$(y)/chief"


def test_an_image_may_bring_its_own_program() -> None:
    assert first(with_spec(template={"spec": {"containers": [{"image": "x"}]}})).argv == ()
    assert first(with_spec(template=None)).argv == ()


def test_servers_without_a_program_of_their_own_run_tensorflows() -> None:
    specs = ReplicaSpecs(
        chief=ReplicaSpec(template=template(command=["own"])),
        worker=ReplicaSpec(template=template(image="x")),
        ps=ReplicaSpec(),
    )
    served = with_spec(replica_specs=specs, template=None, strategy=Strategy.PARAMETER_SERVER)
    server = ("python", "-m", "orchestrator.train.server")
    found = plan.plan(served, FOLDERS, report_seconds=5).replicas
    assert [one.argv for one in found] == [("own",), server, server]
    bare = replace(served, spec=replace(served.spec, recovery=WITHOUT_AGENTS))
    assert [one.argv for one in plan.plan(bare, FOLDERS, report_seconds=5).replicas] == [("own",), (), ()]


def test_a_roles_own_template_replaces_the_jobs() -> None:
    specs = ReplicaSpecs(chief=ReplicaSpec(template=template(command=["own"]), gpus=2), worker=ReplicaSpec())
    found = plan.plan(with_spec(replica_specs=specs), FOLDERS, report_seconds=5).replicas
    assert [one.argv for one in found] == [("own",), ("python", "train.py")]
    assert [one.gpus for one in found] == [2, None]


def test_the_environment_says_where_and_how() -> None:
    job = with_spec(checkpoint=Checkpoint(every_steps=7, keep=2))
    found = first(job).env
    assert found[env.CHECKPOINT_DIR] == "/c"
    assert found[env.CHECKPOINT_EVERY_STEPS] == "7"
    assert found[env.CHECKPOINT_KEEP] == "2"
    assert (found[env.ROLE], found[env.INDEX], found[env.JOB]) == ("chief", "0", "job")
    assert found[env.REPORT_SECONDS] == "5"
    assert found[env.INSTRUMENT] == "metrics,checkpoint,kerasFix"


def test_what_is_nowhere_has_no_variable() -> None:
    job = with_spec(
        instrument=Instrument(metrics=Toggle.OFF, checkpoint=Toggle.OFF, keras_fix=Toggle.OFF),
        telemetry=Telemetry(every_seconds=0.5),
    )
    found = first(job, plan.Folders()).env
    assert not {env.CHECKPOINT_DIR, env.LOG_DIR, env.DATA_DIR, env.MODEL_DIR, env.INSTRUMENT} & set(found)
    assert found[env.REPORT_SECONDS] == "0.5"


def test_a_template_cannot_say_who_a_replica_is() -> None:
    pod = template(
        command=["x"], env=[{"name": env.INDEX, "value": "7"}, {"name": env.DATA_DIR, "value": "/own"}]
    )
    found = first(with_spec(template=pod)).env
    assert found[env.INDEX] == "0"
    assert found[env.DATA_DIR] == "/own"


def test_a_role_without_a_spec_has_an_empty_template() -> None:
    spec: JobSpec = with_spec(template=None).spec
    assert plan.template_of(spec, Role.PS) == {}
    assert plan.container_of(spec, Role.PS) == {}


def test_what_is_ignored_locally_is_named_once() -> None:
    pod = template(image="x", resources={"limits": {}}) | {}
    pod["spec"]["volumes"] = [{}]
    job = with_spec(
        template=pod,
        run_policy=RunPolicy(
            suspend=True, scheduling_policy=SchedulingPolicy(), ttl_seconds_after_finished=0, managed_by="x"
        ),
        recovery=Recovery(agent=AgentMode.DISABLED, warm_start=True),
        checkpoint=Checkpoint(volume_claim="c"),
        logs=Logs(volume_claim="c"),
        tensorboard=TensorBoard(enabled=True),
    )
    assert plan.ignored_locally(job) == (
        "runPolicy.suspend",
        "runPolicy.ttlSecondsAfterFinished",
        "runPolicy.managedBy",
        "recovery.agent: Disabled",
        "checkpoint.volumeClaim",
        "logs.volumeClaim",
        "runPolicy.schedulingPolicy",
        "recovery.warmStart",
        "tensorboard.enabled",
        "template: image",
        "template: resources",
        "template: volumes",
        "template: other containers",
    )


def test_what_only_a_pod_can_have_is_named() -> None:
    pod = template(
        env=[{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": {}}}], envFrom=[{}]
    )
    pod["spec"]["serviceAccountName"] = "trainer"
    assert plan.ignored_locally(with_spec(template=pod)) == (
        "template: envFrom",
        "template: serviceAccountName",
        "template: other containers",
        "template: env.valueFrom",
    )


def test_what_only_a_cluster_can_have_is_named_where_it_is_not_the_default() -> None:
    always = ReplicaSpec(restart_policy=RestartPolicy.ALWAYS)
    job = with_spec(
        run_policy=RunPolicy(clean_pod_policy=CleanPodPolicy.ALL),
        recovery=Recovery(replacement_timeout_seconds=0),
        replica_specs=ReplicaSpecs(chief=always, worker=ReplicaSpec(replicas=2), evaluator=always),
    )
    assert plan.ignored_locally(replace(job, metadata=replace(job.metadata, namespace="team"))) == (
        "metadata.namespace",
        "runPolicy.cleanPodPolicy",
        "recovery.replacementTimeoutSeconds",
        "chief.restartPolicy: Always (means OnFailure)",
    )


def test_a_plain_job_has_nothing_ignored() -> None:
    assert plan.ignored_locally(make_job()) == ()
    assert plan.ignored_locally(default(make_job())) == ()
