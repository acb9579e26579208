"""Real nodes for a control plane of the tests: containerd, kubelet and kube-proxy, each in its own network namespace.

Called by `real_cluster`. A node can be lost and come back; whatever it ran ends with it. Needs root, and Debian's
packages containerd, runc, containernetworking-plugins, iptables, conntrack and iproute2 (`make e2e-packages`).
"""

import json
import os
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from tests.cluster import cgroups, images, network, tools
from tests.cluster.control_plane import ControlPlane
from tests.cluster.images import PAUSE, Images
from tests.cluster.processes import Processes, run

DNS = "10.96.0.10"
READY_SECONDS = 60.0
_CNI_PROGRAMS = "/usr/lib/cni"
_TO_IMPORT = 600.0


@dataclass
class Node:
    """`number`: from 1. `folder`: for its files, empty before; images are kept in the cache."""

    number: int
    folder: Path
    plane: ControlPlane
    _processes: Processes = field(init=False)

    def __post_init__(self) -> None:
        self._processes = Processes(self.folder / "log", prefix=network.entering(self.number))

    @property
    def name(self) -> str:
        return f"node-{self.number}"

    @property
    def _space(self) -> str:
        return network.name(self.number)

    @property
    def _socket(self) -> Path:
        return self.folder / "containerd.sock"

    @property
    def _root(self) -> Path:
        """Of containerd: with unpacked images, by what they are made of."""
        return tools.cache_folder() / f"containerd-{images.key()}-{self.number}"

    def start(self, made: Images) -> None:
        """Its images are there before pods are; ready is what `wait_ready` waits for."""
        cgroups.make(self._space)
        self._configure()
        self._processes.start("containerd", "containerd", "--config", str(self.folder / "containerd.toml"))
        self._processes.wait_for(self._answers, f"containerd of {self.name} answers")
        self._forget_containers()
        self._import(made)
        self._start_kubelet()
        self._start_proxy()

    def wait_ready(self) -> None:
        self._processes.wait_for(self.is_ready, f"{self.name} is ready", READY_SECONDS)

    def is_ready(self) -> bool:
        path = '{.status.conditions[?(@.type=="Ready")].status}'
        with suppress(RuntimeError):
            return self.plane.kubectl("get", "node", self.name, "-o", f"jsonpath={path}") == "True"
        return False

    def lose(self) -> None:
        """As when its power fails: everything at once."""
        self._processes.stop("kubelet", "kube-proxy", "containerd", at_once=True)
        self._end_shims()
        cgroups.kill(self._space)

    def stop(self) -> None:
        self.lose()
        self._unmount()
        cgroups.remove(self._space)

    def _end_shims(self) -> None:
        """They outlive containerd; ours name our socket."""
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                words = (process / "cmdline").read_bytes().split(b"\0")
                if b"containerd-shim" in words[0] and str(self._socket).encode() in words:
                    os.kill(int(process.name), signal.SIGKILL)

    def _unmount(self) -> None:
        places = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]
        for place in reversed(places):
            if place.startswith(f"{self.folder}/"):
                subprocess.run(["umount", "--lazy", place], check=False)
        network.remove_pods(self.number)

    def _ctr(self, *words: str, seconds: float = 60.0) -> str:
        return run("ctr", "--address", str(self._socket), "--namespace=k8s.io", *words, seconds=seconds)

    def _answers(self) -> bool:
        with suppress(RuntimeError, subprocess.TimeoutExpired):
            return bool(self._ctr("version"))
        return False

    def _forget_containers(self) -> None:
        """Of an earlier run, or of before the node was lost."""
        names = self._ctr("containers", "list", "--quiet").split()
        if names:
            self._ctr("containers", "delete", *names)

    def _import(self, made: Images) -> None:
        there = set(self._ctr("images", "list", "--quiet").split())
        bases = [one for one in made.bases if _image_name(one) not in there]
        for archive in (*bases, *made.own):
            self._ctr("images", "import", str(archive), seconds=_TO_IMPORT)

    def _start_kubelet(self) -> None:
        self._processes.start(
            "kubelet",
            self.plane.programs / "kubelet",
            f"--config={self.folder / 'kubelet.yaml'}",
            f"--kubeconfig={self.plane.folder / 'pki' / self.name}.kubeconfig",
            *(f"--hostname-override={self.name}", f"--node-ip={network.address(self.number)}"),
            *(f"--root-dir={self.folder / 'kubelet'}", f"--cert-dir={self.folder / 'kubelet/pki'}"),
        )

    def _start_proxy(self) -> None:
        self._processes.start(
            "kube-proxy",
            self.plane.programs / "kube-proxy",
            f"--kubeconfig={self.plane.folder / 'pki' / 'proxy'}.kubeconfig",
            *(
                "--proxy-mode=iptables",
                f"--hostname-override={self.name}",
                f"--cluster-cidr={network.PODS}",
            ),
            *("--conntrack-max-per-core=0", f"--bind-address={network.address(self.number)}"),
            *("--metrics-bind-address=127.0.0.1:10249", "--healthz-bind-address=127.0.0.1:10256"),
        )

    def _configure(self) -> None:
        for name in ("cni", "kubelet", "state"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        authority = self.plane.authority
        authority.issue(self.name, f"system:node:{self.name}", "system:nodes")
        authority.kubeconfig(self.name, self.plane.server)
        hosts = (self.name, network.address(self.number))
        authority.issue(f"{self.name}-serving", f"system:node:{self.name}", "system:nodes", hosts=hosts)
        (self.folder / "resolv.conf").touch()
        (self.folder / "containerd.toml").write_text(self._containerd())
        (self.folder / "kubelet.yaml").write_text(yaml.safe_dump(self._kubelet()))
        (self.folder / "cni/10-pods.conflist").write_text(json.dumps(self._cni()))

    def _containerd(self) -> str:
        runc = '"io.containerd.grpc.v1.cri".containerd.runtimes.runc'
        return f"""version = 2
root = "{self._root}"
state = "{self.folder / "state"}"
[grpc]
  address = "{self._socket}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  disable_hugetlb_controller = true
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{_CNI_PROGRAMS}"
    conf_dir = "{self.folder / "cni"}"
[plugins.{runc}]
  runtime_type = "io.containerd.runc.v2"
  [plugins.{runc}.options]
    SystemdCgroup = false
"""

    def _kubelet(self) -> dict[str, object]:
        folder = self.plane.folder / "pki"
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "failCgroupV1": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{self._space}",
            "enforceNodeAllocatable": ["pods"],
            "failSwapOn": False,
            "containerRuntimeEndpoint": f"unix://{self._socket}",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(folder / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(folder / f"{self.name}-serving.crt"),
            "tlsPrivateKeyFile": str(folder / f"{self.name}-serving.key"),
            "clusterDNS": [DNS],
            "clusterDomain": "cluster.local",
            "resolvConf": str(self.folder / "resolv.conf"),
            "podLogsDir": str(self.folder / "pod-logs"),
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
            },
            "imageGCHighThresholdPercent": 100,
            # A lost node is noticed after its lease and its last status are old.
            "nodeStatusUpdateFrequency": "2s",
            "nodeLeaseDurationSeconds": 8,
        }

    def _cni(self) -> dict[str, object]:
        addresses = {
            "type": "host-local",
            "dataDir": str(self.folder / "addresses"),
            "ranges": [[{"subnet": network.pods(self.number)}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        }
        bridge = {
            "type": "bridge",
            "bridge": "pods",
            "isGateway": True,
            "hairpinMode": True,
            "ipam": addresses,
        }
        ports = {"type": "portmap", "capabilities": {"portMappings": True}}
        return {"cniVersion": "0.4.0", "name": "pods", "plugins": [bridge, ports]}


def _image_name(archive: Path) -> str:
    """As containerd calls what this archive holds."""
    index = json.loads(run("tar", "-xOf", str(archive), "index.json"))
    return str(index["manifests"][0]["annotations"]["io.containerd.image.name"])


def missing_packages() -> list[str]:
    """Programs that are needed and not there."""
    programs = (
        "containerd",
        "runc",
        "ctr",
        "debootstrap",
        "iptables",
        "conntrack",
        "ip",
        "nsenter",
        "unshare",
    )
    absent = [one for one in programs if shutil.which(one) is None]
    bridge = Path(_CNI_PROGRAMS) / "bridge"
    return absent + ([] if bridge.exists() else [str(bridge)])
