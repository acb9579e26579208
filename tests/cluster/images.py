"""The images that real nodes run, made without Docker or a registry: controller, trainer, agent and pause.

Called by `real_cluster`; `python -m tests.cluster.images` makes the bases beforehand. Debian's base and the packages of
the locks are made once into the cache, by the locks' contents; our own layer is made anew each time. Needs root,
debootstrap and busybox-static (`make e2e-packages`).
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from docker.agent import build_zip
from orchestrator.version import __version__
from tests.cluster import oci, tools
from tests.cluster.oci import Image, Layer

ROOT = Path(__file__).resolve().parents[2]
PAUSE = "localhost/pause:1"
USER = "65532"
_KINDS = ("trainer", "controller")
_PACKAGES = "usr/local/lib/python3.11/dist-packages"
_RECIPE = "bookworm, python3, 1"
"""Another word here, and everything is made anew."""
_LAYERS = "layers.json"
_BUSYBOX = Path("/bin/busybox")


@dataclass(frozen=True)
class Images:
    """Archives in the order of their import: `bases`, which a node keeps, and `own`, which rest upon them."""

    bases: tuple[Path, ...]
    own: tuple[Path, ...]


def make(folder: Path) -> Images:
    """`folder`: for those that hold our own code."""
    cache = make_bases()
    layers = {name: _layer(cache, name) for name in ("root", *_KINDS)}
    ours = _own(folder)
    own = []
    for kind in _KINDS:
        below = (layers["root"], layers[kind])
        image = Image(f"docker.io/tf-orchestrator/{kind}:{__version__}", (*below, ours), user=USER)
        own.append(folder / f"{kind}.tar")
        oci.write(image, own[-1], known=below)
    bases = [cache / f"base-{kind}.tar" for kind in _KINDS]
    return Images((*bases, _pause(cache)), (*own, _agent(folder)))


def key() -> str:
    """Changes with whatever the bases are made of."""
    locks = b"".join((ROOT / "docker" / kind / "requirements.lock").read_bytes() for kind in _KINDS)
    return hashlib.sha256(_RECIPE.encode() + locks).hexdigest()[:16]


def make_bases() -> Path:
    """Folder with the bases: made now if there is none, which takes minutes."""
    target = tools.cache_folder() / f"images-{key()}"
    with tools.alone():
        if not target.exists():
            print(
                "making the base of the images for the tests; this is done once and takes minutes", flush=True
            )
            with tempfile.TemporaryDirectory(dir=tools.cache_folder(), prefix="images-") as name:
                work = Path(name)
                _fill(work / "root", work / "made")
                (work / "made").rename(target)
    return target


def _fill(root: Path, target: Path) -> None:
    """What is kept: the archives, and what their layers are called."""
    target.mkdir()
    packages = ("--variant=minbase", "--include=python3,ca-certificates")
    with (target / "debootstrap.log").open("w") as log:
        command = ["debootstrap", *packages, "bookworm", str(root)]
        subprocess.run(command, stdout=log, stderr=log, check=True)
    _clean(root)
    layers = {"root": oci.pack(root, target / "root.tar")}
    for kind in _KINDS:
        _install(root, ROOT / "docker" / kind / "requirements.lock")
        layers[kind] = oci.pack(root, target / f"{kind}.tar", _PACKAGES)
        shutil.rmtree(root / _PACKAGES)
        base = Image(f"localhost/tfo-base-{kind}:{key()}", (layers["root"], layers[kind]))
        oci.write(base, target / f"base-{kind}.tar")
    for layer in layers.values():
        layer.path.unlink()
    known = {name: [layer.digest, layer.size] for name, layer in layers.items()}
    (target / _LAYERS).write_text(json.dumps(known))


def _clean(root: Path) -> None:
    """What only apt needs; and Python's name as most programs are started by it."""
    for name in ("var/cache/apt", "var/lib/apt/lists"):
        shutil.rmtree(root / name, ignore_errors=True)
    (root / "usr/bin/python").symlink_to("python3")


def _install(root: Path, lock: Path) -> None:
    options = ("--quiet", "--no-deps", "--no-compile", "--only-binary=:all:", "--require-hashes")
    target = ("--python-version=3.11", "--implementation=cp", "--target", str(root / _PACKAGES))
    command = [sys.executable, "-m", "pip", "install", *options, *target, "--requirement", str(lock)]
    subprocess.run(command, check=True)
    # Times are zeroed in a layer: compiled files must not be compared with them.
    compile_ = f"python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash /{_PACKAGES}"
    inside = f"mount -t proc proc {root}/proc; mkdir -p {root}/dev/shm; mount -t tmpfs shm {root}/dev/shm"
    script = f"set -e; {inside}; chroot {root} {compile_} >/dev/null || true"
    subprocess.run(["unshare", "--mount", "sh", "-c", script], check=True)


def _layer(cache: Path, name: str) -> Layer:
    digest, size = json.loads((cache / _LAYERS).read_text())[name]
    return Layer(cache / f"{name}.tar", digest, size)


def _pause(cache: Path) -> Path:
    target = cache / "pause.tar"
    if not target.exists():
        with tempfile.TemporaryDirectory(dir=cache) as name:
            inside = Path(name) / "root"
            inside.mkdir()
            shutil.copy(tools.small("pause"), inside / "pause")
            layer = oci.pack(inside, Path(name) / "layer.tar")
            oci.write(Image(PAUSE, (layer,), entrypoint=("/pause",)), target)
    return target


def _own(folder: Path) -> Layer:
    """This package, and the controller's command."""
    root = folder / "own"
    if not root.exists():
        target = root / _PACKAGES / "orchestrator"
        shutil.copytree(ROOT / "orchestrator", target, ignore=shutil.ignore_patterns("__pycache__"))
        _compile(target)
        _command(root / "usr/local/bin/tfo-controller", "orchestrator.controller.main")
    return oci.pack(root, folder / "own.tar")


def _compile(target: Path) -> None:
    """Only by the Python that the image has, where this machine has it; without, starts are slower."""
    python = shutil.which("python3.11")
    if python:
        options = (
            "-q",
            "--invalidation-mode",
            "unchecked-hash",
            "-s",
            str(target.parent),
            "-p",
            f"/{_PACKAGES}",
        )
        subprocess.run([python, "-m", "compileall", *options, str(target)], check=True)


def _command(target: Path, module: str) -> None:
    target.parent.mkdir(parents=True)
    target.write_text(f"#!/usr/bin/python3\nimport sys\n\nfrom {module} import main\n\nsys.exit(main())\n")
    target.chmod(0o755)


def _agent(folder: Path) -> Path:
    """The zip, and something that copies it."""
    root = folder / "agent"
    root.mkdir()
    shutil.copy(_BUSYBOX, root / "busybox")
    build_zip.build(root / build_zip.NAME)
    command = ("/busybox", "cp", f"/{build_zip.NAME}", "/tfo/")
    image = Image(
        f"docker.io/tf-orchestrator/agent:{__version__}",
        (oci.pack(root, folder / "agent-layer.tar"),),
        command,
        user=USER,
    )
    oci.write(image, folder / "agent.tar")
    return folder / "agent.tar"


if __name__ == "__main__":
    print(make_bases())
