"""What an agent is told by its environment."""

from pathlib import Path

import pytest

from orchestrator.agent.config import ConfigError, parse
from orchestrator.protocol import agent_environment as names

NEEDED = {
    names.ADDRESS: "unix:/run/c",
    names.JOB_UID: "job",
    names.ROLE: "worker",
    names.INDEX: "2",
    names.UID: "uid",
    names.COMMAND: '["python", "train.py"]',
}


def test_what_is_needed_suffices_and_the_rest_is_the_programs() -> None:
    parsed = parse(NEEDED | {"PATH": "/bin", "TFO_JOB": "digits"})
    assert (parsed.name, parsed.command) == ("worker-2", ("python", "train.py"))
    assert parsed.environment == {"PATH": "/bin", "TFO_JOB": "digits"}
    assert (parsed.token, parsed.token_file, parsed.parent_fd, parsed.log_dir) == ("", None, None, None)
    assert (parsed.report_seconds, parsed.stop_grace_seconds) == (1.0, 20.0)


def test_everything_can_be_said(tmp_path: Path) -> None:
    file = tmp_path / "environment"
    file.write_text('{"A": "file", "B": "file", "GONE": null}')
    parsed = parse(
        NEEDED
        | {
            names.TOKEN: "secret",
            names.TOKEN_FILE: "/token",
            names.WORKING_DIR: "/work",
            names.LOG_DIR: "/logs",
            names.SOCKET_DIR: "/sockets",
            names.PARENT_FD: "7",
            names.REPORT_SECONDS: "2.5",
            names.STOP_GRACE_SECONDS: "0",
            names.ENVIRONMENT: '{"B": "variable"}',
            names.ENVIRONMENT_FILE: str(file),
            "GONE": "x",
        }
    )
    assert parsed.environment == {"A": "file", "B": "variable"}
    assert (parsed.token, parsed.token_file, parsed.working_dir) == ("secret", "/token", "/work")
    assert (parsed.log_dir, parsed.socket_dir, parsed.parent_fd) == ("/logs", "/sockets", 7)
    assert (parsed.report_seconds, parsed.stop_grace_seconds) == (2.5, 0.0)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (names.ADDRESS, "", "TFO_AGENT_ADDRESS is not set"),
        (names.ROLE, "boss", "TFO_AGENT_ROLE is 'boss', must be one of chief, worker, ps, evaluator"),
        (names.INDEX, "-1", "must be an integer of at least 0"),
        (names.INDEX, "²", "must be an integer of at least 0"),
        (names.PARENT_FD, "x", "must be an integer of at least 0"),
        (names.REPORT_SECONDS, "0", "must be seconds between 0.05 and 86400"),
        (names.REPORT_SECONDS, "nan", "must be seconds"),
        (names.STOP_GRACE_SECONDS, "soon", "must be seconds"),
        (names.COMMAND, "python", "is not JSON"),
        (names.COMMAND, "[]", "at least one string"),
        (names.COMMAND, '["a", 1]', "at least one string"),
        (names.COMMAND, '[""]', "empty program name"),
        (names.COMMAND, '["a", "\\u0000"]', "NUL character"),
        (names.ENVIRONMENT, "[]", "must hold a JSON object"),
        (names.ENVIRONMENT, '{"A=B": "c"}', "cannot be the name of a variable"),
        (names.ENVIRONMENT, '{"A": 1}', "the value of A must be a string"),
        (names.ENVIRONMENT_FILE, "/no/such/file", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(NEEDED | {name: value})
    assert message in str(caught.value)
    assert name in str(caught.value)
