"""Time to a given loss: L-BFGS in `fit` against SciPy, torch and optax, side by side in one run.

    KERAS_BACKEND=tensorflow python benchmarks/second_order.py          every task
    KERAS_BACKEND=jax python benchmarks/second_order.py digits          one of them

Tasks, full batch, float32: logistic regression (the smallest), a network of about 10,000 weights
on the digits data, and a network of a million weights. Every solver starts from the same weights
and is timed from its first evaluation to the first loss at or below the target, compilation left
out: each runs once unmeasured, then all take turns for some rounds, of which the median counts. All
are compiled where they can be. The target is the loss that SciPy's
L-BFGS-B reaches after a fixed number of evaluations. Ours runs in `fit` with
`FullBatch(evaluations=10)` (2 for a million weights), and is stopped at the end of an epoch. On
TensorFlow it gets a repeated data set of one batch and `steps_per_epoch=1`: over arrays Keras makes
a new iterator in each epoch, which takes about 10 ms.
"evaluations alone" is no solver: loss and gradient as often as ours took them, and nothing else.
The last line is the cost of one L-BFGS direction against reading the history twice.
"""

import contextlib
import functools
import itertools
import os
import sys
import time

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import jax
import jax.numpy as jnp
import keras
import numpy as np
import optax
import torch
from paired import row, take_turns, version, write
from scipy.optimize import minimize
from sklearn.datasets import load_digits

import keras_dlnotes as kd
from keras_dlnotes.backend import active

MEMORY = 10
ROUNDS = 5
BACKEND = keras.backend.backend()
# Where Keras trains on torch, torch's own optimizer works too.
TORCH_DEVICE = "cuda" if BACKEND == "torch" and torch.cuda.is_available() else "cpu"


def tasks():
    """Name, layer sizes, data, SciPy's evaluations that set the target."""
    digits = load_digits()
    x = (digits.data / 16.0).astype("float32")
    yield "logistic", (64, 10), x, digits.target.astype("int32"), 60
    yield "digits", (64, 128, 10), x, digits.target.astype("int32"), 40
    rng = np.random.default_rng(0)
    wide = rng.normal(size=(512, 256)).astype("float32")
    labels = np.argmax(wide[:, :10] + wide[:, 10:20] * wide[:, 20:30], axis=1).astype("int32")
    yield "million", (256, 800, 800, 200, 10), wide, labels, 17


def start_weights(sizes):
    """Glorot-normal kernels and zero biases, [kernel, bias, kernel, ...]."""
    rng = np.random.default_rng(1)
    weights = []
    for before, after in itertools.pairwise(sizes):
        kernel = rng.normal(size=(before, after)) * np.sqrt(2.0 / (before + after))
        weights += [kernel.astype("float32"), np.zeros(after, "float32")]
    return weights


def network(sizes, optimizer):
    """The network, compiled."""
    layers = [keras.layers.Dense(n, "tanh") for n in sizes[1:-1]] + [keras.layers.Dense(sizes[-1])]
    model = keras.Sequential([keras.Input((sizes[0],)), *layers])
    model.compile(
        optimizer,
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile="auto" if BACKEND == "torch" else True,
    )
    return model


