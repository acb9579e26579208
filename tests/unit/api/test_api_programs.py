"""One program for each replica: built-in or a command; and the parts of pod templates that are read."""

import pytest
from msgspec.structs import replace

from orchestrator.api import templates
from orchestrator.api.errors import format_path
from orchestrator.api.types import JsonObject
from orchestrator.api.validation import validate
from orchestrator.core import names
from orchestrator.protocol import agent_environment
from tests.fixtures.job_texts import cnn, errors_in, job_text, load_one

NOTHING = "nothing to run: give a command, such as [python, train.py], or a built-in program in spec.workload"


def template(container: str) -> str:
    return f"{{spec: {{containers: [{{name: tensorflow, {container}}}]}}}}"


def served(roles: str = "worker: {}, ps: {}", more: str = "") -> str:
    """Of ParameterServer, with a command for the chief alone."""
    chief = f"chief: {{template: {template('command: [a]')}}}"
    return job_text(f"strategy: ParameterServer\nreplicaSpecs: {{{chief}, {roles}}}\n{more}")


def own(container: str, more: str = "") -> str:
    """A chief with this container; what is given begins in line 6, column 57."""
    return job_text(f"replicaSpecs: {{chief: {{}}}}\ntemplate: {template(container)}\n{more}")


@pytest.mark.parametrize(
    "text",
    [
        own("command: [a]"),
        own("command: [a], args: [b], workingDir: /x, env: [{name: A, value: b}, {name: B}]"),
        own("command: [a], args: null, env: null, ports: null, env: [{name: A, value: null}]").replace(
            "env: null, ", ""
        ),
        own("command: [a], ports: [{name: tfjob-port, containerPort: 65504}, {containerPort: 70000}]"),
        own("image: a", "recovery: {agent: Disabled}"),
        own("command: [a], env: [{name: TF_CONFIG, value: x}]", "strategy: Independent"),
        job_text("replicaSpecs: {chief: {}}\ntemplate: {spec: {containers: [{name: other, command: [a]}]}}"),
        job_text(
            "replicaSpecs: {chief: {}}\n"
            "template: {spec: {containers: [{name: side}, {name: tensorflow, command: [a]}]}}"
        ),
        job_text(f"replicaSpecs: {{chief: {{template: {template('command: [a]')}}}}}"),
        job_text(f"replicaSpecs: {{chief: {{template: {{}}}}}}\ntemplate: {template('command: [a]')}"),
        job_text(
            f"replicaSpecs: {{chief: {{template: {template('command: [a]')}}}}}\ntemplate: {template('image: unused')}"
        ),
        cnn(f"template: {template('image: a')}"),
        cnn(f"template: {template('resources: {limits: {nvidia.com/gpu: 2}}')}", roles="{chief: {gpus: 2}}"),
        cnn(f"template: {template('resources: {limits: {}}')}", roles="{chief: {gpus: 2}}"),
        cnn(f"template: {template('resources: 5')}", roles="{chief: {gpus: 2}}"),
        job_text("workload: {name: perceptron}\nreplicaSpecs: {chief: {}}"),
        job_text("workload: {name: perceptron}\nreplicaSpecs: {worker: {}}"),
        cnn("strategy: ParameterServer", roles="{chief: {}, worker: {}, ps: {}}"),
        served(),
        served(f"worker: {{}}, ps: {{template: {template('image: a')}}}"),
        served(more=f"template: {template('image: a')}"),
        served(f"worker: {{template: {template('command: [b]')}}}, ps: {{}}"),
    ],
)
def test_jobs_with_one_program_each(text: str) -> None:
    assert errors_in(text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            job_text("replicaSpecs: {chief: {}, worker: {}}"),
            f"4:1: spec: {NOTHING} (for chief, worker); a command stands in a container of spec.template",
        ),
        (own("image: a"), f"6:34: spec.template.spec.containers[0].command: {NOTHING} (for chief)"),
        (own("command: []"), f"6:53: spec.template.spec.containers[0].command: {NOTHING} (for chief)"),
        (
            served("worker: {}, ps: {}, evaluator: {}"),
            f"4:1: spec: {NOTHING} (for evaluator); a command stands in a container of spec.template",
        ),
        (
            served(more="recovery: {agent: Disabled}"),
            f"4:1: spec: {NOTHING} (for worker, ps); a command stands in a container of spec.template",
        ),
        (
            served(f"worker: {{}}, ps: {{template: {template('args: [b]')}}}"),
            f"6:143: spec.replicaSpecs.ps.template.spec.containers[0].command: {NOTHING} (for ps)",
        ),
        (
            served("worker: {}, ps: {}, evaluator: {}", f"template: {template('image: a')}"),
            f"7:34: spec.template.spec.containers[0].command: {NOTHING} (for evaluator)",
        ),
        (
            cnn(f"template: {template('command: [a]')}"),
            "7:53: spec.template.spec.containers[0].command: there is the built-in program cnn already; "
            "remove this command, or spec.workload",
        ),
        (
            cnn(f"template: {template('args: [a]')}"),
            "7:53: spec.template.spec.containers[0].args: arguments of the built-in program cnn stand in "
            "spec.workload.args",
        ),
        (
            cnn("template: {spec: {containers: [{name: tensorflow, env: [{name: TF_CONFIG}]}]}}"),
            "7:59: spec.template.spec.containers[0].env[0]: TF_CONFIG is given to every replica and cannot be set "
            "here; remove it",
        ),
        (
            cnn(
                f"template: {template('resources: {limits: {nvidia.com/gpu: 2}}')}",
                roles="{chief: {gpus: 1}}",
            ),
            "6:32: spec.replicaSpecs.chief.gpus: is 1, but the template's limit nvidia.com/gpu is 2; keep one",
        ),
        (
            job_text("workload: {name: cn}\nreplicaSpecs: {chief: {}}"),
            "5:20: spec.workload.name: unknown built-in program 'cn'; did you mean 'cnn'? "
            "(built-in programs: perceptron, mlp, cnn, rnn)",
        ),
        (
            cnn("strategy: Independent"),
            "7:13: spec.strategy: cnn runs with strategy MultiWorkerMirrored or ParameterServer only",
        ),
        (
            job_text("workload: {name: mlp, args: {activation: heaviside}}\nreplicaSpecs: {chief: {}}"),
            "5:44: spec.workload.args.activation: 'heaviside' is not trainable: its gradient is 0 everywhere "
            "(the perceptron learns with it by its own rule)",
        ),
        (
            job_text("workload: {name: perceptron}\nreplicaSpecs: {chief: {}, worker: {replicas: 2}}"),
            "6:29: spec.replicaSpecs.worker: perceptron is one process and has no use for 2 × worker; "
            "keep one chief and no worker",
        ),
        (
            job_text("workload: {name: perceptron}\nreplicaSpecs: {worker: {replicas: 4}, evaluator: {}}"),
            "6:18: spec.replicaSpecs.worker: perceptron is one process and has no use for 4 × worker; "
            "keep one chief and no worker",
        ),
    ],
)
def test_what_is_wrong_about_programs(text: str, message: str) -> None:
    assert errors_in(text) == [message]


