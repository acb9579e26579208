"""`tfo plan`: text, JSON and the job itself, for Kubernetes and for this machine."""

import json
import sys
from pathlib import Path

import pytest

from orchestrator.api.load import load_text
from orchestrator.cli import main

IGNORING = """\
apiVersion: tf-orchestrator.io/v1alpha1
kind: TensorFlowJob
metadata: {name: big, namespace: team}
spec:
  template:
    spec:
      containers:
      - name: tensorflow
        image: registry.example/train:1
        workingDir: src
        command: [python, train.py]
        env: [{name: MODE, value: fast}]
        ports: [{name: tfjob-port, containerPort: 3000}]
  replicaSpecs: {chief: {}, worker: {replicas: 2}, evaluator: {}}
  checkpoint: {directory: /ckpt, volumeClaim: claim}
  logs: {directory: tb}
"""


def tfo(line: str) -> int:
    return main.main(["plan", *line.split()])


def test_the_text_of_a_small_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert tfo("cnn --workers 1 --set epochs=5") == 0
    cluster = '{"chief":["cnn-chief-0.cnn-tfo.default.svc:2223"],"worker":["cnn-worker-0.cnn-tfo.default.svc:2223"]}'
    assert (
        capsys.readouterr().out
        == f"""\
cnn on kubernetes: 2 replicas, MultiWorkerMirrored, attempt 1
  namespace  default
  service    cnn-tfo (headless)
  ports      2222-2253, one for each attempt in turn

environment of every replica
  TFO_ATTEMPT=1
  TFO_CHECKPOINT_EVERY_STEPS=200
  TFO_CHECKPOINT_KEEP=3
  TFO_INSTRUMENT=metrics,checkpoint,kerasFix
  TFO_JOB=cnn
  TFO_REPORT_SECONDS=5
  TFO_RESTORE_STEP=
  TFO_WORLD_SIZE=2

cnn-chief-0
  address    cnn-chief-0.cnn-tfo.default.svc:2223
  command    python -m orchestrator.workloads cnn --epochs=5
  TF_CONFIG  {{"cluster":{cluster},"task":{{"index":0,"type":"chief"}}}}
  env        TFO_INDEX=0
             TFO_RANK=0
             TFO_ROLE=chief

cnn-worker-0
  address    cnn-worker-0.cnn-tfo.default.svc:2223
  command    python -m orchestrator.workloads cnn --epochs=5
  TF_CONFIG  {{"cluster":{cluster},"task":{{"index":0,"type":"worker"}}}}
  env        TFO_INDEX=0
             TFO_RANK=1
             TFO_ROLE=worker
"""
    )


def planned(capsys: pytest.CaptureFixture[str], line: str) -> dict[str, object]:
    assert tfo(f"{line} --output json") == 0
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "big.yaml"
    path.write_text(IGNORING)
    return path


