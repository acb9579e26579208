"""A job's seat in an attempt -> the manifest of its pod, and the job's service.

Called by `backend`. Pure: same job, same bytes. What a user wrote in a template stays as it is; what is ours is added
beside it, and a value of ours replaces theirs only where the replica could not work else.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from orchestrator.api.types import API_VERSION, KIND, AgentMode, JobSpec, JsonObject, TensorFlowJob
from orchestrator.backends.kubernetes import agents
from orchestrator.backends.kubernetes.settings import Settings
from orchestrator.core import names, plan
from orchestrator.core.membership import Seat
from orchestrator.core.plan import Folders, ReplicaPlan
from orchestrator.protocol import environment as env

REPORT_SECONDS = 5.0
END_SECONDS = 30
"""A pod's time to end, as Kubernetes has it where nothing is said."""
GPU = "nvidia.com/gpu"
_CHECKPOINTS = "tfo-checkpoints"
_LOGS = "tfo-logs"
_TRAINER_USER = 65532
_NOT_READY = "node.kubernetes.io/not-ready"
_UNREACHABLE = "node.kubernetes.io/unreachable"


@dataclass(frozen=True)
class Seated:
    """What one pod is made of.

    `attempt_env`: only where no agent brings it. `is_counted`: its success decides the job's.
    """

    job: TensorFlowJob
    seat: Seat
    attempt: int
    plan: ReplicaPlan
    settings: Settings
    attempt_env: dict[str, str]
    is_counted: bool

    @property
    def has_agent(self) -> bool:
        return self.job.spec.recovery.agent is AgentMode.ENABLED

    @property
    def is_built_in(self) -> bool:
        return self.job.spec.workload is not None

    @property
    def template(self) -> JsonObject:
        return plan.template_of(self.job.spec, self.seat[0])

    @property
    def needs_folder(self) -> bool:
        """The agent lives in it, and a built-in program puts there what it has no other place for."""
        return self.has_agent or self.is_built_in


def folders(job: TensorFlowJob) -> Folders:
    """Inside the pod. What a built-in program writes and nobody said where to keep goes with the pod."""
    own = names.checkpoint_folder(job)
    checkpoints = _own_folder(job.spec.checkpoint.directory, own)
    logs = _own_folder(job.spec.logs.directory, own)
    if job.spec.workload is None:
        return Folders(checkpoints=checkpoints, logs=logs)
    return Folders(
        checkpoints=checkpoints,
        logs=logs or f"{agents.FOLDER}/logs",
        models=f"{checkpoints or agents.FOLDER}/model",
        data=f"{agents.FOLDER}/data",
    )


def _own_folder(directory: str | None, own: str) -> str:
    return f"{directory.rstrip('/')}/{own}" if directory else ""


def render_service(job: TensorFlowJob, name: str) -> JsonObject:
    """Gives every pod of the job its own name, from the pod's first moment to its last."""
    labels = {names.LABEL_JOB: job.metadata.name, names.LABEL_MANAGED_BY: names.PROJECT}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "labels": labels, "ownerReferences": [owner(job)]},
        "spec": {
            "clusterIP": "None",
            "publishNotReadyAddresses": True,
            "selector": {names.LABEL_JOB: job.metadata.name},
            "ports": [{"name": names.PORT_NAME, "port": names.BASE_PORT}],
        },
    }


def owner(job: TensorFlowJob) -> JsonObject:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": job.metadata.name,
        "uid": job.metadata.uid or "",
        "controller": True,
        "blockOwnerDeletion": True,
    }


def render_pod(made: Seated) -> JsonObject:
    """As it is sent to the API server."""
    spec = deepcopy(made.template.get("spec") or {})
    end_seconds = spec.setdefault("terminationGracePeriodSeconds", END_SECONDS)
    spec |= {
        "restartPolicy": "Never",
        "hostname": made.plan.name,
        "subdomain": names.service(made.job.metadata.name),
    }
    spec.setdefault("enableServiceLinks", False)
    containers = spec.setdefault("containers", [{"name": names.CONTAINER}])
    container = next((one for one in containers if one.get("name") == names.CONTAINER), containers[0])
    _fill_container(made, container, int(end_seconds))
    _add_folder(made, spec, container)
    _add_claims(made.job.spec, spec, container)
    _add_tolerations(made, spec)
    if made.is_built_in:
        _restrict(spec, container)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": _metadata(made), "spec": spec}