def ours(sizes, x, y, target, most):
    """Our L-BFGS inside `fit`."""
    optimizer = kd.optimizers.LBFGS(memory_size=MEMORY, gradient_tolerance=0.0)
    model = network(sizes, optimizer)
    # An epoch of several ends after the target by some: not worth it where an evaluation is slow.
    evaluations = 10 if len(sizes) <= 3 else 2
    data = {"x": x, "y": y, "batch_size": len(x)}
    if BACKEND == "tensorflow":
        import tensorflow as tf

        data = {"x": tf.data.Dataset.from_tensors((x, y)).repeat(), "steps_per_epoch": 1}
    stamps = []

    class Stop(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            stamps.append(time.perf_counter())

        def on_epoch_end(self, epoch, logs=None):
            if optimizer.progress["loss"] <= target:
                self.model.stop_training = True

    def run():
        model.set_weights(start_weights(sizes))
        for variable in optimizer.variables:
            if optimizer.built and variable is not optimizer.variables[1]:
                variable.assign(keras.ops.zeros(variable.shape, variable.dtype))
        stamps.clear()
        model.fit(
            **data,
            epochs=most // evaluations + 1,
            verbose=0,
            shuffle=False,
            callbacks=[kd.callbacks.FullBatch(evaluations=evaluations), Stop()],
        )
        seconds = time.perf_counter() - stamps[0]
        return seconds, optimizer.progress["evaluations"], optimizer.progress["loss"]

    return run


def flat_loss(sizes, library):
    """The network's loss as a function of one flat vector, in tensorflow, torch or jax."""
    if library == "tf":
        import tensorflow as tf

    shapes = [w.shape for w in start_weights(sizes)]

    def loss(flat, x, y):
        offset, h = 0, x
        for i in range(0, len(shapes), 2):
            n, m = shapes[i]
            kernel = (
                flat[offset : offset + n * m].reshape((n, m))
                if library != "tf"
                else tf.reshape(flat[offset : offset + n * m], (n, m))
            )
            bias = flat[offset + n * m : offset + n * m + m]
            offset += n * m + m
            h = h @ kernel + bias
            if i + 2 < len(shapes):
                h = (tf if library == "tf" else torch if library == "torch" else jnp).tanh(h)
        if library == "tf":
            return tf.reduce_mean(
                tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=h)
            )
        if library == "torch":
            return torch.nn.functional.cross_entropy(h, y)
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(h, y))

    return loss


class Reached(Exception):  # noqa: N818 - it is no error
    """The target is reached."""


def tensorflow_closure(sizes, x, y):
    """Loss and gradient of a flat vector, compiled by TensorFlow."""
    import tensorflow as tf

    loss, xt, yt = flat_loss(sizes, "tf"), tf.constant(x), tf.constant(y)

    @tf.function(jit_compile=True)
    def value_and_gradient(flat):
        with tf.GradientTape() as tape:
            tape.watch(flat)
            value = loss(flat, xt, yt)
        return value, tape.gradient(value, flat)

    return value_and_gradient


def jax_closure(sizes, x, y):
    """Loss and gradient of a flat vector, compiled by JAX."""
    loss, xj, yj = flat_loss(sizes, "jax"), jnp.asarray(x), jnp.asarray(y)
    return jax.jit(jax.value_and_grad(lambda flat: loss(flat, xj, yj)))


def scipy_lbfgs(sizes, x, y, target, most, closure_of=tensorflow_closure):
    """SciPy's L-BFGS-B over a compiled closure."""
    value_and_gradient = closure_of(sizes, x, y)
    start = np.concatenate([w.ravel() for w in start_weights(sizes)])
    record = []

    def closure(flat):
        value, gradient = value_and_gradient(flat.astype("float32"))
        record.append(float(value))
        if record[-1] <= target:
            raise Reached
        return record[-1], np.asarray(gradient, "float64")

    def run():
        record.clear()
        began = time.perf_counter()
        options = {"maxcor": MEMORY, "maxfun": most, "ftol": 0.0, "gtol": 0.0}
        with contextlib.suppress(Reached):
            minimize(closure, start, jac=True, method="L-BFGS-B", options=options)
        return time.perf_counter() - began, len(record), min(record)

    return run


def torch_lbfgs(sizes, x, y, target, most):
    """torch.optim.LBFGS with its strong Wolfe search."""
    to = lambda array: torch.tensor(array, device=TORCH_DEVICE)  # noqa: E731
    loss, xt, yt = flat_loss(sizes, "torch"), to(x), to(y).long()
    start = np.concatenate([w.ravel() for w in start_weights(sizes)])

    def run():
        flat = to(start).requires_grad_()
        optimizer = torch.optim.LBFGS(
            [flat],
            lr=1.0,
            max_iter=most,
            max_eval=most,
            history_size=MEMORY,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            line_search_fn="strong_wolfe",
        )
        record = []

        def closure():
            optimizer.zero_grad()
            value = loss(flat, xt, yt)
            value.backward()
            record.append(float(value.detach()))
            if record[-1] <= target:
                raise Reached
            return value

        began = time.perf_counter()
        with contextlib.suppress(Reached):
            optimizer.step(closure)
        return time.perf_counter() - began, len(record), min(record)

    return run


