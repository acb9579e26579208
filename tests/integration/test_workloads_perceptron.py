"""The perceptron as a program: the table against the same arithmetic in fractions, TensorBoard files, its reports."""

from fractions import Fraction
from pathlib import Path

import pytest

from tests.fixtures.workload_runs import reported, run_to_end

pytestmark = pytest.mark.tensorflow

SAMPLES = (((1, 0, 0), 1), ((1, 0, 1), 1), ((1, 1, 0), 1), ((1, 1, 1), 0))
RATE, THRESHOLD = Fraction(1, 10), Fraction(1, 2)


def table() -> list[list[Fraction]]:
    """pass, x, y, w, c, z, n, e, d, new w of every row, up to the first clean pass."""
    weights, rows = [Fraction(0)] * 3, []
    for number in range(1, 100):
        errors = []
        for inputs, target in SAMPLES:
            products = [x * w for x, w in zip(inputs, weights, strict=True)]
            total = sum(products, Fraction(0))
            output = Fraction(int(total > THRESHOLD))
            error = target - output
            after = [w + RATE * error * x for x, w in zip(inputs, weights, strict=True)]
            head = [Fraction(each) for each in (number, *inputs, target)]
            rows.append([*head, *weights, *products, total, output, error, RATE * error, *after])
            weights = after
            errors.append(error)
        if not any(errors):
            return rows
    raise AssertionError("never clean")


def test_the_table_is_the_one_computed_by_hand(tmp_path: Path) -> None:
    (member,) = run_to_end(["perceptron"], tmp_path)
    lines = [line.split() for line in member.output.splitlines()]
    rows = [[Fraction(word) for word in words] for words in lines if words and words[0].isdecimal()]
    assert rows == table()
    after_pass = {int(row[0]): [float(weight) for weight in row[-3:]] for row in rows}
    assert after_pass[1] == [0.3, 0.1, 0.1]
    assert after_pass[3] == [0.5, 0.0, 0.0]
    corrections = [row for row in rows if row[-4] != 0]
    assert [float(value) for value in (corrections[-1][0], *corrections[-1][5:8])] == [8, 0.7, -0.2, -0.2]
    assert [float(value) for value in corrections[-1][-3:]] == [0.8, -0.2, -0.1]
    assert max(after_pass) == 9
    assert "Pass 9 needed no correction. Learned: w = (0.8, -0.2, -0.1)" in member.output
    assert (member.last_step(), reported(member, "accuracy")[-1]) == (36, 1.0)
    assert [each.total_steps for each in member.reports if each.total_steps][-1] == 36
    (events,) = (tmp_path / "logs").glob("events.out.tfevents.*")
    data = events.read_bytes()
    assert all(name in data for name in (b"weights/w0", b"weights/w1", b"weights/w2", b"AssignAddVariableOp"))
