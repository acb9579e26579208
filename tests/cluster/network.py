"""Network namespaces of nodes, and the wires between them: nothing in them leads out of this machine.

Called by `nodes`. A bridge in a namespace of its own joins this machine and every node, so no firewall rule of this
machine's touches the cluster, and any node can be lost without the others. Needs root and iproute2.

    10.201.0.254  this machine, where the control plane and the cluster's DNS run
    10.201.0.K    node K        10.202.K.0/24  its pods        10.96.0.0/16  services, rewritten by each node itself
"""

import subprocess
from contextlib import suppress
from pathlib import Path

from tests.cluster.processes import run

HOST = "10.201.0.254"
SERVICES = "10.96.0.0/16"
PODS = "10.202.0.0/16"
_HUB = "tfo-hub"
_HOST_DEVICE = "tfo-host"
_BRIDGE = "wires"
_DEVICE = "eth0"
_SETTINGS = (
    "net.ipv4.ip_forward=1",
    "net.bridge.bridge-nf-call-iptables=1",
    "net.ipv4.conf.all.route_localnet=1",
)


def address(number: int) -> str:
    """Of node `number`, from 1."""
    return f"10.201.0.{number}"


def pods(number: int) -> str:
    """Addresses of its pods."""
    return f"10.202.{number}.0/24"


def name(number: int) -> str:
    """Of its namespace."""
    return f"tfo-node-{number}"


def entering(number: int) -> tuple[str, ...]:
    """Words before a command that is to run in it; `ip netns exec` would hide the cgroups."""
    return ("nsenter", f"--net=/run/netns/{name(number)}")


def make(numbers: range) -> None:
    """What an earlier run has left is removed first."""
    remove(numbers)
    _ip("netns", "add", _HUB)
    _ip("link", "add", _BRIDGE, "type", "bridge", namespace=_HUB)
    _up(_BRIDGE, _HUB)
    _ip("link", "add", _HOST_DEVICE, "type", "veth", "peer", "name", "host", "netns", _HUB)
    _plug("host")
    _ip("address", "add", f"{HOST}/24", "dev", _HOST_DEVICE)
    _ip("link", "set", _HOST_DEVICE, "up")
    for number in numbers:
        _make_node(number, [one for one in numbers if one != number])
        _ip("route", "add", pods(number), "via", address(number))


def remove(numbers: range) -> None:
    """Interfaces and routes go with their namespaces."""
    with suppress(RuntimeError):
        _ip("link", "delete", _HOST_DEVICE)
    for space in (*(name(number) for number in numbers), _HUB):
        with suppress(RuntimeError):
            _ip("netns", "delete", space)


def remove_pods(number: int) -> None:
    """Namespaces of pods whose kubelet did not live to remove them: those with an address of this node."""
    start = pods(number).removesuffix("0/24")
    for space in Path("/run/netns").glob("cni-*"):
        with suppress(RuntimeError):
            if f" {start}" in run("ip", "-n", space.name, "-4", "-oneline", "address"):
                _ip("netns", "delete", space.name)


def _make_node(number: int, others: list[int]) -> None:
    space = name(number)
    _ip("netns", "add", space)
    _up("lo", space)
    _ip("link", "add", f"to-{number}", "netns", _HUB, "type", "veth", "peer", "name", _DEVICE, "netns", space)
    _plug(f"to-{number}")
    _ip("address", "add", f"{address(number)}/24", "dev", _DEVICE, namespace=space)
    _up(_DEVICE, space)
    _routes(number, others)
    subprocess.run([*entering(number), "sysctl", "--quiet", "--write", *_SETTINGS], check=True)


def _routes(number: int, others: list[int]) -> None:
    """No default route; addresses of services need one until the node's own rules rewrite them."""
    space = name(number)
    _ip("route", "replace", SERVICES, "dev", _DEVICE, "src", address(number), namespace=space)
    for other in others:
        _ip("route", "replace", pods(other), "via", address(other), namespace=space)


def _plug(device: str) -> None:
    _ip("link", "set", device, "master", _BRIDGE, namespace=_HUB)
    _up(device, _HUB)


def _up(device: str, space: str) -> None:
    _ip("link", "set", device, "up", namespace=space)


def _ip(*words: str, namespace: str = "") -> None:
    run("ip", *(("-n", namespace) if namespace else ()), *words)
