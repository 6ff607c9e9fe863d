"""Script: trains on one device and on several, and fails where the second-order methods differ.

Arguments: how (`mirrored`, `workers`, `data`, `model`, `processes`), number of replicas, methods
with commas between, and for several processes the number of this one and a port. Prints a line a
case, and "as on one device" at its end. Everything is float64, by a layer whose products are so
on every backend.
"""

import contextlib
import datetime
import json
import os
import sys
import warnings

HOW, REPLICAS, METHODS = sys.argv[1], int(sys.argv[2]), sys.argv[3].split(",")
RANK, PORT = (int(sys.argv[4]), int(sys.argv[5])) if len(sys.argv) > 4 else (0, 0)

strategy = None
if HOW in ("mirrored", "workers"):
    import tensorflow as tf

    if HOW == "mirrored":
        cpu = tf.config.list_physical_devices("CPU")[0]
        devices = [tf.config.LogicalDeviceConfiguration()] * REPLICAS
        tf.config.set_logical_device_configuration(cpu, devices)
        strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(REPLICAS)])
    else:
        workers = [f"localhost:{PORT + i}" for i in range(REPLICAS)]
        task = {"type": "worker", "index": RANK}
        os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
elif HOW in ("data", "model"):
    os.environ["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={REPLICAS}"
    os.environ["JAX_ENABLE_X64"] = "1"
else:
    import torch
    import torch.distributed

import keras  # noqa: E402
import numpy as np  # noqa: E402
from keras import ops  # noqa: E402

import keras_dlnotes as kd  # noqa: E402

warnings.simplefilter("error")
warnings.filterwarnings("ignore", message=".*__array__.*")
warnings.filterwarnings("ignore", message=".*took no step.*")
keras.config.set_floatx("float64")

DRAW = np.random.default_rng(0)
X = DRAW.normal(size=(48, 5))
Y = np.sin(X[:, :1]) + 0.1 * DRAW.normal(size=(48, 1))
WEIGHTS = DRAW.uniform(0.5, 2.0, 48)
FULL, SECOND = kd.callbacks.FullBatch, kd.callbacks.SecondDerivatives


class Squares(keras.losses.Loss):
    """The mean of squares; that of `keras.ops.mean` has the digits of float32 on JAX and torch."""

    def __call__(self, y_true, y_pred, sample_weight=None):
        squares = ops.sum(ops.square(y_true - y_pred), axis=-1)
        if sample_weight is not None:
            squares = squares * ops.reshape(sample_weight, (-1,))
        return ops.sum(squares) / ops.cast(ops.shape(squares)[0], "float64")


LOSS = keras.losses.MeanSquaredError() if strategy is not None else Squares()


class Linear(keras.layers.Layer):
    """x W + b; Keras's own product is float32 on torch."""

    def __init__(self, units):
        super().__init__()
        self.units = units

    def build(self, shape):
        penalty = keras.regularizers.L2(1e-3)
        size = (shape[-1], self.units)
        self.kernel = self.add_weight(shape=size, regularizer=penalty, name="kernel")
        self.bias = self.add_weight(shape=size[1:], initializer="zeros", name="bias")

    def call(self, x):
        return ops.sum(x[:, :, None] * self.kernel, axis=1) + self.bias


class SeveralWorkers(keras.Sequential):
    """What gets round Keras's faults under several workers (docs/distributed.md)."""

    def _maybe_symbolic_build(self, iterator=None, data_batch=None):
        pass

    def train_step(self, data):
        logs = super().train_step(data)
        return {name: keras.ops.reshape(value, (1,)) for name, value in logs.items()}


def optimizer_of(method):
    if method == "SSBroyden":
        return kd.optimizers.BFGS(update="ssbroyden")
    return getattr(kd.optimizers, method)()


def model_of(method, several, layers):
    keras.utils.set_random_seed(0)
    kind = SeveralWorkers if several and HOW == "workers" else keras.Sequential
    with strategy.scope() if several and strategy is not None else contextlib.nullcontext():
        model = kind([keras.Input((5,)), *layers()], name="network")
        model.compile(optimizer_of(method), LOSS, jit_compile=HOW in ("data", "model"))
    return model


def curved():
    return [Linear(6), keras.layers.Activation("tanh"), Linear(1)]


def convex():
    return [Linear(1)]


def part_of(count, several):
    """This process's part of so many examples; unequal parts where they are processes."""
    if not several or HOW != "processes":
        return slice(0, count)
    ends = np.linspace(0, count, REPLICAS + 1).astype(int)
    ends[1:-1] += 2  # the first has two more than its share
    return slice(ends[RANK], ends[RANK + 1])


def fitted(method, several, layers, count, batch, weights, callbacks, epochs):
    model = model_of(method, several, layers)
    part = part_of(count, several)
    arrays = X[part], Y[part], *([WEIGHTS[part]] if weights else [])
    data = dict(zip(("x", "y", "sample_weight"), arrays, strict=False), batch_size=batch)
    if HOW == "mirrored":
        # Without an end: each epoch's own iterators over several devices take half a second.
        endless = tf.data.Dataset.from_tensor_slices(arrays).batch(batch).repeat()
        data = {"x": endless, "steps_per_epoch": -(-count // batch)}
    model.fit(
        **data,
        epochs=epochs,
        shuffle=False,
        verbose=0,
        callbacks=[make() for make in callbacks],
    )
    return model.optimizer, values(model)


def in_a_loop(method, several, ends, evaluations):
    """A loop of one's own; the replicas' parts of the data end where `ends` says."""
    model = model_of(method, several, curved)
    optimizer, loss = model.optimizer, LOSS
    optimizer.build(model.trainable_variables)
    parts = [slice(a, b) for a, b in zip([0, *ends[:-1]], ends, strict=True)]
    replicas = REPLICAS if several and HOW == "mirrored" else 1

    def step(x, y):
        optimizer.count_examples(ops.shape(x)[0])
        if HOW == "processes":
            model.zero_grad()
            scaled = optimizer.scale_loss(loss(y, model(x)) + sum(model.losses))
            scaled.backward()
            gradients = [v.value.grad for v in model.trainable_variables]
            with torch.no_grad():
                optimizer.apply(gradients, model.trainable_variables)
            return
        with tf.GradientTape() as tape:  # Keras's loss is divided by the replicas already
            total = loss(y, model(x)) + tf.add_n(model.losses) / replicas
            scaled = optimizer.scale_loss(total)
        gradients = tape.gradient(scaled, [v.value for v in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)

    if HOW == "processes":
        part = parts[RANK] if several else slice(0, len(X))
        x, y = torch.from_numpy(X[part]), torch.from_numpy(Y[part])
        for _ in range(evaluations):
            step(x, y)
    elif several:

        def per_replica(array):
            return strategy.experimental_distribute_values_from_function(
                lambda context: tf.constant(array[parts[context.replica_id_in_sync_group]])
            )

        x, y = per_replica(X), per_replica(Y)

        @tf.function(autograph=False)
        def steps():
            strategy.run(step, args=(x, y))

        for _ in range(evaluations):
            steps()
    else:
        run = tf.function(lambda: step(tf.constant(X), tf.constant(Y)), autograph=False)
        for _ in range(evaluations):
            run()
    optimizer.finalize_variable_values(model.trainable_variables)
    return optimizer, values(model)


def values(model):
    return np.concatenate([ops.convert_to_numpy(v).reshape(-1) for v in model.trainable_variables])


def cases():
    """Name, method, tolerance of the iterates, and a function of whether there are several."""
    for method in METHODS:
        first_order = method in ("LBFGS", "BFGS", "SSBroyden")
        helper = [] if first_order else [SECOND]
        uneven = [FULL] if first_order else [SECOND]
        if HOW != "processes":
            yield (
                f"{method}, equal parts, 10 evaluations",
                # The order of sums alone: 3e-10 for Newton's decomposition on four devices of JAX.
                1e-9 if method == "Newton" and HOW in ("data", "model") else 1e-10,
                lambda several, m=method, c=helper: fitted(m, several, curved, 48, 48, 0, c, 10),
            )
        else:
            yield (
                f"{method}, unequal parts, weights, 10 evaluations",
                1e-10,
                lambda several, m=method, c=uneven: fitted(m, several, curved, 47, 48, 1, c, 10),
            )
        end = [*(uneven if HOW == "processes" else helper), kd.callbacks.StopWhenConverged]
        yield (
            f"{method}, sample weights, until convergence",
            1e-9,
            lambda several, m=method, c=end: fitted(m, several, convex, 48, 48, 1, c, 400),
        )
        if first_order and HOW in ("mirrored", "workers", "processes"):
            # 2 * 20 + 1: the last batch leaves replicas without data.
            yield (
                f"{method}, weights, a batch that not all replicas share, 10 evaluations",
                1e-10,
                lambda several, m=method: fitted(m, several, curved, 41, 20, 1, [FULL], 10),
            )
        if HOW in ("mirrored", "processes"):
            ends = [30, *[31] * (REPLICAS - 2), 48] if REPLICAS > 2 else [48, 48]
            yield (
                f"{method}, a loop in which one has no data, 10 evaluations",
                1e-10,
                lambda several, m=method, e=ends: in_a_loop(m, several, e, 10),
            )


def same_on_all_ranks(weights):
    if HOW == "processes":
        every = [None] * REPLICAS
        torch.distributed.all_gather_object(every, weights)
        assert all(np.array_equal(every[0], other) for other in every)


def error_of(function):
    try:
        function()
    except (RuntimeError, ValueError) as error:
        return str(error)
    return "no error"


def copies_that_differ_are_an_error():
    model = model_of("LBFGS", True, convex)

    def spoil(epoch, logs=None):
        if epoch == 3:  # the last one
            copy = model.optimizer._accepted_point.value.values[1]
            copy.assign(copy + 1.0)

    spoiling = keras.callbacks.LambdaCallback(on_epoch_end=spoil)
    arguments = {"batch_size": 48, "epochs": 4, "verbose": 0, "callbacks": [spoiling]}
    text = error_of(lambda: model.fit(X, Y, **arguments))
    assert "differ between the replicas of MirroredStrategy" in text, text


def processes_that_do_not_fit():
    weight = keras.Variable(np.ones(3), dtype="float64")
    gradients = {"zero": np.zeros(3), "not finite": np.full(3, np.nan), "averaged": np.ones(3)}
    for name, gradient in gradients.items():
        optimizer = kd.optimizers.LBFGS()
        optimizer.build([weight])

        def evaluate(optimizer=optimizer, gradient=gradient):
            optimizer.count_examples(3 + RANK)
            optimizer.scale_loss(ops.convert_to_tensor(1.0, dtype="float64"))
            optimizer.apply([ops.convert_to_tensor(gradient)], [weight])

        text = error_of(evaluate)
        expected = "gradients are the same" if name == "averaged" else "no error"
        assert expected in text, (name, text)
    model = model_of("LBFGS", True, convex)
    averaged = torch.nn.parallel.DistributedDataParallel(model)
    part, loss = part_of(48, True), Squares()
    model.zero_grad()
    model.optimizer.weigh_batch(len(X[part]))
    total = loss(torch.from_numpy(Y[part]), averaged(torch.from_numpy(X[part])))
    model.optimizer.scale_loss(total).backward()
    with torch.no_grad():
        gradients = [v.value.grad for v in model.trainable_variables]
        model.optimizer.apply(gradients, model.trainable_variables)
    text = error_of(model.optimizer.finish_evaluation)
    assert "gradients are the same" in text, text
    keras.utils.set_random_seed(RANK)
    stranger = kd.optimizers.LBFGS()
    other = keras.Variable(np.full(3, float(RANK)), dtype="float64")
    stranger.build([other])
    stranger.scale_loss(ops.convert_to_tensor(1.0, dtype="float64"))
    text = error_of(lambda: stranger.apply([ops.convert_to_tensor(np.ones(3))], [other]))
    assert "differ between the processes" in text, text


def main():
    every = list(cases())
    alone = [function(False) for _, _, function in every]
    if HOW == "processes":
        torch.distributed.init_process_group(
            "gloo",
            init_method=f"tcp://localhost:{PORT}",
            rank=RANK,
            world_size=REPLICAS,
            timeout=datetime.timedelta(seconds=120),
        )
    if HOW in ("data", "model"):
        devices = keras.distribution.list_devices()
        if HOW == "data":
            distribution = keras.distribution.DataParallel(devices=devices)
        else:
            shape = (REPLICAS // 2, 2)
            mesh = keras.distribution.DeviceMesh(shape, ("batch", "model"), devices)
            layout = keras.distribution.LayoutMap(mesh)
            layout["linear.*kernel"] = (None, "model")
            distribution = keras.distribution.ModelParallel(
                layout_map=layout, batch_dim_name="batch"
            )
        keras.distribution.set_distribution(distribution)
    for (name, tolerance, function), (optimizer, expected) in zip(every, alone, strict=True):
        several, weights = function(True)
        same_on_all_ranks(weights)
        distance = np.max(np.abs(weights - expected))
        losses = several.progress["loss"], optimizer.progress["loss"]
        line = f"{name}: weights {distance:.1e}, loss {abs(losses[0] - losses[1]):.1e}"
        print(f"{line}, {several.status}", flush=True)
        assert several.status == optimizer.status, (several.status, optimizer.status)
        both = several.progress["evaluations"], optimizer.progress["evaluations"]
        assert both[0] == both[1], both
        assert abs(losses[0] - losses[1]) <= 1e-10
        assert distance <= tolerance
    if HOW == "mirrored":
        copies_that_differ_are_an_error()
    if HOW == "processes":
        processes_that_do_not_fit()
    print("as on one device")
    if HOW == "processes":
        torch.distributed.destroy_process_group()


main()