def optax_lbfgs(sizes, x, y, target, most):
    """The L-BFGS of optax with its zoom search, one jitted step an iteration."""
    loss, xj, yj = flat_loss(sizes, "jax"), jnp.asarray(x), jnp.asarray(y)
    start = jnp.asarray(np.concatenate([w.ravel() for w in start_weights(sizes)]))
    solver = optax.lbfgs(memory_size=MEMORY)
    value = lambda flat: loss(flat, xj, yj)  # noqa: E731
    both = optax.value_and_grad_from_state(value)

    @jax.jit
    def step(flat, state):
        before, gradient = both(flat, state=state)
        updates, state = solver.update(
            gradient, state, flat, value=before, grad=gradient, value_fn=value
        )
        return optax.apply_updates(flat, updates), state

    def run():
        flat, state, count = start, solver.init(start), 0
        began = time.perf_counter()
        for count in range(1, most + 1):  # noqa: B007 - it is returned
            flat, state = step(flat, state)
            reached = float(optax.tree.get(state, "value"))
            if reached <= target:
                break
        return time.perf_counter() - began, count, reached

    return run


def direction_cost(size=1_000_000):
    """Milliseconds for one direction with a full history, and for reading the history twice."""
    rng = np.random.default_rng(0)
    optimizer = kd.optimizers.LBFGS(memory_size=MEMORY)
    weights = keras.Variable(np.zeros(size, "float32"), name="weights")
    optimizer.build([weights])
    history = rng.normal(size=(2 * MEMORY, size)).astype("float32")
    history[MEMORY:] = history[:MEMORY] + 0.1 * history[MEMORY:]
    gram = history @ history.T
    optimizer._history.assign(history)
    to = keras.ops.convert_to_tensor
    gradient = to(rng.normal(size=size).astype("float32"))
    cross, square = to(gram[:MEMORY, MEMORY:]), to(gram[MEMORY:, MEMORY:])

    def direction(history, gradient):
        from keras_dlnotes.numerics import lbfgs_direction

        with_steps, _ = lbfgs_direction.products(history, MEMORY, gradient)  # the newest change's
        p = lbfgs_direction.direction(
            history,
            cross + 0.0 * with_steps[0],
            square,
            gradient,
            to(np.float32(0.9)),
            to(np.int32(MEMORY)),
            MEMORY,
        )
        return p

    def twice(history, gradient):
        sums = active.arrays.matrix_vector(history, gradient)
        return active.arrays.vector_matrix(sums, history)

    def milliseconds(function):
        if keras.backend.backend() == "tensorflow":
            import tensorflow as tf

            compiled = tf.function(function, jit_compile=True)
        else:
            compiled = jax.jit(function) if keras.backend.backend() == "jax" else function
        best = float("inf")
        for _ in range(15):
            began = time.perf_counter()
            np.asarray(compiled(optimizer._history.value, gradient)[:1])
            best = min(best, time.perf_counter() - began)
        return 1e3 * best

    return milliseconds(direction), milliseconds(twice)


def evaluations_alone(sizes, x, y, evaluations):
    """As many evaluations of loss and gradient as ours took, and nothing else."""
    count, to = sum(w.size for w in start_weights(sizes)), keras.ops.convert_to_tensor
    if BACKEND == "torch":
        loss, xt, yt = flat_loss(sizes, "torch"), to(x), to(y).long()
        flat = torch.zeros(count, device=TORCH_DEVICE, requires_grad=True)

        def value_and_gradient(flat):
            return torch.autograd.grad(loss(flat, xt, yt), flat)

    else:
        closure_of = tensorflow_closure if BACKEND == "tensorflow" else jax_closure
        value_and_gradient, flat = closure_of(sizes, x, y), to(np.zeros(count, "float32"))

    def run():
        began = time.perf_counter()
        for _ in range(evaluations):
            last = value_and_gradient(flat)
        keras.ops.convert_to_numpy(last[-1])  # waits for it
        return time.perf_counter() - began, evaluations, float("nan")

    return run


