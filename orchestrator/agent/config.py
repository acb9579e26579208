"""What an agent is told at its start: environment variables TFO_AGENT_*, so that no secret is in a command line.

Read once by `agent.main`; set by the local backend and the pod builder. The variables are taken out of the
environment that the user's program gets. Python 3.9, standard library only.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import Dict, Mapping, Optional, Sequence, Tuple

from orchestrator.protocol.agent_environment import (
    ADDRESS,
    CA,
    COMMAND,
    ENVIRONMENT,
    ENVIRONMENT_FILE,
    HOOK,
    INDEX,
    JOB_UID,
    LOG_DIR,
    PARENT_FD,
    PREFIX,
    REPORT_SECONDS,
    ROLE,
    SERVER_NAME,
    SOCKET_DIR,
    STOP_GRACE_SECONDS,
    TOKEN,
    TOKEN_FILE,
    UID,
    WORKING_DIR,
)
from orchestrator.protocol.environment import INSTRUMENT

UNIX = "unix:"
ROLES = ("chief", "worker", "ps", "evaluator")


class ConfigError(ValueError):
    """The environment does not describe an agent; the message names the variable."""


@dataclass(frozen=True)
class Config:
    """See the variables of the same names. `environment` is the whole base environment of the program."""

    address: str
    job_uid: str
    role: str
    index: int
    uid: str
    command: Tuple[str, ...]
    environment: Dict[str, str] = field(default_factory=dict)
    authority: str = ""
    server_name: str = ""
    token: str = field(default="", repr=False)
    token_file: Optional[str] = None
    working_dir: Optional[str] = None
    log_dir: Optional[str] = None
    socket_dir: Optional[str] = None
    parent_fd: Optional[int] = None
    report_seconds: float = 1.0
    stop_grace_seconds: float = 20.0

    @property
    def name(self) -> str:
        return f"{self.role}-{self.index}"

    @property
    def report_dir(self) -> Optional[str]:
        """For socket and file: the given directory, or the private one of the coordinator's own socket."""
        beside = os.path.dirname(self.address[len(UNIX) :]) if self.address.startswith(UNIX) else None
        return self.socket_dir or beside


def parse(environ: Mapping[str, str], argv: Sequence[str] = ()) -> Config:
    """`argv`: the agent's own arguments; after `--` the program's. Raises ConfigError."""
    role = _required(environ, ROLE)
    if role not in ROLES:
        raise ConfigError(f"{ROLE} is {role!r}, must be one of {', '.join(ROLES)}")
    return Config(
        address=_required(environ, ADDRESS),
        job_uid=_required(environ, JOB_UID),
        role=role,
        index=_integer(environ, INDEX, 0),
        uid=_required(environ, UID),
        command=tuple(argv[1:]) if argv[:1] == ["--"] else _command(environ),
        environment=_environment(environ),
        authority=environ.get(CA, ""),
        server_name=environ.get(SERVER_NAME, ""),
        token=environ.get(TOKEN, ""),
        token_file=environ.get(TOKEN_FILE) or None,
        working_dir=environ.get(WORKING_DIR) or None,
        log_dir=environ.get(LOG_DIR) or None,
        socket_dir=environ.get(SOCKET_DIR) or None,
        parent_fd=_integer(environ, PARENT_FD, 0) if environ.get(PARENT_FD) else None,
        report_seconds=_seconds(environ, REPORT_SECONDS, Config.report_seconds, 0.05),
        stop_grace_seconds=_seconds(environ, STOP_GRACE_SECONDS, Config.stop_grace_seconds, 0.0),
    )


def _required(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise ConfigError(f"{name} is not set")
    return value


def _integer(environ: Mapping[str, str], name: str, minimum: int) -> int:
    value = _required(environ, name)
    if not (value.isascii() and value.isdigit()) or int(value) < minimum:
        raise ConfigError(f"{name} is {value!r}, must be an integer of at least {minimum}")
    return int(value)


def _seconds(environ: Mapping[str, str], name: str, default: float, minimum: float) -> float:
    text = environ.get(name, "")
    try:
        value = float(text) if text else default
    except ValueError:
        value = -1.0
    if not minimum <= value <= 86400.0:
        raise ConfigError(f"{name} is {text!r}, must be seconds between {minimum:g} and 86400")
    return value


def _command(environ: Mapping[str, str]) -> Tuple[str, ...]:
    argv = _json(_required(environ, COMMAND), COMMAND)
    if not isinstance(argv, list) or not argv or not all(isinstance(word, str) for word in argv):
        raise ConfigError(f"{COMMAND} must be a JSON list of at least one string")
    if not argv[0] or any("\0" in word for word in argv):
        raise ConfigError(f"{COMMAND} has an empty program name or a NUL character")
    return tuple(argv)


def _environment(environ: Mapping[str, str]) -> Dict[str, str]:
    found = {name: value for name, value in environ.items() if not name.startswith(PREFIX)}
    if environ.get(ENVIRONMENT_FILE):
        _change(found, _read(environ[ENVIRONMENT_FILE]), ENVIRONMENT_FILE)
    if environ.get(ENVIRONMENT):
        _change(found, environ[ENVIRONMENT], ENVIRONMENT)
    if environ.get(HOOK) and found.get(INSTRUMENT):
        rest = found.get("PYTHONPATH", "")
        found["PYTHONPATH"] = f"{environ[HOOK]}:{rest}" if rest else environ[HOOK]
    return found


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except (OSError, ValueError) as error:
        raise ConfigError(f"{ENVIRONMENT_FILE} cannot be read: {error}") from None


def _change(environment: Dict[str, str], text: str, source: str) -> None:
    changes = _json(text, source)
    if not isinstance(changes, dict):
        raise ConfigError(f"{source} must hold a JSON object")
    for name, value in changes.items():
        if not name or "=" in name or "\0" in name:
            raise ConfigError(f"{source}: {name!r} cannot be the name of a variable")
        if value is None:
            environment.pop(name, None)
        elif isinstance(value, str) and "\0" not in value:
            environment[name] = value
        else:
            raise ConfigError(f"{source}: the value of {name} must be a string without NUL, or null")


def _json(text: str, source: str) -> object:
    try:
        value: object = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{source} is not JSON: {error}") from None
    return value
