"""A whole Kubernetes on this machine: control plane, DNS and real nodes with our images, for pods that really train.

Fixtures of `tests/e2e` start it once for all tests; `python -m tests.cluster.real_cluster` leaves one up for you until
Ctrl-C. Needs root and Debian's packages (`make e2e-packages`); one at a time on a machine: its addresses are fixed.
"""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.cluster import cgroups, images, network, nodes, tools
from tests.cluster.control_plane import ControlPlane
from tests.cluster.images import Images
from tests.cluster.nodes import Node

COUNT = 2
EXIT_OBSTACLE = 3
"""Of `--check`: this machine cannot have real nodes; any other code but 0 is an error."""
_DNS_PORT = 5353
# The kubelet changes these for the whole machine.
_KERNEL = tuple(
    Path("/proc/sys") / name for name in ("vm/overcommit_memory", "kernel/panic", "kernel/panic_on_oops")
)


@dataclass
class RealCluster:
    """`folder`: for its files, empty before, with a short path."""

    folder: Path
    plane: ControlPlane = field(init=False)
    nodes: list[Node] = field(init=False)
    _images: Images = field(init=False)
    _undo: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        plane = self.folder / "plane"
        self.plane = ControlPlane(plane, address=network.HOST, real_nodes=True, audit=True)
        numbers = range(1, COUNT + 1)
        self.nodes = [Node(number, self.folder / f"node-{number}", self.plane) for number in numbers]

    def start(self) -> None:
        """Raises RuntimeError when something is missing, or does not come up; nothing is left then."""
        absent = nodes.missing_packages()
        if absent or os.geteuid() != 0:
            raise RuntimeError(
                f"real nodes need root and {' '.join(absent) or 'no more'}: see `make e2e-packages`"
            )
        made = images.make(self.folder)
        with ExitStack() as stack:
            stack.enter_context(_alone())
            stack.callback(_restore, {path: path.read_text() for path in _KERNEL})
            stack.callback(network.remove, range(1, COUNT + 1))
            self._start(made, stack)
            self._undo = stack.pop_all()

    def stop(self) -> None:
        """Pods end with their nodes; none is asked. What of it fails keeps nothing else from being removed."""
        self._undo.close()

    def restart(self, node: Node) -> None:
        """One that was lost is there again, with nothing running on it."""
        node.start(self._images)
        node.wait_ready()

    def _start(self, made: Images, stack: ExitStack) -> None:
        self._images = made
        subprocess.run(["mount", "--make-rshared", "/"], check=True)
        network.make(range(1, COUNT + 1))
        self.plane.start()
        stack.callback(self.plane.stop)
        self._start_names()
        self.plane.authority.issue("proxy", "system:kube-proxy")
        self.plane.authority.kubeconfig("proxy", self.plane.server)
        for node in self.nodes:
            stack.callback(node.stop)
            node.start(self._images)
        for node in self.nodes:
            node.wait_ready()
        self.plane.processes.wait_for(self._has_authority, "pods can be told the cluster's authority")

    def _has_authority(self) -> bool:
        found = self.plane.kubectl("get", "configmap", "kube-root-ca.crt", "--ignore-not-found", "-o", "name")
        return bool(found)

    def _start_names(self) -> None:
        """DNS as a process of this machine's, behind a Service without pods."""
        config = self.plane.folder / "Corefile"
        config.write_text(
            _COREFILE.format(host=network.HOST, port=_DNS_PORT, kubeconfig=self.plane.kubeconfig)
        )
        self.plane.processes.start("coredns", tools.small("coredns"), "-conf", str(config))
        self.plane.kubectl(
            "apply", "-f", "-", stdin=_SERVICE.format(address=nodes.DNS, host=network.HOST, port=_DNS_PORT)
        )


def _restore(values: dict[Path, str]) -> None:
    for path, value in values.items():
        path.write_text(value)


@contextmanager
def _alone() -> Iterator[None]:
    """Its names and addresses are fixed: a second cluster would take the first one's for leftovers."""
    with (tools.cache_folder() / "real-cluster.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RuntimeError("another real cluster runs on this machine; one at a time") from None
        yield


_COREFILE = """\
.:{port} {{
  bind {host}
  errors
  kubernetes cluster.local in-addr.arpa {{
    kubeconfig {kubeconfig}
    pods insecure
    ttl 1
  }}
  cache 1
}}
"""
_SERVICE = """\
apiVersion: v1
kind: Service
metadata: {{name: kube-dns, namespace: kube-system}}
spec:
  clusterIP: {address}
  ports:
    - {{name: dns, port: 53, targetPort: {port}, protocol: UDP}}
    - {{name: dns-tcp, port: 53, targetPort: {port}, protocol: TCP}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: kube-dns-host, namespace: kube-system, labels: {{kubernetes.io/service-name: kube-dns}}}}
addressType: IPv4
ports: [{{name: dns, port: {port}, protocol: UDP}}, {{name: dns-tcp, port: {port}, protocol: TCP}}]
endpoints: [{{addresses: ["{host}"], conditions: {{ready: true}}}}]
"""


def obstacle() -> str:
    """Why this machine cannot have real nodes, whatever is installed; empty: nothing is in the way."""
    if os.geteuid() != 0:
        return "it needs root"
    for words in (
        ("unshare", "--net", "true"),
        ("unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"),
    ):
        if subprocess.run(words, capture_output=True, check=False).returncode != 0:
            return f"this machine does not let root do this: {' '.join(words)}"
    try:
        cgroups.make("tfo-probe")
        cgroups.remove("tfo-probe")
    except OSError as error:
        return f"this machine does not let root make a cgroup: {error}"
    return ""


def main(words: list[str]) -> int:
    """`--check`: only says whether it could be started here."""
    if words == ["--check"]:
        found = obstacle()
        print(found or "real nodes can run here")
        return EXIT_OBSTACLE if found else 0
    return _stay_up()


def _stay_up() -> int:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="tfo-") as name:
        found = RealCluster(Path(name))
        try:
            found.start()
            print(f"export TFO_TEST_KUBECONFIG={found.plane.kubeconfig} KUBECONFIG={found.plane.kubeconfig}")
            print(f"export PATH={found.plane.programs}:$PATH\n# Ctrl-C ends it.", flush=True)
            signal.pause()
        except KeyboardInterrupt:
            return 0
        finally:
            found.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