def test_json_for_kubernetes_has_names_ports_and_one_cluster(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = planned(capsys, str(file))
    assert (found["on"], found["namespace"], found["service"]) == ("kubernetes", "team", "big-tfo")
    assert (found["withoutEffect"], found["count"]) == ([], 4)
    replicas = found["replicas"]
    assert isinstance(replicas, list)
    assert [one["name"] for one in replicas] == [
        "big-chief-0",
        "big-worker-0",
        "big-worker-1",
        "big-evaluator-0",
    ]
    assert [one["address"] for one in replicas] == [
        f"{one['name']}.big-tfo.team.svc:3001" for one in replicas
    ]
    clusters = [one["tfConfig"]["cluster"] for one in replicas]
    assert clusters[0] == clusters[1] == clusters[2]
    assert clusters[3] == {"evaluator": ["big-evaluator-0.big-tfo.team.svc:3001"]}
    assert replicas[2]["tfConfig"]["task"] == {"type": "worker", "index": 1}
    assert (replicas[0]["workingDir"], replicas[0]["command"]) == ("src", ["python", "train.py"])
    assert (
        replicas[0]["env"] | {"MODE": "fast", "TFO_CHECKPOINT_DIR": "/ckpt/big-<uid>"} == replicas[0]["env"]
    )


@pytest.mark.parametrize(("where", "is_decided"), [("", False), ("--on local", True)])
def test_without_agents_nobody_decides_which_step_is_restored(
    capsys: pytest.CaptureFixture[str], where: str, is_decided: bool
) -> None:
    """On this machine there are always agents."""
    found = planned(capsys, f"cnn --set recovery.agent=Disabled {where}")
    replicas = found["replicas"]
    assert isinstance(replicas, list)
    assert ["TFO_RESTORE_STEP" in one["env"] for one in replicas] == [is_decided] * len(replicas)


def test_json_for_this_machine_has_what_is_known_before_the_start(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = planned(capsys, f"{file} --on local")
    assert (found["on"], found["namespace"], found["service"]) == ("local", None, None)
    ignored = ["metadata.namespace", "checkpoint.volumeClaim", "template: image"]
    assert found["withoutEffect"] == ignored
    replicas = found["replicas"]
    assert isinstance(replicas, list)
    assert {one["address"] for one in replicas} == {"127.0.0.1:<reserved at start>"}
    chief = replicas[0]
    assert (chief["name"], chief["workingDir"]) == ("chief-0", str(file.parent / "src"))
    assert chief["command"] == [sys.executable, "train.py"]
    expected = {
        "PATH": f"{Path(sys.executable).parent}:$PATH",
        "PYTHONUNBUFFERED": "1",
        "MODE": "fast",
        "TFO_CHECKPOINT_DIR": "<run folder>/checkpoints",
        "TFO_LOG_DIR": str(file.parent / "tb"),
        "TFO_MODEL_DIR": "<run folder>/model",
        "TFO_RANK": "0",
    }
    assert chief["env"] | expected == chief["env"]
    assert "TF_CONFIG" not in chief["env"]


def test_what_has_no_effect_here_is_said_once(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tfo(f"{file} --on local")
    out = capsys.readouterr().out
    ignored = "metadata.namespace, checkpoint.volumeClaim, template: image"
    assert out.count(f"without effect on this machine: {ignored}") == 1


def test_gpus_that_are_asked_for_are_chosen_at_the_start(capsys: pytest.CaptureFixture[str]) -> None:
    tfo("cnn --workers 1 --gpus 2 --on local")
    assert "CUDA_VISIBLE_DEVICES=<chosen at start>\n" in capsys.readouterr().out
    for line in ("cnn --gpus 0 --on local", "cnn --on local", "cnn --gpus 2"):
        tfo(line)
    assert "CUDA_VISIBLE_DEVICES" not in capsys.readouterr().out


def test_a_program_on_the_command_line_runs_as_it_was_typed(capsys: pytest.CaptureFixture[str]) -> None:
    """A pod would fill in what looks like a variable of its own, so the job has it escaped."""
    words = ["plan", "--on", "local", "--", "sh", "-c", "echo $$ $(TFO_JOB) $HOME"]
    assert main.main([*words[:3], "--output", "json", *words[3:]]) == 0
    [replica] = json.loads(capsys.readouterr().out)["replicas"]
    assert replica["command"] == words[-3:]
    assert main.main(["plan", "--output", "job", *words[3:]]) == 0
    assert "echo $$$ $$(TFO_JOB) $HOME" in capsys.readouterr().out


def test_variables_in_a_command_are_filled_in_here_and_left_to_the_pod_there(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.write_text(
        IGNORING.replace("[python, train.py]", "[python, train.py, --mode=$(MODE), $(TFO_INDEX)]")
    )
    here = planned(capsys, f"{file} --on local")["replicas"]
    there = planned(capsys, str(file))["replicas"]
    assert isinstance(here, list)
    assert isinstance(there, list)
    assert [one["command"][2:] for one in here[1:3]] == [["--mode=fast", "0"], ["--mode=fast", "1"]]
    assert there[2]["command"][2:] == ["--mode=$(MODE)", "$(TFO_INDEX)"]


def test_one_process_has_no_tf_config(capsys: pytest.CaptureFixture[str]) -> None:
    tfo("perceptron --on local")
    out = capsys.readouterr().out
    assert "TF_CONFIG  none" in out
    assert "environment of every replica" not in out


def test_many_replicas_are_shown_by_the_first_and_the_last(capsys: pytest.CaptureFixture[str]) -> None:
    tfo("cnn --workers 1000")
    out = capsys.readouterr().out
    named = [line for line in out.splitlines() if line.startswith("cnn-")]
    assert named == ["cnn-chief-0", "cnn-worker-0", "cnn-worker-1", "cnn-worker-999"]
    assert "997 more replicas alike" in out
    assert len(out) < 10_000


def test_the_job_of_a_plan_is_read_back_as_the_same_job(capsys: pytest.CaptureFixture[str]) -> None:
    line = "mlp --workers 2 --name digits --gpus 1 --set layers=[] --set dropout=0.5 --set instrument.metrics=Off"
    assert tfo(f"{line} --output job") == 0
    text = capsys.readouterr().out
    assert (
        text
        == """\
apiVersion: tf-orchestrator.io/v1alpha1
kind: TensorFlowJob
metadata:
  name: digits
spec:
  workload:
    name: mlp
    args:
      layers: []
      dropout: 0.5
  replicaSpecs:
    chief:
      gpus: 1
    worker:
      replicas: 2
      gpus: 1
  instrument:
    metrics: 'Off'
"""
    )
    loaded = load_text(text, "job.yaml")
    assert not loaded.errors
    assert loaded.jobs[0].metadata.name == "digits"


def test_the_job_of_a_program_is_valid_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["plan", "--workers", "1", "--output", "job", "--", "python", "a b.py", "--x=- 1"]) == 0
    loaded = load_text(capsys.readouterr().out, "job.yaml")
    assert not loaded.errors
    template = loaded.jobs[0].spec.template
    assert template is not None
    assert template["spec"]["containers"][0]["command"] == ["python", "a b.py", "--x=- 1"]


RELATIVE = """\
apiVersion: tf-orchestrator.io/v1alpha1
kind: TensorFlowJob
metadata: {name: tied}
spec:
  workload: {name: mlp}
  replicaSpecs: {chief: {}}
"""
OWN = "workload: {name: mlp}", "template: {spec: {containers: [{name: tensorflow, command: [a]}]}}"
PLACED = OWN[0], "template: {spec: {containers: [{name: tensorflow, command: [a], workingDir: /w}]}}"


@pytest.mark.parametrize(
    ("old", "new", "is_said"),
    [
        (*OWN, True),
        (*PLACED, False),
        (PLACED[0], PLACED[1].replace("/w", "w"), True),
        ("name: mlp", "name: mlp", False),
        ("name: mlp", "name: mlp, args: {data: mine.npz}", True),
        ("name: mlp", "name: mlp, args: {data: /mine.npz}", False),
        ("name: mlp", "name: mlp, args: {data: ~/mine.npz}", False),
        ("spec:", "spec:\n  checkpoint: {directory: ckpt}", True),
        ("spec:", "spec:\n  checkpoint: {directory: /ckpt, volumeClaim: claim}", False),
        ("spec:", "spec:\n  logs: {directory: /logs}", False),
    ],
)
def test_a_job_that_needs_the_folder_of_its_file_is_printed_as_it_is_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, is_said: bool
) -> None:
    """The same YAML goes to a cluster, where a folder of this machine means nothing."""
    path = tmp_path / "job.yaml"
    path.write_text(RELATIVE.replace(old, new))
    assert tfo(f"{path} --output job") == 0
    captured = capsys.readouterr()
    assert str(tmp_path) not in captured.out
    assert (f"keep the printed one in '{tmp_path}'" in captured.err) == is_said
    assert len(captured.err.splitlines()) == is_said


def test_a_job_that_is_printed_in_its_own_folder_needs_no_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "job.yaml").write_text(RELATIVE.replace(*OWN))
    monkeypatch.chdir(tmp_path)
    assert tfo("job.yaml --output job") == 0
    assert tfo("--output job -- ./train") == 0
    assert capsys.readouterr().err == ""


def test_errors_are_printed_as_editors_read_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "job.yaml"
    path.write_text(IGNORING.replace("workingDir", "workingdir").replace("chief: {}", "chief: {replicas: 2}"))
    assert tfo(str(path)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"{path}:14:")
    assert "there is at most 1 chief, not 2" in captured.err
