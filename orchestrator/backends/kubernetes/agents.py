"""What an agent needs in a pod: an init container that brings it, a volume, a token, variables, and a command around
the program's own.

Called by `pods`. Pure. The names of the variables are those of `protocol.agent_environment`.
"""

import re

from orchestrator.api.types import JsonObject, TensorFlowJob
from orchestrator.backends.kubernetes.settings import Settings
from orchestrator.core.membership import Seat
from orchestrator.core.plan import ReplicaPlan
from orchestrator.protocol import agent_environment as agent
from orchestrator.protocol import environment as env

FOLDER = "/tfo"
ZIP = f"{FOLDER}/orchestrator.agent.zip"
HOOK = f"{ZIP}/orchestrator/train/hook"
VOLUME = "tfo"
TOKEN_VOLUME = "tfo-token"
TOKEN_FOLDER = "/var/run/secrets/tf-orchestrator"
TOKEN_FILE = "token"
AUDIENCE = "tf-orchestrator/agent"
TOKEN_SECONDS = 3600
INIT_CONTAINER = "tfo-agent"
TERMINATION_LOG = "/dev/termination-log"
"""Where Kubernetes looks unless the container says else."""
END_SECONDS = 5
"""Of the pod's time to end, kept for the agent itself."""
PYTHON = "python3"
PYTHON_VARIABLE = "TFO_PYTHON"
_PYTHON_NAME = re.compile(r"(.*/)?python[0-9.]*")


def init_container(settings: Settings) -> JsonObject:
    """Copies the zip to the volume; needs nothing and may nothing."""
    found: JsonObject = {
        "name": INIT_CONTAINER,
        "image": settings.agent_image,
        "volumeMounts": [mount()],
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "500m", "memory": "64Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    return found | ({"imagePullPolicy": settings.pull_policy} if settings.pull_policy else {})


def volume() -> JsonObject:
    return {"name": VOLUME, "emptyDir": {}}


def mount() -> JsonObject:
    return {"name": VOLUME, "mountPath": FOLDER}


def token_volume() -> JsonObject:
    """Good for nothing but telling the coordinator who this pod is."""
    source = {"audience": AUDIENCE, "expirationSeconds": TOKEN_SECONDS, "path": TOKEN_FILE}
    return {
        "name": TOKEN_VOLUME,
        "projected": {"sources": [{"serviceAccountToken": source}], "defaultMode": 0o444},
    }


def token_mount() -> JsonObject:
    return {"name": TOKEN_VOLUME, "mountPath": TOKEN_FOLDER, "readOnly": True}


def command(argv: tuple[str, ...], variables: dict[str, str]) -> list[str]:
    """The agent, then the program's own words, in which the kubelet fills in references to variables."""
    own = argv[0] if argv and _PYTHON_NAME.fullmatch(argv[0]) else ""
    return [own or variables.get(PYTHON_VARIABLE) or PYTHON, "-I", ZIP, "--", *argv]


def variables(
    job: TensorFlowJob, seat: Seat, plan: ReplicaPlan, settings: Settings, end_seconds: int
) -> list[JsonObject]:
    """`end_seconds`: between SIGTERM and SIGKILL of the whole container."""
    role, index = seat
    texts = {
        agent.ADDRESS: settings.coordinator,
        agent.CA: settings.ca,
        agent.SERVER_NAME: settings.server_name,
        agent.TOKEN_FILE: f"{TOKEN_FOLDER}/{TOKEN_FILE}",
        agent.JOB_UID: job.metadata.uid or "",
        agent.ROLE: role.value,
        agent.INDEX: str(index),
        agent.SOCKET_DIR: f"{FOLDER}/run",
        agent.TERMINATION_LOG: TERMINATION_LOG,
        agent.HOOK: HOOK,
        agent.REPORT_SECONDS: plan.env.get(env.REPORT_SECONDS, ""),
        agent.STOP_GRACE_SECONDS: str(max(0, end_seconds - END_SECONDS)),
    }
    told: list[JsonObject] = [{"name": name, "value": value} for name, value in texts.items() if value]
    of_pod = {"name": agent.UID, "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}}
    return [*told, of_pod]
