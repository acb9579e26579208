"""Completion scripts: bash's is run, the others hold every command and flag."""

import shutil
import subprocess
from pathlib import Path

import pytest

from orchestrator.api.catalog import WORKLOADS
from orchestrator.cli import completion
from orchestrator.cli.commands import COMMANDS
from tests.fixtures.runs import make_run

TRY = """
COMP_WORDS=("$@"); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); COMPREPLY=()
_tfo
echo "${COMPREPLY[@]}"
"""


@pytest.mark.process
@pytest.mark.parametrize(
    ("words", "found"),
    [
        (["tfo", "pl"], "plan"),
        (["tfo", "run", "mlp", "--me"], "--metrics-port --metrics-linger"),
        (["tfo", "run", "--output", ""], "auto plain live json"),
        (["tfo", "plan", "c"], "cnn"),
        (["tfo", "logs", "di"], "digits digits/1 digits/2"),
        (["tfo", "run", "cnn", "--resume", "o"], "other other/1"),
        (["tfo", "run", "--workers", ""], ""),
        (["tfo", "run", "--", "python", "--"], ""),
        (["tfo", "completion", "z"], "zsh"),
    ],
)
def test_bash_completes(words: list[str], found: str, tmp_path: Path) -> None:
    for name in ("digits", "digits", "other"):
        make_run(tmp_path, name)
    bash = shutil.which("bash")
    assert bash is not None
    command = [bash, "-c", completion.bash() + TRY, *words[:1], *words]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=True,
        env={"TFO_RUNS_DIR": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert (done.stdout.strip(), done.stderr) == (found, "")


@pytest.mark.parametrize("script", [completion.bash(), completion.zsh()], ids=["bash", "zsh"])
def test_the_script_offers_every_flag_of_every_command(script: str) -> None:
    offered = {
        line.split(")")[0].strip(): line.split('"')[1].split()
        for line in script.splitlines()
        if ') words="' in line
    }
    for command in COMMANDS:
        assert {name for flag in command.flags for name in flag.names} <= set(offered[command.name])


def test_fish_offers_every_flag_of_every_command() -> None:
    lines = completion.fish().splitlines()
    for command in COMMANDS:
        own = [line for line in lines if f"from {command.name}'" in line]
        for name in [name for flag in command.flags for name in flag.names]:
            option = f" -l {name[2:]} " if name.startswith("--") else f" -s {name[1:]} "
            assert any(option in line for line in own), (command.name, name)
        assert any(f"-a {command.name} -d " in line for line in lines)


def test_the_workloads_are_those_of_the_catalog() -> None:
    assert set(completion.WORKLOADS) == set(WORKLOADS)
