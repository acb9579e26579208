"""What `tfo doctor` makes of a machine: one line a subject, and a cure where something is wrong."""

from dataclasses import replace

import pytest

from orchestrator.cli.doctor import render
from orchestrator.cli.findings import Facts, Finding, Level, TensorFlow, judge
from orchestrator.cli.machine import Machine

GB = 10**9
FIT = Facts(
    version="1.2.3",
    python="3.11.7",
    executable="/usr/bin/python",
    system="Linux",
    runs_dir="tfo-runs",
    machine=Machine(processors=8, memory=16 * GB, memory_free=12 * GB, disk_free=100 * GB),
    tensorflow=TensorFlow(version="2.21.0", keras="3.15.1", needs_fix=True, scikit_learn=True),
)


def found(facts: Facts, subject: str) -> Finding:
    [finding] = [one for one in judge(facts) if one.subject == subject]
    return finding


def with_tensorflow(**changes: object) -> Facts:
    return replace(FIT, tensorflow=replace(FIT.tensorflow, **changes))  # type: ignore[arg-type]  # by name


def test_a_fit_machine_is_all_well() -> None:
    assert render(judge(FIT)) == [
        "ok    tfo         1.2.3",
        "ok    Python      3.11.7 (/usr/bin/python)",
        "ok    system      Linux",
        "ok    TensorFlow  2.21.0",
        "ok    Keras       3.15.1; model.fit needs a fix on several workers, which tfo applies by itself",
        "ok    GPUs        none: training runs on the CPU",
        "ok    processors  8",
        "ok    memory      12.0 GB free of 16.0 GB",
        "ok    disk        100.0 GB free for tfo-runs",
    ]


def test_a_cure_stands_under_what_it_cures() -> None:
    lines = render(judge(replace(FIT, tensorflow=TensorFlow())))
    place = next(
        number for number, line in enumerate(lines) if line.startswith("warn  TensorFlow  not installed")
    )
    assert lines[place + 1].split("-> ")[1] == "pip install 'tf-orchestrator[train]'"


@pytest.mark.parametrize(
    ("facts", "subject", "level", "words"),
    [
        (replace(FIT, system="Darwin"), "system", Level.BAD, "Darwin: tfo run needs Linux"),
        (replace(FIT, tensorflow=TensorFlow()), "TensorFlow", Level.WARN, "not installed"),
        (
            replace(FIT, tensorflow=TensorFlow(trouble="signal 11")),
            "TensorFlow",
            Level.WARN,
            "cannot be used: signal 11",
        ),
        (with_tensorflow(needs_fix=None, keras="9.0.0"), "Keras", Level.WARN, "9.0.0: not known"),
        (with_tensorflow(needs_fix=False), "Keras", Level.OK, "3.15.1; no fix needed"),
        (with_tensorflow(scikit_learn=False), "data", Level.WARN, "scikit-learn is not installed"),
        (replace(FIT, devices=2), "GPUs", Level.WARN, "2 there, but TensorFlow sees none"),
        (replace(with_tensorflow(gpus=2), devices=2), "GPUs", Level.OK, "2"),
        (replace(FIT, devices=1, tensorflow=TensorFlow()), "GPUs", Level.OK, "1"),
    ],
)
def test_what_is_wrong_is_said(facts: Facts, subject: str, level: Level, words: str) -> None:
    finding = found(facts, subject)
    assert (finding.level, finding.text.startswith(words)) == (level, True), finding
    assert bool(finding.cure) == (level is not Level.OK)


@pytest.mark.parametrize(
    ("machine", "subject", "level", "text"),
    [
        (
            Machine(processors=8, processor_limit=1.5),
            "processors",
            Level.OK,
            "8, of which the control group allows 1.5",
        ),
        (Machine(processors=8, processor_limit=16.0), "processors", Level.OK, "8"),
        (Machine(processors=1, memory=4 * GB, memory_free=GB), "memory", Level.WARN, "1.0 GB free of 4.0 GB"),
        (
            Machine(processors=1, memory=64 * GB, memory_free=3 * GB, memory_limit=4 * GB),
            "memory",
            Level.OK,
            "3.0 GB free of 64.0 GB, limited to 4.0 GB by the control group",
        ),
        (Machine(processors=1, disk_free=GB // 2), "disk", Level.WARN, "0.5 GB free for tfo-runs"),
    ],
)
def test_limits_of_the_machine(machine: Machine, subject: str, level: Level, text: str) -> None:
    finding = found(replace(FIT, machine=machine), subject)
    assert (finding.level, finding.text) == (level, text)


def test_what_cannot_be_told_is_not_said() -> None:
    facts = replace(FIT, machine=Machine(processors=1), tensorflow=TensorFlow())
    assert [one.subject for one in judge(facts)] == ["tfo", "Python", "system", "TensorFlow", "processors"]
