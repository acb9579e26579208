"""What an agent is told by its environment."""

from pathlib import Path

import pytest

from orchestrator.agent import config
from orchestrator.agent.config import ConfigError, parse

NEEDED = {
    config.ADDRESS: "unix:/run/c",
    config.JOB_UID: "job",
    config.ROLE: "worker",
    config.INDEX: "2",
    config.UID: "uid",
    config.COMMAND: '["python", "train.py"]',
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
            config.TOKEN: "secret",
            config.TOKEN_FILE: "/token",
            config.WORKING_DIR: "/work",
            config.LOG_DIR: "/logs",
            config.SOCKET_DIR: "/sockets",
            config.PARENT_FD: "7",
            config.REPORT_SECONDS: "2.5",
            config.STOP_GRACE_SECONDS: "0",
            config.ENVIRONMENT: '{"B": "variable"}',
            config.ENVIRONMENT_FILE: str(file),
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
        (config.ADDRESS, "", "TFO_AGENT_ADDRESS is not set"),
        (config.ROLE, "boss", "TFO_AGENT_ROLE is 'boss', must be one of chief, worker, ps, evaluator"),
        (config.INDEX, "-1", "must be an integer of at least 0"),
        (config.INDEX, "²", "must be an integer of at least 0"),
        (config.PARENT_FD, "x", "must be an integer of at least 0"),
        (config.REPORT_SECONDS, "0", "must be seconds between 0.05 and 86400"),
        (config.REPORT_SECONDS, "nan", "must be seconds"),
        (config.STOP_GRACE_SECONDS, "soon", "must be seconds"),
        (config.COMMAND, "python", "is not JSON"),
        (config.COMMAND, "[]", "at least one string"),
        (config.COMMAND, '["a", 1]', "at least one string"),
        (config.COMMAND, '[""]', "empty program name"),
        (config.COMMAND, '["a", "\\u0000"]', "NUL character"),
        (config.ENVIRONMENT, "[]", "must hold a JSON object"),
        (config.ENVIRONMENT, '{"A=B": "c"}', "cannot be the name of a variable"),
        (config.ENVIRONMENT, '{"A": 1}', "the value of A must be a string"),
        (config.ENVIRONMENT_FILE, "/no/such/file", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(name: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(NEEDED | {name: value})
    assert message in str(caught.value)
    assert name in str(caught.value)
