"""What is refused before anything starts: programs, scripts and folders that are not there, each with its place."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.api.defaults import default
from orchestrator.api.types import JobSpec, Metadata, ReplicaSpec, ReplicaSpecs, TensorFlowJob, WorkloadSpec
from orchestrator.backends.local import preflight
from orchestrator.backends.local.programs import Place

CONTAINER = "spec.template.spec.containers[0]"


def template(**container: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "tensorflow", **container}]}}


def job(shared: dict[str, Any] | None = None, worker: dict[str, Any] | None = None) -> TensorFlowJob:
    roles = ReplicaSpecs(chief=ReplicaSpec(), worker=ReplicaSpec(replicas=3, template=worker))
    return default(
        TensorFlowJob(metadata=Metadata(name="a"), spec=JobSpec(template=shared, replica_specs=roles))
    )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A folder with a script and programs; PATH holds `tools` and nothing else."""
    (tmp_path / "train.py").write_text("")
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    (tmp_path / "data").mkdir()
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "trainer").write_text("#!/bin/sh\n")
    (tools / "trainer").chmod(0o755)
    (tools / "notes").write_text("")
    return Place(folder=tmp_path, environ={"PATH": "tools:/nowhere"})


def errors(one: TensorFlowJob, place: Place) -> list[str]:
    return [
        str(error).replace(str(place.folder), "HERE")
        for error in preflight.find_missing(one, place, place.folder / "data")
    ]


@pytest.mark.parametrize(
    "container",
    [
        {"command": ["trainer", "x.py"]},
        {"command": ["tools/trainer"]},
        {"command": ["python", "train.py"]},
        {"command": ["python3"], "args": ["train.py"]},
        {"command": ["python", "-m", "nothing"]},
        {"command": ["python", "data"]},
        {"command": [sys.executable, "../train.py"], "workingDir": "data"},
        {"command": ["python"]},
    ],
)
def test_what_is_there_is_not_mentioned(container: dict[str, Any], place: Place) -> None:
    assert errors(job(template(**container)), place) == []


@pytest.mark.parametrize(
    ("container", "message"),
    [
        (
            {"command": ["trianer"]},
            "command[0]: there is no program 'trianer' on PATH; did you mean 'trainer'?",
        ),
        ({"command": ["qqqqqqqq"]}, "command[0]: there is no program 'qqqqqqqq' on PATH"),
        (
            {"command": ["train.py"]},
            "command[0]: 'train.py' is not on PATH; to run the file in 'HERE' write python train.py",
        ),
        (
            {"command": ["run.sh"]},
            "command[0]: 'run.sh' is not on PATH; to run the file in 'HERE' write ./run.sh",
        ),
        (
            {"command": ["./trian.py"]},
            "command[0]: there is no file 'HERE/trian.py'; did you mean 'train.py'?",
        ),
        ({"command": ["./train.py"]}, "command[0]: 'HERE/train.py' is not executable; write python train.py"),
        (
            {"command": ["./run.sh"]},
            "command[0]: 'HERE/run.sh' is not executable; chmod +x run.sh makes it so",
        ),
        ({"command": ["./data"]}, "command[0]: 'HERE/data' is a folder, not a program"),
        (
            {"command": ["python", "trian.py"]},
            "command[1]: there is no file 'HERE/trian.py'; did you mean 'train.py'?",
        ),
        (
            {"command": ["python3"], "args": ["a/train.py", "--lr"]},
            "args[0]: there is no file 'HERE/a/train.py'",
        ),
        (
            {"command": ["python"], "workingDir": "dat"},
            "workingDir: there is no folder 'HERE/dat'; did you mean 'data'?",
        ),
        ({"command": ["python"], "workingDir": "/no/where"}, "workingDir: there is no folder '/no/where'"),
    ],
)
def test_what_is_missing(container: dict[str, Any], message: str, place: Place) -> None:
    assert errors(job(template(**container)), place) == [f"{CONTAINER}.{message}"]


def test_each_role_is_judged_with_its_own_template(place: Place) -> None:
    found = errors(job(template(command=["nobody"]), template(command=["somebody"])), place)
    assert found == [
        f"{CONTAINER}.command[0]: there is no program 'nobody' on PATH",
        "spec.replicaSpecs.worker.template.spec.containers[0].command[0]: there is no program 'somebody' on PATH",
    ]


def test_a_path_of_the_job_is_the_one_that_counts(place: Place) -> None:
    container = {"command": ["trainer"], "env": [{"name": "PATH", "value": "/nowhere"}]}
    assert errors(job(template(**container)), place) == [
        f"{CONTAINER}.command[0]: there is no program 'trainer' on PATH"
    ]


def test_a_built_in_program_is_always_there(place: Place) -> None:
    spec = JobSpec(workload=WorkloadSpec(name="cnn"), replica_specs=ReplicaSpecs(chief=ReplicaSpec()))
    assert errors(default(TensorFlowJob(metadata=Metadata(name="a"), spec=spec)), place) == []


def test_folders_that_nobody_may_look_into_are_no_obstacle(place: Place) -> None:
    hidden = Place(folder=place.folder, environ={"PATH": f"tools{os.pathsep}train.py"})
    (found,) = errors(job(template(command=["trianer"])), hidden)
    assert found.endswith("did you mean 'trainer'?")


def test_an_image_has_no_program_of_its_own_here(place: Place) -> None:
    assert errors(job(template(image="registry/image")), place) == [
        f"{CONTAINER}.command: is missing: an image's own program is known in pods only; give a command, or a workload"
    ]


def test_among_thousands_of_programs_only_a_close_name_is_meant(place: Place) -> None:
    assert "did you mean" not in errors(job(template(command=["traitors"])), place)[0]
    assert "did you mean 'trainer'?" in errors(job(template(command=["trianer"])), place)[0]


def trained_on(data: str) -> TensorFlowJob:
    return default(
        TensorFlowJob(
            metadata=Metadata(name="a"),
            spec=JobSpec(
                workload=WorkloadSpec(name="mlp", args={"data": data}),
                replica_specs=ReplicaSpecs(chief=ReplicaSpec(), worker=ReplicaSpec()),
            ),
        )
    )


def test_a_file_of_data_that_is_not_there(place: Place) -> None:
    (place.folder / "faces.npz").write_text("")
    one = trained_on("face.npz")
    assert [one for one in errors(one, place) if "data" in one] == [
        "spec.workload.args.data: there is no file 'HERE/face.npz'; did you mean 'faces.npz'?"
    ]
    (place.folder / "data" / "face.npz").write_text("")
    assert not any("data" in one for one in errors(one, place))


def test_data_of_a_user_that_is_not_there(place: Place) -> None:
    assert [one for one in errors(trained_on("~nosuchuser/a.npz"), place) if "data" in one] == [
        "spec.workload.args.data: there is no file 'HERE/~nosuchuser/a.npz'"
    ]
