"""What may not be imported: nothing dear for the help, nothing of Linux for what works everywhere."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def run(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.process
def test_the_help_imports_the_standard_library_and_the_command_line_alone() -> None:
    called = "import sys\nfrom orchestrator.cli.main import main\nmain(['run', '--help'])\n"
    loaded = run(f"{called}print(*sys.modules)").split("examples:")[1].split()
    ours = {name for name in loaded if name.startswith("orchestrator.")}
    assert {
        name for name in ours if not name.startswith(("orchestrator.cli", "orchestrator.version"))
    } == set()
    assert set(loaded) & {"msgspec", "yaml", "grpc", "rich", "prometheus_client", "asyncio", "fcntl"} == set()


@pytest.mark.process
@pytest.mark.parametrize(
    "words",
    [["validate", "{file}"], ["plan", "cnn"], ["plan", "cnn", "--on", "local"], ["schema"], ["--help"]],
)
def test_without_what_only_linux_has_files_can_be_checked_and_planned(
    words: list[str], tmp_path: Path
) -> None:
    file = tmp_path / "job.yaml"
    file.write_text(
        "apiVersion: tf-orchestrator.io/v1alpha1\nkind: TensorFlowJob\nmetadata: {name: a}\n"
        "spec: {workload: {name: cnn}, replicaSpecs: {chief: {}}}\n"
    )
    given = [word.format(file=file) for word in words]
    absent = "for name in ('fcntl', 'pwd', 'grp', 'resource', 'termios', 'prctl'): sys.modules[name] = None"
    assert run(
        f"import sys\n{absent}\nsys.platform = 'win32'\nfrom orchestrator.cli.main import main\n"
        f"code = main({given!r})\nassert code == 0, code"
    )