def test_a_wrong_template_that_roles_share_is_named_once() -> None:
    text = job_text("replicaSpecs: {chief: {}, worker: {}}\ntemplate: {spec: {containers: []}}")
    assert len(errors_in(text)) == 1


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ("command: python train.py", "command: expected a list of texts, such as [python, train.py]"),
        ("command: [sleep, 5]", "command[1]: expected a text, got 5; put it in quotes"),
        ("command: [a], args: [true]", "args[0]: expected a text, got true; put it in quotes"),
        ("command: [a], args: [[]]", "args[0]: expected a text"),
        ("command: [a], workingDir: 5", "workingDir: expected a text, got 5; put it in quotes"),
        ("command: [a], workingDir: {}", "workingDir: expected a text"),
        ("command: [a], env: {A: b}", "env: expected a list of variables, such as [{name: A, value: b}]"),
        ("command: [a], env: [A]", "env[0]: expected a list of variables, such as [{name: A, value: b}]"),
        ("command: [a], env: [{value: b}]", "env[0].name: expected the variable's name"),
        ("command: [a], env: [{name: ''}]", "env[0].name: expected the variable's name"),
        (
            "command: [a], env: [{name: A, value: 5}]",
            "env[0].value: expected a text, got 5; put it in quotes",
        ),
        ("command: ['', x]", "command[0]: is empty; the first word is the program, such as python"),
        (
            "command: [a], env: [{name: 'A=b', value: c}]",
            "env[0].name: a variable's name cannot hold '='; write name: A and its value apart",
        ),
        (
            "command: [a], env: [{name: =}]",
            "env[0].name: a variable's name cannot hold '='; write name: NAME and its value apart",
        ),
        (
            "command: [a], env: [{name: TFO_AGENT_TOKEN_FILE, value: c}]",
            "env[0].name: variables that begin with TFO_AGENT_ are the agent's own; choose another name",
        ),
        (
            "command: [a], env: [{name: A, value: false}]",
            "env[0].value: expected a text, got false; put it in quotes",
        ),
        (
            "command: [a], ports: [5]",
            "ports[0]: expected a list of ports, such as [{name: tfjob-port, containerPort: 2222}]",
        ),
        (
            "command: [a], ports: [{name: tfjob-port, containerPort: 65505}]",
            "ports[0].containerPort: the base of the ports that attempts use in turn must be from 1 to 65504",
        ),
        (
            "command: [a], ports: [{name: tfjob-port, containerPort: true}]",
            "ports[0].containerPort: the base of the ports that attempts use in turn must be from 1 to 65504",
        ),
    ],
)
def test_what_is_wrong_about_a_container(container: str, message: str) -> None:
    (found,) = errors_in(own(container))
    assert found.partition(": ")[2] == f"spec.template.spec.containers[0].{message}"


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        ("5", "spec.template.spec.containers: expected a list of containers, one of them named tensorflow"),
        (
            "{containers: []}",
            "spec.template.spec.containers: expected a list of containers, one of them named tensorflow",
        ),
        (
            "{containers: [a]}",
            "spec.template.spec.containers[0]: expected a container (a mapping with name, image, command)",
        ),
        (
            "{containers: [{command: [a]}]}",
            "spec.template.spec.containers[0].name: is missing; the container that trains is named tensorflow",
        ),
        (
            "{containers: [{name: a}, {name: b}]}",
            "spec.template.spec.containers: which container trains? name it tensorflow",
        ),
    ],
)
def test_what_is_wrong_about_a_pod(pod: str, message: str) -> None:
    (found,) = errors_in(job_text(f"replicaSpecs: {{chief: {{}}}}\ntemplate: {{spec: {pod}}}"))
    assert found.partition(": ")[2] == message


