"""What the controller is told at its start: flags, and for each an environment variable.

Called by `controller.main`; the reference documentation is rendered from the same table. Pure but for the values that
are handed in.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.backends.kubernetes.settings import COORDINATOR_PORT, Settings
from orchestrator.controller.leader import Timing
from orchestrator.controller.queue import WORKERS
from orchestrator.version import __version__

PROGRAM = "tfo-controller"
PREFIX = "TFO_CONTROLLER_"
SERVICE = "tfo-coordinator"
SERVER_NAME = "tf-orchestrator-coordinator"
"""In the coordinator's certificate, whatever the address is by which agents reach it."""
EXIT_WRONG = 2


@dataclass(frozen=True)
class Flag:
    """`--name VALUE`, or TFO_CONTROLLER_NAME. `default` also says the type."""

    name: str
    default: str | int | float | bool
    help: str
    group: str

    @property
    def variable(self) -> str:
        return PREFIX + self.name.replace("-", "_").upper()

    @property
    def field(self) -> str:
        return self.name.replace("-", "_")


_JOBS, _PODS, _HA, _SERVE, _CLUSTER = "jobs", "pods", "leader election", "endpoints", "cluster"
FLAGS: tuple[Flag, ...] = (
    Flag("namespaces", "", "Comma-separated list of namespaces to look after; empty: all.", _JOBS),
    Flag("workers", WORKERS, "Jobs that are decided about at the same time.", _JOBS),
    Flag("agent-image", f"tf-orchestrator/agent:{__version__}", "Image that brings the agent.", _PODS),
    Flag(
        "trainer-image",
        f"tf-orchestrator/trainer:{__version__}",
        "Image of containers that name none: TensorFlow and the built-in programs.",
        _PODS,
    ),
    Flag("image-pull-policy", "", "Of containers that say nothing; empty: Kubernetes' default.", _PODS),
    Flag(
        "coordinator",
        "",
        f"host:port where agents find the coordinator; empty: {SERVICE}.NAMESPACE.svc and the port it listens on.",
        _PODS,
    ),
    Flag("unreachable-seconds", 30, "How long a pod tolerates a node that does not answer.", _PODS),
    Flag("leader-elect", True, "false: this is the only controller, and acts at once.", _HA),
    Flag("lease-name", "tf-orchestrator-controller", "Name of the Lease.", _HA),
    Flag("lease-seconds", 15.0, "How long others respect a leader that says nothing.", _HA),
    Flag("renew-deadline-seconds", 10.0, "How long the leader tries to renew before it gives up.", _HA),
    Flag("retry-seconds", 2.0, "Between two tries.", _HA),
    Flag(
        "coordinator-bind", f"0.0.0.0:{COORDINATOR_PORT}", "Address that the coordinator listens on.", _SERVE
    ),
    Flag(
        "metrics-bind",
        "127.0.0.1:8080",
        "Address of /metrics, /healthz and /readyz; other machines reach it only if asked for.",
        _SERVE,
    ),
    Flag(
        "kubeconfig",
        "",
        "File that says how to reach the cluster; empty: as a pod of it, else as kubectl.",
        _CLUSTER,
    ),
    Flag("context", "", "Context in that file.", _CLUSTER),
    Flag(
        "namespace", "", "Namespace of the Lease and the Secret; empty: the pod's or the context's.", _CLUSTER
    ),
    Flag(
        "secret-name",
        "tf-orchestrator-coordinator",
        "Secret that keeps the coordinator's authority.",
        _CLUSTER,
    ),
    Flag("log-format", "json", "json or text.", _CLUSTER),
    Flag("log-level", "info", "debug, info, warning or error.", _CLUSTER),
)
_CHOICES = {"log-format": ("json", "text"), "log-level": ("debug", "info", "warning", "error")}


class WrongOption(Exception):
    """In words for the user."""


