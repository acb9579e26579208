"""An environment with TensorFlow 2.16 and the Keras of its time, built once from a hash lock, outside the clone.

Used by tests/integration/test_train_old_tensorflow.py. Several test runs may ask at once: one builds, the others wait.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

LOCK = Path(__file__).resolve().parents[2] / "locks" / "tf216.lock"
NEWEST_PYTHON = (3, 12)
"""TensorFlow 2.16 has wheels up to this Python."""


def python_with_tensorflow_216() -> Path:
    """Its interpreter; installs it first where this machine does not have it yet."""
    cache = Path(os.environ.get("TFO_TEST_CACHE") or Path.home() / ".cache" / "tf-orchestrator")
    cache.mkdir(parents=True, exist_ok=True)
    base = base_python()
    version = subprocess.run([base, "--version"], check=True, capture_output=True, text=True).stdout
    digest = hashlib.sha256(LOCK.read_bytes() + version.encode()).hexdigest()[:12]
    home = cache / f"tf-2.16.2-{digest}"
    with (cache / "tf-2.16.2.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not home.is_dir():
            build(base, home)
    return home / "bin" / "python"


def build(base: str, home: Path) -> None:
    """Into a folder beside it, renamed when complete."""
    folder = Path(tempfile.mkdtemp(prefix="building-", dir=home.parent))
    try:
        subprocess.run([base, "-m", "venv", str(folder)], check=True)
        pip = [
            str(folder / "bin" / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]
        subprocess.run([*pip, "--require-hashes", "-r", str(LOCK)], check=True)
        folder.rename(home)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def base_python() -> str:
    if sys.version_info[:2] <= NEWEST_PYTHON:
        return sys.executable
    found = shutil.which("python3.12") or shutil.which("python3.11")
    assert found, "TensorFlow 2.16 needs Python 3.12 or 3.11 on PATH"
    return found
