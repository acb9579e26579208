"""A training loop of its own for ParameterServerStrategy: the chief deals out the steps, the workers do them.

tfo run --ps 1 --workers 2 -- python examples/parameter_server.py --epochs 20
"""

import argparse
import os
from collections.abc import Callable
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")

import keras
import numpy as np
import tensorflow as tf
from sklearn.datasets import load_digits

from orchestrator.train import Checkpointer, StopAgreement, context, report, serve

BATCH = 96
STEPS_PER_EPOCH = 14


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=20)
    arguments = parser.parse_args()
    serve()  # a parameter server or a worker runs TensorFlow's server from here to its end

    strategy = tf.distribute.ParameterServerStrategy(tf.distribute.cluster_resolver.TFConfigClusterResolver())
    keras.utils.set_random_seed(1)
    x, y = load_digits(return_X_y=True)
    order = np.random.RandomState(1).permutation(len(x))
    x, y = (x[order] / 16.0).astype("float32"), y[order].astype("int32")
    with strategy.scope():  # the parameter servers hold what is made in here
        model = build_model()
        sums = tf.Variable([0.0, 0.0], aggregation=tf.VariableAggregation.SUM)  # of steps and losses
    train_round = build_round(strategy, model, sums, (x[:1344], y[:1344]))
    train(strategy, model, train_round, arguments.epochs)

    accuracy = float(np.mean(model(x[1344:]).numpy().argmax(axis=1) == y[1344:]))
    report(val_accuracy=accuracy)
    print(f"val_accuracy {accuracy:.4f}", flush=True)


def build_model() -> Any:
    layers = [keras.layers.Dense(64, activation="relu"), keras.layers.Dense(10, activation="softmax")]
    model = keras.Sequential([keras.layers.Input((64,)), *layers])
    model.compile(optimizer=keras.optimizers.Adam(0.002))
    model.optimizer.build(model.trainable_variables)  # on a worker no variable can be made
    return model


def build_round(strategy: Any, model: Any, sums: Any, examples: Any) -> Callable[[int], float]:
    """A function that does so many steps and returns their mean loss."""

    def pipeline() -> Any:
        return tf.data.Dataset.from_tensor_slices(examples).shuffle(1344).repeat().batch(BATCH)

    def replica_step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.sparse_categorical_crossentropy(y, model(x, training=True)))
        variables = model.trainable_variables
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        sums.assign_add([1.0, loss])  # not returned: what a worker returns is lost with the worker

    step = tf.function(lambda batches: strategy.run(replica_step, args=next(batches)))
    coordinator = tf.distribute.coordinator.ClusterCoordinator(strategy)
    batches = iter(coordinator.create_per_worker_dataset(pipeline))

    def train_round(steps: int) -> float:
        for _ in range(steps):
            coordinator.schedule(step, args=(batches,))
        coordinator.join()  # also when a worker is lost: another one does its steps
        counted, loss = sums.numpy()
        sums.assign([0.0, 0.0])
        return float(loss / counted)

    return train_round


def train(strategy: Any, model: Any, train_round: Callable[[int], float], epochs: int) -> None:
    me, checkpointer, agreement = context(), Checkpointer(), StopAgreement(strategy)
    done, total = me.restore_step or 0, epochs * STEPS_PER_EPOCH
    if me.restore_step is not None:
        checkpointer.restore(model, done)
        print(f"goes on from step {done}", flush=True)
    while done < total:
        steps = min(STEPS_PER_EPOCH, total - done)
        loss = train_round(steps)
        done += steps
        report(step=done, total_steps=total, examples=steps * BATCH, loss=loss)
        stopping = agreement.should_stop(done)  # SIGTERM: here only the chief is asked before the others
        if stopping or done == total or done % me.checkpoint_every_steps < steps:
            checkpointer.save(model, done)
        if stopping:
            agreement.leave()


if __name__ == "__main__":
    main()
