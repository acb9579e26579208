"""The parts of a pod template that we read ourselves: which container trains, its command, environment and port.

Called by `validation`. Everything else in a template is Kubernetes' business and passes untouched, unchecked.
"""

from collections.abc import Iterator, Mapping
from typing import cast

from orchestrator.api.errors import FieldError, Path, is_utf8
from orchestrator.api.types import JsonObject

CONTAINER = "tensorflow"
PORT_NAME = "tfjob-port"
MAX_PORT = 65535 - 31
"""Attempts use 32 ports in turn, from the base port on."""
TF_CONFIG = "TF_CONFIG"
GPU_RESOURCE = "nvidia.com/gpu"
AGENT_PREFIX = "TFO_AGENT_"
"""Of the variables by which a backend tells an agent what it is."""


def check_template(template: JsonObject, path: Path) -> Iterator[FieldError]:
    """What is wrong with the shape of the parts that we read."""
    pod = template.get("spec")
    containers = pod.get("containers") if isinstance(pod, dict) else None
    where: Path = (*path, "spec", "containers")
    if not isinstance(containers, list) or not containers:
        yield FieldError(path=where, message=f"expected a list of containers, one of them named {CONTAINER}")
        return
    for index, container in enumerate(containers):
        yield from _check_container(container, (*where, index))
    if len(containers) > 1 and find_container(template) is None:
        message = f"which container trains? name it {CONTAINER}"
        yield FieldError(path=where, message=message)


def find_container(template: JsonObject) -> JsonObject | None:
    """The container that trains: the one named `tensorflow`, else the only one."""
    index = _find_index(template)
    return None if index is None else cast("JsonObject", template["spec"]["containers"][index])


def locate_container(template: JsonObject, path: Path) -> Path | None:
    """Where it stands."""
    index = _find_index(template)
    return None if index is None else (*path, "spec", "containers", index)


def _find_index(template: JsonObject) -> int | None:
    pod = template.get("spec")
    containers = pod.get("containers") if isinstance(pod, dict) else None
    if not isinstance(containers, list) or not all(isinstance(one, dict) for one in containers):
        return None
    named = [index for index, one in enumerate(containers) if one.get("name") == CONTAINER]
    if named:
        return named[0]
    return 0 if len(containers) == 1 else None


def _check_container(container: object, path: Path) -> Iterator[FieldError]:
    if not isinstance(container, dict):
        yield FieldError(path=path, message="expected a container (a mapping with name, image, command)")
        return
    if not isinstance(container.get("name"), str):
        yield FieldError(
            path=(*path, "name"), message=f"is missing; the container that trains is named {CONTAINER}"
        )
    for key in ("command", "args"):
        yield from _check_texts(container.get(key), (*path, key))
    command = container.get("command")
    if isinstance(command, list) and command[:1] == [""]:
        message = "is empty; the first word is the program, such as python"
        yield FieldError(path=(*path, "command", 0), message=message)
    yield from _check_text(container.get("workingDir", ""), (*path, "workingDir"))
    yield from _check_env(container.get("env"), (*path, "env"))
    yield from _check_ports(container.get("ports"), (*path, "ports"))


def _check_texts(value: object, path: Path) -> Iterator[FieldError]:
    if value is None:
        return
    if not isinstance(value, list):
        yield FieldError(path=path, message="expected a list of texts, such as [python, train.py]")
        return
    for index, item in enumerate(value):
        yield from _check_text(item, (*path, index))


def _check_text(value: object, path: Path) -> Iterator[FieldError]:
    """One that a program can be given."""
    message = _say_unusable(value) if isinstance(value, str) else _say_quote(value)
    if message:
        yield FieldError(path=path, message=message)


def _say_unusable(text: str) -> str:
    if "\0" in text:
        return "a text for a program cannot hold a NUL character"
    return "" if is_utf8(text) else "is not UTF-8"


def _say_quote(value: object) -> str:
    if isinstance(value, bool | int | float):
        return f"expected a text, got {str(value).lower()}; put it in quotes"
    return "expected a text"


def _read_items(value: object, path: Path) -> Iterator[tuple[Path, Mapping[str, object] | None]]:
    """Each item of an optional list of mappings with its path, or None for what is none."""
    if value is None:
        return
    if not isinstance(value, list):
        yield path, None
        return
    for index, item in enumerate(value):
        yield (*path, index), item if isinstance(item, dict) else None


def _check_env(value: object, path: Path) -> Iterator[FieldError]:
    for where, item in _read_items(value, path):
        if item is None:
            yield FieldError(
                path=where, message="expected a list of variables, such as [{name: A, value: b}]"
            )
            continue
        wrong = _say_wrong_variable(item.get("name"))
        if wrong:
            yield FieldError(path=(*where, "name"), message=wrong)
        if item.get("value") is not None:
            yield from _check_text(item["value"], (*where, "value"))


def _say_wrong_variable(name: object) -> str:
    """Why this cannot be the name of an environment variable; empty if it can."""
    if not isinstance(name, str) or not name:
        return "expected the variable's name"
    if "=" in name:
        right = name.partition("=")[0]
        return f"a variable's name cannot hold '='; write name: {right or 'NAME'} and its value apart"
    if name.startswith(AGENT_PREFIX):
        return f"variables that begin with {AGENT_PREFIX} are the agent's own; choose another name"
    return _say_unusable(name)


def _check_ports(value: object, path: Path) -> Iterator[FieldError]:
    for where, item in _read_items(value, path):
        if item is None:
            message = f"expected a list of ports, such as [{{name: {PORT_NAME}, containerPort: 2222}}]"
            yield FieldError(path=where, message=message)
        elif item.get("name") == PORT_NAME and not _is_port(item.get("containerPort")):
            message = f"the base of the ports that attempts use in turn must be from 1 to {MAX_PORT}"
            yield FieldError(path=(*where, "containerPort"), message=message)


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_PORT


def find_tf_config(template: JsonObject, path: Path) -> Path | None:
    """Where the template sets TF_CONFIG itself."""
    where = locate_container(template, path)
    env = (find_container(template) or {}).get("env")
    if where is None or not isinstance(env, list):
        return None
    named = (
        index for index, item in enumerate(env) if isinstance(item, dict) and item.get("name") == TF_CONFIG
    )
    return next(((*where, "env", index) for index in named), None)


def read_gpu_limit(template: JsonObject) -> object:
    """What the template itself asks for: resources.limits of NVIDIA's GPUs."""
    resources = (find_container(template) or {}).get("resources")
    limits = resources.get("limits") if isinstance(resources, dict) else None
    return limits.get(GPU_RESOURCE) if isinstance(limits, dict) else None


def has_command(template: JsonObject) -> bool:
    return bool((find_container(template) or {}).get("command"))


def has_args(template: JsonObject) -> bool:
    return bool((find_container(template) or {}).get("args"))
