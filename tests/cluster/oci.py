"""An OCI image as one tar file, written without Docker or a registry. Called by `images`.

Format: https://github.com/opencontainers/image-spec
"""

import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

_LAYER = "application/vnd.oci.image.layer.v1.tar"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Layer:
    """One tar file; where everybody who imports the image has it already, the file may be gone."""

    path: Path
    digest: str
    size: int


@dataclass(frozen=True)
class Image:
    """`layers`: lie over each other. `user`: a number, as Kubernetes wants to be sure."""

    name: str
    layers: tuple[Layer, ...]
    entrypoint: tuple[str, ...] = ()
    env: tuple[str, ...] = ("PATH=/usr/local/bin:/usr/bin:/bin",)
    user: str = ""
    working_dir: str = "/"


def pack(folder: Path, target: Path, inner: str = ".") -> Layer:
    """The part `inner` of the folder, under its path there; owned by root, whoever made the files."""
    flags = ("--numeric-owner", "--owner=0", "--group=0", "--sort=name", "--mtime=@0")
    subprocess.run(["tar", *flags, "-C", str(folder), "-cf", str(target), inner], check=True)
    return Layer(target, _digest(target), target.stat().st_size)


def write(image: Image, target: Path, known: tuple[Layer, ...] = ()) -> None:
    """Appears under its name when it is complete. `known`: who imports it has these layers and is not given them."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        whole = Path(name) / "image.tar"
        with tarfile.open(whole, "w") as archive:
            _fill(archive, image, {one.digest for one in known})
        whole.rename(target)


def _fill(archive: tarfile.TarFile, image: Image, known: set[str]) -> None:
    layers = [{"mediaType": _LAYER, "digest": one.digest, "size": one.size} for one in image.layers]
    config = _json(_config(image))
    described = {"mediaType": _CONFIG, "digest": _sha(config), "size": len(config)}
    manifest = _json({"schemaVersion": 2, "mediaType": _MANIFEST, "config": described, "layers": layers})
    names = {
        "io.containerd.image.name": image.name,
        "org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
    }
    entry = {"mediaType": _MANIFEST, "digest": _sha(manifest), "size": len(manifest), "annotations": names}
    _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    _add(archive, "index.json", _json({"schemaVersion": 2, "manifests": [entry]}))
    for blob in (config, manifest):
        _add(archive, _place(_sha(blob)), blob)
    for layer in image.layers:
        if layer.digest not in known:
            archive.add(layer.path, _place(layer.digest))


def _config(image: Image) -> dict[str, object]:
    inner: dict[str, object] = {"Env": list(image.env), "WorkingDir": image.working_dir}
    if image.entrypoint:
        inner["Entrypoint"] = list(image.entrypoint)
    if image.user:
        inner["User"] = image.user
    layers = {"type": "layers", "diff_ids": [one.digest for one in image.layers]}
    return {"architecture": "amd64", "os": "linux", "config": inner, "rootfs": layers}


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True).encode()


def _sha(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return f"sha256:{digest.hexdigest()}"


def _place(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