@dataclass(frozen=True)
class Options:
    """See the flags of the same names."""

    namespaces: tuple[str, ...]
    workers: int
    agent_image: str
    trainer_image: str
    image_pull_policy: str
    coordinator: str
    unreachable_seconds: int
    leader_elect: bool
    lease_name: str
    timing: Timing
    coordinator_bind: str
    metrics_bind: tuple[str, int]
    kubeconfig: str
    context: str
    namespace: str
    secret_name: str
    log_format: str
    log_level: str

    def coordinator_address(self, namespace: str) -> str:
        """For agents."""
        port = self.coordinator_bind.rpartition(":")[2]
        return self.coordinator or f"{SERVICE}.{namespace}.svc:{port}"

    def settings(self, namespace: str) -> Settings:
        return Settings(
            agent_image=self.agent_image,
            trainer_image=self.trainer_image,
            coordinator=self.coordinator_address(namespace),
            server_name=SERVER_NAME,
            pull_policy=self.image_pull_policy,
            unreachable_seconds=self.unreachable_seconds,
        )


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Runs TensorFlowJobs on a Kubernetes cluster. Every flag can be given as an environment variable "
        f"({PREFIX}LEADER_ELECT for --leader-elect); the flag wins.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    made.add_argument("--version", action="version", version=f"{PROGRAM} {__version__}")
    for title in dict.fromkeys(flag.group for flag in FLAGS):
        group = made.add_argument_group(title)
        for flag in (one for one in FLAGS if one.group == title):
            shown = f" Default: {_shown(flag.default)}." if flag.default != "" else ""
            group.add_argument(f"--{flag.name}", metavar="VALUE", help=f"{flag.help}{shown}")
    return made


def _shown(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value}"


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Options:
    """Raises WrongOption; SystemExit for --help, --version and flags that there are not."""
    given = vars(parser().parse_args(argv))
    values = {flag.field: _value(flag, given[flag.field], environ) for flag in FLAGS}
    timing = Timing(
        lease=float(values["lease_seconds"]),
        renew_deadline=float(values["renew_deadline_seconds"]),
        retry=float(values["retry_seconds"]),
    )
    if not 0 < timing.retry < timing.renew_deadline < timing.lease:
        raise WrongOption("--retry-seconds < --renew-deadline-seconds < --lease-seconds must hold")
    return Options(
        namespaces=tuple(filter(None, (one.strip() for one in str(values["namespaces"]).split(",")))),
        workers=int(values["workers"]),
        agent_image=str(values["agent_image"]),
        trainer_image=str(values["trainer_image"]),
        image_pull_policy=str(values["image_pull_policy"]),
        coordinator=str(values["coordinator"]),
        unreachable_seconds=int(values["unreachable_seconds"]),
        leader_elect=bool(values["leader_elect"]),
        lease_name=str(values["lease_name"]),
        timing=timing,
        coordinator_bind=":".join(map(str, _address("coordinator-bind", values["coordinator_bind"]))),
        metrics_bind=_address("metrics-bind", values["metrics_bind"]),
        kubeconfig=str(values["kubeconfig"]),
        context=str(values["context"]),
        namespace=str(values["namespace"]),
        secret_name=str(values["secret_name"]),
        log_format=str(values["log_format"]),
        log_level=str(values["log_level"]),
    )


def _value(flag: Flag, given: str | None, environ: Mapping[str, str]) -> str | int | float | bool:
    text = given if given is not None else environ.get(flag.variable)
    where = f"--{flag.name}" if given is not None else flag.variable
    if text is None:
        return flag.default
    choices = _CHOICES.get(flag.name)
    if choices and text not in choices:
        raise WrongOption(f"{where} is {text!r}, must be {' or '.join(choices)}")
    if isinstance(flag.default, bool):
        if text not in ("true", "false"):
            raise WrongOption(f"{where} is {text!r}, must be true or false")
        return text == "true"
    if isinstance(flag.default, int | float):
        return _number(where, text, flag.default)
    return text


def _number(where: str, text: str, default: float) -> int | float:
    try:
        value = type(default)(text)
    except ValueError:
        value = -1
    if not 0 < value <= 86400:
        kind = "an integer" if isinstance(default, int) else "a number"
        raise WrongOption(f"{where} is {text!r}, must be {kind} between 1 and 86400")
    return value


def _address(name: str, text: object) -> tuple[str, int]:
    host, _, port = str(text).rpartition(":")
    if not host or not port.isdecimal() or not int(port) <= 65535:
        raise WrongOption(f"--{name} is {text!r}, must be HOST:PORT, such as 0.0.0.0:8080")
    return host, int(port)