def timings(sizes, x, y, target, evaluations, solvers, rounds=ROUNDS):
    """Seconds of each solver, a list with one number a round, and (evaluations, loss) of each.

    "evaluations alone" is among them, see the top of this file.
    """
    runs = {s.__name__: s(sizes, x, y, target, 5 * evaluations) for s in solvers}
    ends = {solver: run()[1:] for solver, run in runs.items()}
    runs["evaluations alone"] = evaluations_alone(sizes, x, y, ends["ours"][0])
    timed = {solver: functools.partial(lambda run: run()[0], run) for solver, run in runs.items()}
    seconds = take_turns(timed, rounds, unmeasured=1, told=True)
    return seconds, ends | {"evaluations alone": runs["evaluations alone"]()[1:]}


def compare(sizes, x, y, target, evaluations, solvers, rounds=ROUNDS):
    """{solver: (median seconds, evaluations, loss)} and the evaluations alone, interleaved."""
    seconds, ends = timings(sizes, x, y, target, evaluations, solvers, rounds)
    return {solver: (np.median(times), *ends[solver]) for solver, times in seconds.items()}


def rows():
    """Lines for `python -m benchmarks`: beside the fastest of the others."""
    goal = 0.9 if BACKEND in ("jax", "torch") else 1.0
    packages = {"scipy_lbfgs": "SciPy", "torch_lbfgs": "torch", "optax_lbfgs": "optax"}
    for _, sizes, x, y, evaluations in tasks():
        count = sum(w.size for w in start_weights(sizes))
        target = scipy_lbfgs(sizes, x, y, -1.0, evaluations)()[2]
        solvers = (ours, scipy_lbfgs, torch_lbfgs, optax_lbfgs)
        seconds, ends = timings(sizes, x, y, target, evaluations, solvers)
        # Who does not reach the loss takes forever; SciPy does, as its loss is the target.
        seconds = {
            solver: [np.inf] * ROUNDS if ends[solver][1] > target else times
            for solver, times in seconds.items()
        }
        best = min(packages, key=lambda name: np.median(seconds[name]))
        yield row(
            f"L-BFGS to a given loss, {count:,} weights",
            version(packages[best]),
            seconds["ours"],
            seconds[best],
            goal,
            floor_ms=1e3 * float(np.median(seconds["evaluations alone"])),
        )


def main():
    """Print the tables."""
    chosen = sys.argv[1:]
    if chosen == ["--json"]:
        write(rows())
        return
    print(f"{keras.backend.backend()}: seconds to the target loss (evaluations; optax: iterations)")
    for name, sizes, x, y, evaluations in tasks():
        if chosen and name not in chosen:
            continue
        count = sum(w.size for w in start_weights(sizes))
        target = scipy_lbfgs(sizes, x, y, -1.0, evaluations)()[2]
        print(f"{name}: {count:,} weights, target {target:.3e}")
        solvers = (ours, scipy_lbfgs, torch_lbfgs, optax_lbfgs)
        medians = {}
        for solver, (seconds, taken, reached) in compare(
            sizes, x, y, target, evaluations, solvers
        ).items():
            late = f"  did not reach it: {reached:.3e}" if reached > target else ""
            medians[solver] = seconds if not late else float("inf")
            print(f"  {solver:17s} {seconds:8.3f} ({taken}){late}", flush=True)
        best = min(v for k, v in medians.items() if k not in ("ours", "evaluations alone"))
        print(f"  ours over the best of the others: {medians['ours'] / best:.2f}")
    if not chosen or "direction" in chosen:
        cost, floor = direction_cost()
        print(
            f"direction, 1,000,000 weights, {MEMORY} pairs: {cost:.1f} ms; reading the history "
            f"twice {floor:.1f} ms; ratio {cost / floor:.2f}"
        )


if __name__ == "__main__":
    main()
