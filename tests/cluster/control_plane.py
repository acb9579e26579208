"""A control plane of a real Kubernetes on loopback: etcd, API server, controller manager; no node, no root.

Fixtures of `tests/cluster/fixtures.py` start it once for many tests. Seconds to ready; nothing is left after `stop`.
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
READY_SECONDS = 90.0


@dataclass
class ControlPlane:
    """`folder`: for its files, empty before. `flags`: more of the API server's."""

    folder: Path
    module: str = tools.NEWEST
    flags: tuple[str, ...] = ()
    audit: bool = False
    _processes: Processes = field(init=False)
    _pki: pki.Pki = field(init=False)
    _programs: Path = field(init=False)
    server: str = field(init=False, default="")

    @property
    def kubeconfig(self) -> Path:
        """Of an administrator, to whom no limit applies."""
        return self.folder / "pki" / f"{_ADMIN}.kubeconfig"

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
        etcd, peer, secure, manager = free_ports(4)
        self.server = f"https://127.0.0.1:{secure}"
        self._issue()
        self._start_etcd(etcd, peer)
        self._start_server(etcd, secure)
        self._processes.wait_for(self._is_ready, "the API server is ready", READY_SECONDS)
        self._start_manager(manager)
        self._processes.wait_for(self._has_accounts, "there is a default ServiceAccount", READY_SECONDS)

    def stop(self) -> None:
        """etcd last: the API server would wait for it."""
        self._processes.stop("kube-controller-manager", at_once=True)
        self._processes.stop("kube-apiserver", at_once=True)
        self._processes.stop(at_once=True)

    def token_kubeconfig(self, namespace: str, account: str) -> Path:
        """For a ServiceAccount."""
        token = self.kubectl("-n", namespace, "create", "token", account, "--duration=2h").strip()
        path = self.folder / f"{namespace}.{account}.kubeconfig"
        return pki.write_kubeconfig(path, self.server, self.folder / "pki/ca.crt", {"token": token})

    def _issue(self) -> None:
        self._pki.issue("apiserver", "kube-apiserver", hosts=(*pki.SERVER_NAMES, "127.0.0.1", "10.96.0.1"))
        self._pki.issue(_ADMIN, "tests-admin", pki.MASTERS)
        self._pki.issue("manager", "system:kube-controller-manager")
        for name in (_ADMIN, "manager"):
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
            *("--bind-address=127.0.0.1", f"--secure-port={port}", "--advertise-address=127.0.0.1"),
            *("--endpoint-reconciler-type=none", f"--service-cluster-ip-range={SERVICE_RANGE}"),
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
            *audit,
            *self.flags,
        )

    def _audit_flags(self) -> tuple[str, ...]:
        policy = self.folder / "audit-policy.yaml"
        policy.write_text("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: [{level: Metadata}]\n")
        return (f"--audit-policy-file={policy}", f"--audit-log-path={self.audit_log}")

    def _start_manager(self, port: int) -> None:
        folder = self.folder / "pki"
        self._processes.start(
            "kube-controller-manager",
            self._programs / "kube-controller-manager",
            *(
                f"--kubeconfig={folder / 'manager.kubeconfig'}",
                "--bind-address=127.0.0.1",
                f"--secure-port={port}",
            ),
            *("--leader-elect=false", "--use-service-account-credentials=true"),
            f"--service-account-private-key-file={folder / 'sa.key'}",
            f"--root-ca-file={folder / 'ca.crt'}",
            *("--kube-api-qps=300", "--kube-api-burst=300"),
            # Nodes of these tests are objects only: nobody renews their leases.
            "--controllers=*,-node-lifecycle-controller,-taint-eviction-controller",
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
