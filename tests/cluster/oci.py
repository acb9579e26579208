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
class Image:
    """`layers`: folders whose contents lie over each other. `user`: a number, as Kubernetes wants to be sure."""

    name: str
    layers: tuple[Path, ...]
    entrypoint: tuple[str, ...] = ()
    env: tuple[str, ...] = ("PATH=/usr/local/bin:/usr/bin:/bin",)
    user: str = ""
    working_dir: str = "/"


def write(image: Image, target: Path) -> None:
    """Appears under its name when it is complete."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as name:
        work = Path(name)
        layers = [_pack(layer, work / f"{number}.tar") for number, layer in enumerate(image.layers)]
        whole = work / "image.tar"
        with tarfile.open(whole, "w") as archive:
            _fill(archive, image, layers)
        whole.rename(target)


def _pack(folder: Path, target: Path) -> Path:
    """Owned by root, whoever made the files."""
    flags = ("--numeric-owner", "--owner=0", "--group=0", "--sort=name", "--mtime=@0")
    subprocess.run(["tar", *flags, "-C", str(folder), "-cf", str(target), "."], check=True)
    return target


def _fill(archive: tarfile.TarFile, image: Image, layers: list[Path]) -> None:
    blobs = [{"mediaType": _LAYER, "digest": _digest(path), "size": path.stat().st_size} for path in layers]
    config = _json(_config(image, [str(one["digest"]) for one in blobs]))
    described = {"mediaType": _CONFIG, "digest": _sha(config), "size": len(config)}
    manifest = _json({"schemaVersion": 2, "mediaType": _MANIFEST, "config": described, "layers": blobs})
    names = {
        "io.containerd.image.name": image.name,
        "org.opencontainers.image.ref.name": image.name.rpartition(":")[2],
    }
    entry = {"mediaType": _MANIFEST, "digest": _sha(manifest), "size": len(manifest), "annotations": names}
    _add(archive, "oci-layout", b'{"imageLayoutVersion":"1.0.0"}')
    _add(archive, "index.json", _json({"schemaVersion": 2, "manifests": [entry]}))
    for blob in (config, manifest):
        _add(archive, _place(_sha(blob)), blob)
    for blob_entry, path in zip(blobs, layers, strict=True):
        archive.add(path, _place(str(blob_entry["digest"])))


def _config(image: Image, digests: list[str]) -> dict[str, object]:
    inner: dict[str, object] = {"Env": list(image.env), "WorkingDir": image.working_dir}
    if image.entrypoint:
        inner["Entrypoint"] = list(image.entrypoint)
    if image.user:
        inner["User"] = image.user
    layers = {"type": "layers", "diff_ids": digests}
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
