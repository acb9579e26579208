"""Every object, DNS, label and port name that this project gives: the only module that formats them.

Called by `plan`, `decide`, backends and the CLI. Pure; names are deterministic so that a create can be repeated.
"""

from orchestrator.api.types import GROUP, JsonObject, Role, TensorFlowJob

CONTAINER = "tensorflow"
PORT_NAME = "tfjob-port"
BASE_PORT = 2222
PORT_RANGE = 32
"""Ports used per replica on Kubernetes: base + attempt mod 32, so attempts in sequence never share one."""

LABEL_JOB = f"{GROUP}/job-name"
LABEL_ROLE = f"{GROUP}/role"
LABEL_INDEX = f"{GROUP}/index"
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
PROJECT = "tf-orchestrator"
FINALIZER = f"{GROUP}/counted"
"""On pods whose success decides the job's: they stay until what became of them is recorded."""

LOOPBACK = "127.0.0.1"
RESERVED_AT_START = "<reserved at start>"


def service(job: str) -> str:
    """The job's one headless service."""
    return f"{job}-tfo"


def member(role: Role, index: int) -> str:
    """A replica's name inside its job, as users see it: worker-1."""
    return f"{role.value}-{index}"


def replica(job: str, role: Role, index: int) -> str:
    """The pod's name."""
    return f"{job}-{member(role, index)}"


def host(job: TensorFlowJob, role: Role, index: int, domain: str = "") -> str:
    """DNS name of a replica through the job's service."""
    name = job.metadata.name
    suffix = f".{domain}" if domain else ""
    return f"{replica(name, role, index)}.{service(name)}.{namespace(job)}.svc{suffix}"


def namespace(job: TensorFlowJob) -> str:
    return job.metadata.namespace or "default"


def labels(job: str, role: Role, index: int) -> dict[str, str]:
    return {LABEL_JOB: job, LABEL_ROLE: role.value, LABEL_INDEX: str(index)}


def selector(job: str) -> str:
    return f"{LABEL_JOB}={job}"


def base_port(container: JsonObject) -> int:
    """The template's `tfjob-port`, else 2222."""
    for port in container.get("ports") or ():
        if port.get("name") == PORT_NAME:
            return int(port.get("containerPort", BASE_PORT))
    return BASE_PORT


def port(base: int, attempt: int) -> int:
    return base + attempt % PORT_RANGE


def address(host_name: str, port_number: int) -> str:
    return f"{host_name}:{port_number}"


def checkpoint_folder(job: TensorFlowJob) -> str:
    """Folder of this very job (not of a namesake) under checkpoint.directory."""
    return f"{job.metadata.name}-{(job.metadata.uid or '')[:8]}"
