"""The classic three-input perceptron: learns four samples one by one and prints every step of the arithmetic.

Run by `__main__` as one process. A unit step on the weighted sum, a fixed rate, no batches: small enough to follow
by hand. Computed by TensorFlow operations on one variable; `perceptron_table` only formats. Not distributed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

from orchestrator.train import report
from orchestrator.workloads.options import PerceptronOptions
from orchestrator.workloads.perceptron_table import SAMPLES, Row, render_header, render_row

DECIMALS = 1e6
"""z is compared after rounding to a millionth: a sum that is 0.5 on paper must not exceed 0.5 by a rounding error."""


def run(options: PerceptronOptions, log_dir: str) -> int:
    """Learns until a pass needs no correction, or the passes are used up. The exit code is 0 in both cases."""
    model = Perceptron(options.learning_rate, options.threshold)
    print(render_header(), flush=True)
    with _summaries(model, log_dir) if options.summaries else nullcontext():
        last = _learn(model, options)
    shown = ", ".join(f"{weight:.6g}" for weight in last[-1].weights_after)
    end = f"Not learned after {last[-1].number} passes:"
    if is_clean(last):
        end = f"Pass {last[-1].number} needed no correction. Learned:"
    print(f"{end} w = ({shown})", flush=True)
    if options.summaries:
        print(f"TensorBoard files: {log_dir}", flush=True)
    return 0


def is_clean(rows: Sequence[Row]) -> bool:
    """Whether no sample of this pass was answered wrongly."""
    return not any(row.error for row in rows)


class Perceptron:
    """Three weights and the rule that corrects them."""

    def __init__(self, rate: float, threshold: float) -> None:
        import tensorflow as tf

        self._tf = tf
        self._rate, self._threshold = rate, threshold
        self.weights = tf.Variable(tf.zeros([3], tf.float64), name="weights")
        self._learn = tf.function(
            self._correct, input_signature=[tf.TensorSpec([3], tf.float64), tf.TensorSpec([], tf.float64)]
        )

    def learn(self, number: int, inputs: tuple[int, ...], target: int) -> Row:
        """Shows one sample; returns all that was computed."""
        tf = self._tf
        before = self.weights.numpy()
        products, total, output, error, correction = self._learn(
            tf.constant(inputs, tf.float64), tf.constant(target, tf.float64)
        )
        return Row(
            number=number,
            inputs=inputs,
            target=target,
            weights_before=_floats(before),
            products=_floats(products.numpy()),
            total=float(total),
            output=int(output),
            error=int(error),
            correction=float(correction),
            weights_after=_floats(self.weights.numpy()),
        )

    def write_graph(self) -> None:
        self._tf.summary.graph(self._learn.get_concrete_function().graph)

    def write_summary(self, step: int, error: int = 0) -> None:
        for index, weight in enumerate(self.weights.numpy()):
            self._tf.summary.scalar(f"weights/w{index}", weight, step)
        self._tf.summary.histogram("weights", self.weights, step)
        self._tf.summary.scalar("error", abs(error), step)

    def _correct(self, inputs: Any, target: Any) -> tuple[Any, ...]:  # tensors: TensorFlow has no types
        tf = self._tf
        products = inputs * self.weights
        total = tf.round(tf.reduce_sum(products) * DECIMALS) / DECIMALS
        output = tf.where(total > self._threshold, tf.ones_like(total), tf.zeros_like(total))
        error = target - output
        correction = self._rate * error
        self.weights.assign_add(correction * inputs)
        return products, total, output, error, correction


def _learn(model: Perceptron, options: PerceptronOptions) -> list[Row]:
    """Prints every row on the way; returns those of the last pass."""
    rows: list[Row] = []
    total_steps = options.epochs * len(SAMPLES)
    for number in range(1, options.epochs + 1):
        rows = []
        for inputs, target in SAMPLES:
            row = model.learn(number, inputs, target)
            rows.append(row)
            step = (number - 1) * len(SAMPLES) + len(rows)
            print(render_row(row), flush=True)
            report(step=step, total_steps=total_steps, epoch=number, examples=1, loss=abs(row.error))
            if options.summaries:
                model.write_summary(step, row.error)
        report(accuracy=sum(not row.error for row in rows) / len(rows))
        if is_clean(rows):
            report(total_steps=number * len(SAMPLES))
            break
    return rows


@contextmanager
def _summaries(model: Perceptron, log_dir: str) -> Iterator[None]:
    import tensorflow as tf

    writer = tf.summary.create_file_writer(log_dir)
    with writer.as_default():
        model.write_graph()
        model.write_summary(0)
        yield
    writer.close()


def _floats(values: Any) -> tuple[float, ...]:  # a NumPy array
    # The weights are sums of a few corrections: ten decimals show them as they are on paper.
    return tuple(round(float(value), 10) + 0.0 for value in values)
