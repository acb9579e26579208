"""A control plane of a real Kubernetes on loopback: etcd, API server, controller manager; no node, no root.

Fixtures of `tests/cluster/fixtures.py` start it once for many tests, and `nodes` adds real nodes to one that has
`real_nodes`. Seconds to ready; nothing is left after `stop`.
"""

import socket
import ssl
import urllib.request
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import pki, tools
from tests.cluster.processes import Processes, run

SERVICE_RANGE = "10.96.0.0/16"
_ADMIN = "admin"
ADMINISTRATOR = "tests-admin"
"""Its user name."""
READY_SECONDS = 90.0
LOOPBACK = "127.0.0.1"
# A lost node is seen within seconds instead of minutes.
_GRACE = ("--node-monitor-grace-period=10s", "--node-monitor-period=1s")
_TOLERATIONS = (
    "--default-not-ready-toleration-seconds=3",
    "--default-unreachable-toleration-seconds=3",
)
# Nodes without a kubelet are objects only: nobody renews their leases.
_NO_NODES = ("--controllers=*,-node-lifecycle-controller,-taint-eviction-controller",)


@dataclass
class ControlPlane:
    """`folder`: for its files, empty before. `flags`: more of the API server's. `address`: where its clients find it.

    `real_nodes`: with a scheduler, and with the loss of nodes noticed.
    """

    folder: Path
    module: str = tools.NEWEST
    flags: tuple[str, ...] = ()
    audit: bool = False
    address: str = LOOPBACK
    real_nodes: bool = False
    _processes: Processes = field(init=False)
    _pki: pki.Pki = field(init=False)
    _programs: Path = field(init=False)
    server: str = field(init=False, default="")

    @property
    def kubeconfig(self) -> Path:
        """Of an administrator, to whom no limit applies."""
        return self.folder / "pki" / f"{_ADMIN}.kubeconfig"

    @property
    def programs(self) -> Path:
        return self._programs

    @property
    def authority(self) -> pki.Pki:
        return self._pki

    @property
    def processes(self) -> Processes:
        return self._processes

    @property
    def audit_log(self) -> Path:
        return self.folder / "audit.log"

    def kubectl(self, *words: str, stdin: str = "") -> str:
        return run(self._programs / "kubectl", "--kubeconfig", self.kubeconfig, *words, stdin=stdin)

    def start(self) -> None:
        self._programs = tools.kubernetes(self.module)
        self._processes = Processes(self.folder / "log")
        self._pki = pki.create(self.folder / "pki")
        try:
            self._start()
        except BaseException:
            self._processes.stop(at_once=True)
            raise

    def _start(self) -> None:
        etcd, peer, secure, manager, scheduler = free_ports(5)
        self.server = f"https://{self.address}:{secure}"
        self._issue()
        self._start_etcd(etcd, peer)
        self._start_server(etcd, secure)
        self._processes.wait_for(self._is_ready, "the API server is ready", READY_SECONDS)
        self._start_client("manager", "kube-controller-manager", manager, *self._manager_flags())
        if self.real_nodes:
            self._start_client("scheduler", "kube-scheduler", scheduler)
        self._processes.wait_for(self._has_accounts, "there is a default ServiceAccount", READY_SECONDS)

    def stop(self) -> None:
        """etcd last: the API server would wait for it."""
        self._processes.stop("kube-controller-manager", "kube-scheduler", at_once=True)
        self._processes.stop("kube-apiserver", at_once=True)
        self._processes.stop(at_once=True)

    def token_kubeconfig(self, namespace: str, account: str) -> Path:
        """For a ServiceAccount."""
        token = self.kubectl("-n", namespace, "create", "token", account, "--duration=2h").strip()
        path = self.folder / f"{namespace}.{account}.kubeconfig"
        return pki.write_kubeconfig(path, self.server, self.folder / "pki/ca.crt", {"token": token})

    def _issue(self) -> None:
        hosts = (*pki.SERVER_NAMES, LOOPBACK, self.address, "10.96.0.1")
        self._pki.issue("apiserver", "kube-apiserver", hosts=hosts)
        self._pki.issue(_ADMIN, ADMINISTRATOR, pki.MASTERS)
        self._pki.issue("kubelet-client", "kube-apiserver-kubelet-client", pki.MASTERS)
        self._pki.issue("manager", "system:kube-controller-manager")
        self._pki.issue("scheduler", "system:kube-scheduler")
        for name in (_ADMIN, "manager", "scheduler"):
            self._pki.kubeconfig(name, self.server)

    def _start_etcd(self, port: int, peer: int) -> None:
        urls = f"http://127.0.0.1:{port}"
        peers = f"http://127.0.0.1:{peer}"
        self._processes.start(
            "etcd",
            self._programs / "etcd",
            *("--name=tests", f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=warn"),
            *(f"--listen-client-urls={urls}", f"--advertise-client-urls={urls}"),
            *(f"--listen-peer-urls={peers}", f"--initial-advertise-peer-urls={peers}"),
            f"--initial-cluster=tests={peers}",
        )

    def _start_server(self, etcd: int, port: int) -> None:
        folder = self.folder / "pki"
        audit = self._audit_flags() if self.audit else ()
        self._processes.start(
            "kube-apiserver",
            self._programs / "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{etcd}",
            *(
                f"--bind-address={self.address}",
                f"--secure-port={port}",
                f"--advertise-address={self.address}",
            ),
            f"--service-cluster-ip-range={SERVICE_RANGE}",
            *(
                "--authorization-mode=Node,RBAC",
                "--allow-privileged=true",
                f"--client-ca-file={folder / 'ca.crt'}",
            ),
            f"--tls-cert-file={folder / 'apiserver.crt'}",
            f"--tls-private-key-file={folder / 'apiserver.key'}",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            f"--service-account-key-file={folder / 'sa.pub'}",
            f"--service-account-signing-key-file={folder / 'sa.key'}",
            *self._node_flags(),
            *audit,
            *self.flags,
        )

    def _audit_flags(self) -> tuple[str, ...]:
        policy = self.folder / "audit-policy.yaml"
        policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
        return (f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}")

    def _node_flags(self) -> tuple[str, ...]:
        """How the API server reaches kubelets; it refuses to advertise an address of loopback to anybody."""
        if not self.real_nodes:
            return ("--endpoint-reconciler-type=none",)
        folder = self.folder / "pki"
        return (
            f"--kubelet-certificate-authority={folder / 'ca.crt'}",
            f"--kubelet-client-certificate={folder / 'kubelet-client.crt'}",
            f"--kubelet-client-key={folder / 'kubelet-client.key'}",
            "--kubelet-preferred-address-types=InternalIP",
            *_TOLERATIONS,
        )

    def _start_client(self, name: str, program: str, port: int, *flags: str) -> None:
        kubeconfig = f"--kubeconfig={self.folder / 'pki' / name}.kubeconfig"
        common = (kubeconfig, f"--bind-address={LOOPBACK}", f"--secure-port={port}", "--leader-elect=false")
        self._processes.start(program, self._programs / program, *common, *flags)

    def _manager_flags(self) -> tuple[str, ...]:
        folder = self.folder / "pki"
        return (
            "--use-service-account-credentials=true",
            f"--service-account-private-key-file={folder / 'sa.key'}",
            f"--root-ca-file={folder / 'ca.crt'}",
            *("--kube-api-qps=300", "--kube-api-burst=300"),
            *(_GRACE if self.real_nodes else _NO_NODES),
        )

    def _is_ready(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.folder / "pki/ca.crt"))
        with (
            suppress(OSError),
            urllib.request.urlopen(f"{self.server}/readyz", timeout=2, context=context) as answer,
        ):
            return bool(answer.read() == b"ok")
        return False

    def _has_accounts(self) -> bool:
        with suppress(RuntimeError):
            return bool(self.kubectl("get", "serviceaccount", "default", "-o", "name"))
        return False


def free_ports(count: int) -> tuple[int, ...]:
    """Of loopback, all different; nobody holds them, so somebody else may be faster."""
    with ExitStack() as stack:
        bound = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in bound:
            one.bind(("127.0.0.1", 0))
        return tuple(one.getsockname()[1] for one in bound)
