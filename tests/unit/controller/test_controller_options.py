"""What the controller is told: flags win over variables, and what is wrong says what would be right."""

import pytest

from orchestrator.controller.options import FLAGS, WrongOption, parse, parser


def test_defaults() -> None:
    found = parse([], {})
    assert found.leader_elect is True
    assert found.namespaces == ()
    assert found.metrics_bind == ("127.0.0.1", 8080), "nobody else is shown anything unless asked"
    assert found.coordinator_address("system") == "tfo-coordinator.system.svc:9443"


def test_a_flag_wins_over_its_variable() -> None:
    environ = {"TFO_CONTROLLER_WORKERS": "3", "TFO_CONTROLLER_NAMESPACES": "a, b"}
    found = parse(["--workers", "5"], environ)
    assert (found.workers, found.namespaces) == (5, ("a", "b"))


@pytest.mark.parametrize(
    ("argv", "environ", "words"),
    [
        (["--workers", "many"], {}, "--workers is 'many', must be an integer"),
        (["--workers", "0"], {}, "must be an integer between 1 and 86400"),
        (
            [],
            {"TFO_CONTROLLER_LEADER_ELECT": "yes"},
            "TFO_CONTROLLER_LEADER_ELECT is 'yes', must be true or false",
        ),
        (["--log-format", "xml"], {}, "must be json or text"),
        (["--metrics-bind", "8080"], {}, "must be HOST:PORT"),
        (["--renew-deadline-seconds", "20"], {}, "must hold"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(argv: list[str], environ: dict[str, str], words: str) -> None:
    with pytest.raises(WrongOption, match=words.replace("(", "\\(")):
        parse(argv, environ)


def test_every_flag_is_in_the_help() -> None:
    text = parser().format_help()
    assert all(f"--{flag.name}" in text for flag in FLAGS)


def test_pods_are_told_what_the_options_say() -> None:
    found = parse(["--agent-image", "a", "--coordinator", "host:1"], {}).settings("ns")
    assert (found.agent_image, found.coordinator, found.server_name) == (
        "a",
        "host:1",
        "tf-orchestrator-coordinator",
    )