@pytest.mark.parametrize(
    ("part", "place"),
    [
        ({"command": ["\0a"]}, "command[0]"),
        ({"command": ["a"], "args": ["b", "\0"]}, "args[1]"),
        ({"command": ["a"], "workingDir": "/x\0"}, "workingDir"),
        ({"command": ["a"], "env": [{"name": "A\0"}]}, "env[0].name"),
        ({"command": ["a"], "env": [{"name": "A", "value": "\0"}]}, "env[0].value"),
    ],
)
def test_no_program_takes_a_nul_character(part: JsonObject, place: str) -> None:
    """YAML has none; a job that was made by a program may."""
    container = {"name": "tensorflow"} | part
    job = load_one(own("command: [a]"))
    spec = replace(job.spec, template={"spec": {"containers": [container]}})
    (error,) = validate(replace(job, spec=spec))
    assert format_path(error.path) == f"spec.template.spec.containers[0].{place}"
    assert error.message == "a text for a program cannot hold a NUL character"


def test_no_job_holds_a_text_that_is_not_utf_8() -> None:
    """As Python has it from a command line; it could not be written into the state of a run."""
    job = load_one(own("command: [a]"))
    container = {"name": "tensorflow", "command": ["a", "\udcff"]}
    spec = replace(job.spec, template={"spec": {"containers": [container]}})
    (error,) = validate(replace(job, spec=spec))
    assert format_path(error.path) == "spec.template.spec.containers[0].command[1]"
    assert error.message == "is not UTF-8"


def test_the_agent_calls_its_own_variables_the_same() -> None:
    assert agent_environment.PREFIX == templates.AGENT_PREFIX


def test_the_planner_calls_containers_and_ports_the_same() -> None:
    assert (templates.CONTAINER, templates.PORT_NAME) == (names.CONTAINER, names.PORT_NAME)
    assert names.port(templates.MAX_PORT, names.PORT_RANGE - 1) == 65535
