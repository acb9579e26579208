"""Who runs TensorFlow's server, and for how long; the server itself is started in tests/integration."""

import json
import socket

import pytest

from orchestrator.train import serve
from orchestrator.train.server import Task, is_listening, main, read_task

CLUSTER = {"chief": ["c:1"], "worker": ["w:1", "w:2"], "ps": ["p:1"]}


def environ(role: str, index: object = 0, cluster: object = CLUSTER) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": role, "index": index}})}


@pytest.mark.parametrize(("role", "index"), [("ps", 0), ("worker", 1)])
def test_parameter_servers_and_their_workers_serve(role: str, index: int) -> None:
    task = read_task(environ(role, index))
    assert task == Task(CLUSTER, role, index)
    assert (task.chiefs, task.workers) == (["c:1"], 2)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"TF_CONFIG": "no JSON"},
        {"TF_CONFIG": "[]"},
        {"TF_CONFIG": '{"cluster": [], "task": {"type": "ps", "index": 0}}'},
        environ("chief"),
        environ("evaluator", cluster={"evaluator": ["e:1"]}),
        environ("worker", cluster={"chief": ["c:1"], "worker": ["w:1"]}),
        environ("ps", "first"),
    ],
)
def test_nobody_else_does(variables: dict[str, str]) -> None:
    assert read_task(variables) is None


def test_who_has_nobody_to_serve_goes_on_or_is_told_so_as_a_program(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    serve()
    assert main() == 2
    assert "there is no such cluster" in capsys.readouterr().err


def test_a_chief_is_there_as_long_as_it_listens() -> None:
    with socket.create_server(("127.0.0.1", 0)) as chief:
        address = f"127.0.0.1:{chief.getsockname()[1]}"
        assert is_listening(address)
    assert not is_listening(address)


@pytest.mark.parametrize("address", ["", "nowhere.invalid:2222", "127.0.0.1:port", "127.0.0.1:99999"])
def test_an_address_that_leads_nowhere_has_no_chief(address: str) -> None:
    assert not is_listening(address)
