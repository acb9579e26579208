"""Writes the agent as one zip, which any Python from 3.9 on can run: `python docker/agent/build_zip.py FILE`.

Same sources, same bytes. It holds what travels into users' images: agent, protocol, train. Called by `make agent-zip`,
by the Dockerfile beside it, and by tests.
"""

import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAME = "orchestrator.agent.zip"
PACKAGES = ("agent", "protocol", "train")
MODULES = ("__init__.py", "version.py")
_DATE = (2020, 1, 1, 0, 0, 0)
_MAIN = '''"""Run as a zip: see orchestrator.agent.__main__."""

import os
import sys

from orchestrator.agent.main import main

os._exit(main(dict(os.environ), sys.argv[1:]))
'''


def build(target: Path) -> None:
    """A file that is there already is replaced at once."""
    beside = target.with_name(f"{target.name}.new")
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(beside, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in sorted(_contents().items()):
            info = zipfile.ZipInfo(name, _DATE)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    beside.replace(target)


def _contents() -> dict[str, bytes]:
    package = ROOT / "orchestrator"
    files = [package / name for name in MODULES]
    for name in PACKAGES:
        files += (package / name).rglob("*.py")
    return {"__main__.py": _MAIN.encode()} | {
        str(path.relative_to(ROOT)): path.read_bytes() for path in files
    }


if __name__ == "__main__":
    build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist" / NAME)