def _metadata(made: Seated) -> JsonObject:
    theirs = made.template.get("metadata") or {}
    ours = names.labels(made.job.metadata.name, *made.seat) | {
        names.LABEL_ATTEMPT: str(made.attempt),
        names.LABEL_MANAGED_BY: names.PROJECT,
    }
    found: JsonObject = {
        "name": made.plan.name,
        "labels": {**(theirs.get("labels") or {}), **ours},
        "ownerReferences": [owner(made.job)],
    }
    if theirs.get("annotations"):
        found["annotations"] = dict(theirs["annotations"])
    if made.is_counted:
        found["finalizers"] = [names.FINALIZER]
    return found


def _fill_container(made: Seated, container: JsonObject, end_seconds: int) -> None:
    container.setdefault("image", made.settings.trainer_image)
    if made.settings.pull_policy:
        container.setdefault("imagePullPolicy", made.settings.pull_policy)
    container.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
    written = [one for one in container.get("env") or () if one.get("name") not in made.attempt_env]
    _fill_env(made, container, written, end_seconds)
    if made.has_agent:
        texts = {one["name"]: str(one.get("value") or "") for one in written if one.get("name")}
        container.pop("args", None)
        container["command"] = agents.command(made.plan.argv, texts)
    elif not container.get("command") and not container.get("args") and made.is_built_in:
        container["command"] = list(made.plan.argv)
    if made.plan.gpus:
        limits = container.setdefault("resources", {}).setdefault("limits", {})
        limits.setdefault(GPU, made.plan.gpus)


def _fill_env(made: Seated, container: JsonObject, written: list[Any], end_seconds: int) -> None:
    """Ours first, so that the template's variables may refer to them; but nobody takes another seat than its own."""
    seat = plan.seat_env(*made.seat)
    theirs = {one.get("name") for one in written if one.get("name") not in seat}
    ours = {
        name: value
        for name, value in {**made.plan.env, **made.attempt_env}.items()
        if name not in theirs and (name.startswith("TFO_") or name == env.TF_CONFIG)
    }
    told: list[Any] = [{"name": name, "value": value} for name, value in ours.items()]
    told += [one for one in written if one.get("name") not in seat]
    if made.has_agent:
        told += agents.variables(made.job, made.seat, made.plan, made.settings, end_seconds)
    container["env"] = told


def _add_folder(made: Seated, spec: JsonObject, container: JsonObject) -> None:
    if not made.needs_folder:
        return
    _append(spec, "volumes", agents.volume())
    _append(container, "volumeMounts", agents.mount())
    if made.has_agent:
        _append(spec, "volumes", agents.token_volume())
        _append(container, "volumeMounts", agents.token_mount())
        spec["initContainers"] = [
            agents.init_container(made.settings),
            *(spec.get("initContainers") or ()),
        ]


def _append(place: JsonObject, key: str, value: JsonObject) -> None:
    place[key] = [*(place.get(key) or ()), value]


def _add_claims(spec: JobSpec, pod: JsonObject, container: JsonObject) -> None:
    """One claim is one volume, wherever it is mounted."""
    volumes: dict[str, str] = {}
    for name, place in ((_CHECKPOINTS, spec.checkpoint), (_LOGS, spec.logs)):
        if place.volume_claim is None:
            continue
        if place.volume_claim not in volumes:
            volumes[place.volume_claim] = name
            claim = {"claimName": place.volume_claim}
            _append(pod, "volumes", {"name": name, "persistentVolumeClaim": claim})
        mounted = {"name": volumes[place.volume_claim], "mountPath": place.directory}
        if mounted not in (container.get("volumeMounts") or ()):
            _append(container, "volumeMounts", mounted)


def _add_tolerations(made: Seated, spec: JsonObject) -> None:
    """A node that does not answer is given up soon: nobody trains on while it is silent."""
    theirs = spec.get("tolerations") or []
    keys = {one.get("key") for one in theirs}
    seconds = made.settings.unreachable_seconds
    ours: list[JsonObject] = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
        for key in (_NOT_READY, _UNREACHABLE)
        if key not in keys and None not in keys
    ]
    if made.plan.gpus and GPU not in keys:
        ours.append({"key": GPU, "operator": "Exists", "effect": "NoSchedule"})
    spec["tolerations"] = [*theirs, *ours]


def _restrict(spec: JsonObject, container: JsonObject) -> None:
    """The built-in programs need no right at all; what a template says of it stays."""
    pod: JsonObject = {
        "runAsNonRoot": True,
        "fsGroup": _TRAINER_USER,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    own: JsonObject = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    spec["securityContext"] = pod | (spec.get("securityContext") or {})
    container["securityContext"] = own | (container.get("securityContext") or {})
    spec.setdefault("automountServiceAccountToken", False)
