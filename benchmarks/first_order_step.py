"""The six first-order optimizers against Keras's own, side by side and interleaved in one process.

    KERAS_BACKEND=tensorflow python benchmarks/first_order_step.py

Each case makes two optimizers of the same rule, ours and Keras's, over variables of the same
shapes; they take turns, and what is printed is the median over the rounds of the ratio of their
times. What is timed is an update as it runs inside a train step, on gradients that are there
already: on TensorFlow several updates in a loop inside one graph, on JAX a jitted function with its
state donated, on torch the plain calls. Compilation is over before the first round that counts.

The bandwidth floor is the time in which memory alone could pass the numbers that a rule must read
and write once (the gradient, the variable and its state), at the rate at which two threads add one
array of as many numbers to another, which takes its turn in every round. (A copy would be no
measure: the processor first reads what it is about to overwrite.) That of many small variables on
TensorFlow is the time of an `assign_add` to each. `--memory` prints instead the peak memory of one
process for each optimizer; `--fit` times whole epochs of `fit`.
"""

import argparse
import os
import resource
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from paired import quartiles, row, take_turns, version, write

import keras_dlnotes as kd

BACKEND = keras.backend.backend()
SHAPES = {"20 of 1000x1000": [(1000, 1000)] * 20, "300 of 64": [(64,)] * 300}
# Keras's twin, its arguments, and how many arrays the rule must read and write once.
TWINS = {
    "GradientDescent": ("SGD", {}, 3),
    "Momentum": ("SGD", {"momentum": 0.9}, 5),
    "NesterovMomentum": ("SGD", {"momentum": 0.9, "nesterov": True}, 5),
    "AdaGrad": ("Adagrad", {}, 5),
    "RMSProp": ("RMSprop", {}, 5),
    "Adam": ("Adam", {}, 7),
}
# Ours over Keras's, where the aim is more than to be no slower.
LARGE, SMALL = SHAPES
GOALS = {
    "tensorflow": {(LARGE, "Adam"): 0.3} | {(SMALL, name): 0.25 for name in TWINS},
    "torch": {(LARGE, name): 0.75 for name in ("GradientDescent", "Momentum", "NesterovMomentum")},
    "jax": {(LARGE, "Adam"): 1.0, (SMALL, "Adam"): 1.0},
}[BACKEND]


def optimizers_of(name):
    """Ours and Keras's, at the same learning rate."""
    twin, arguments, _ = TWINS[name]
    ours = getattr(kd.optimizers, name)(1e-3)
    return {"ours": ours, "keras": getattr(keras.optimizers, twin)(1e-3, **arguments)}


def repeated_update(optimizer, shapes, repeats):
    """A function that applies the optimizer `repeats` times to new variables."""
    rng = np.random.default_rng(0)
    variables = [keras.Variable(rng.normal(size=shape).astype("float32")) for shape in shapes]
    gradients = [
        keras.ops.convert_to_tensor(rng.normal(size=shape).astype("float32")) for shape in shapes
    ]
    optimizer.build(variables)
    maker = {"tensorflow": tensorflow_update, "jax": jax_update, "torch": torch_update}[BACKEND]
    return maker(optimizer, variables, gradients, repeats)


def tensorflow_update(optimizer, variables, gradients, repeats):
    """A loop inside one graph, so that calling the graph is not what is timed."""
    import tensorflow as tf

    # Many small inputs would take longer to pass into the graph than to use.
    stacked = tf.stack(gradients) if len(gradients) > 100 else None

    @tf.function
    def update():
        inputs = gradients if stacked is None else tf.unstack(stacked)
        for _ in tf.range(repeats):
            optimizer.apply(inputs, variables)

    return update


def jax_update(optimizer, variables, gradients, repeats):
    """The stateless form that `fit` compiles; the old state is given up to the new one."""
    import jax

    # As arguments: of constants XLA would compute (1 - beta) g once, and keep it in memory.
    def stateless(gradients, trainable, state):
        return optimizer.stateless_apply(state, gradients, trainable)

    compiled = jax.jit(stateless, donate_argnums=(1, 2))
    # Copies: the variables themselves must outlive the donation of their first values.
    values = [[jax.numpy.copy(v.value) for v in part] for part in (variables, optimizer.variables)]

    def update():
        for _ in range(repeats):
            values[:] = compiled(gradients, *values)
        jax.block_until_ready(values)

    return update


def torch_update(optimizer, variables, gradients, repeats):
    """Plain calls, as the trainer makes them."""
    import torch

    @torch.no_grad()
    def update():
        for _ in range(repeats):
            optimizer.apply(gradients, variables)
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    return update


def epoch(optimizer, build, shape):
    """A function that trains for one epoch of forty steps."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40 * 32, *shape)).astype("float32")
    y = rng.integers(0, 10, size=len(x))
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return lambda: model.fit(x, y, batch_size=32, verbose=0, shuffle=False)


def mlp():
    """10 tanh layers of 256 units."""
    layers = [keras.layers.Dense(256, activation="tanh") for _ in range(10)]
    return keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)])


def cnn():
    """Two convolutions and a dense layer on small grey images."""
    layers = [keras.Input((16, 16, 1))]
    for filters in (16, 32):
        layers += [keras.layers.Conv2D(filters, 3, activation="relu"), keras.layers.MaxPooling2D()]
    return keras.Sequential([*layers, keras.layers.Flatten(), keras.layers.Dense(10)])


class Assignments:
    """No rule: adds to each variable by an operation of its own, as every update has to."""

    def build(self, variables):
        """Has no state."""

    def apply(self, gradients, variables):
        """Adds the gradients."""
        for gradient, variable in zip(gradients, variables, strict=True):
            variable.value.assign_add(gradient)


def updates(title, name, rounds, addition):
    """Seconds of `repeats` updates by ours and by Keras's and of an addition, and `repeats`.

    On TensorFlow "assignments" are those of so many variables alone.
    """
    shapes = SHAPES[title]
    repeats = 3 if len(shapes) < 100 else 10
    functions = {
        key: repeated_update(optimizer, shapes, repeats)
        for key, optimizer in optimizers_of(name).items()
    }
    if BACKEND == "tensorflow":
        functions["assignments"] = repeated_update(Assignments(), shapes, repeats)
    return take_turns({**functions, "addition": addition}, rounds), repeats


def floor_of(title, name, seconds, passed_bytes, repeats):
    """Seconds of memory's part: what the rule must read and write; or of the assignments alone."""
    numbers = sum(int(np.prod(shape)) for shape in SHAPES[title])
    memory = TWINS[name][2] * 4 * numbers / passed_bytes * float(np.median(seconds["addition"]))
    if title == LARGE or "assignments" not in seconds:
        return memory
    return max(memory, float(np.median(seconds["assignments"])) / repeats)


def large_addition(size=20_000_000, threads=2):
    """A function that adds to a large array by two threads, and how many bytes it passes."""
    source, target = np.ones(size, "float32"), np.zeros(size, "float32")
    halves = [slice(i * size // threads, (i + 1) * size // threads) for i in range(threads)]
    pool = ThreadPoolExecutor(threads)

    def add(part):
        np.add(target[part], source[part], out=target[part])

    return lambda: list(pool.map(add, halves)), 3 * source.nbytes


def print_updates(rounds):
    """Prints the table of updates."""
    addition, passed_bytes = large_addition()
    print(f"{BACKEND}, medians of {rounds} rounds\n")
    print("| variables | rule | Keras ms | ours ms | ours / Keras | floor ms | ours / floor |")
    print("|---|---|---|---|---|---|---|")
    for title in SHAPES:
        for name in TWINS:
            seconds, repeats = updates(title, name, rounds, addition)
            medians = {key: float(np.median(times)) for key, times in seconds.items()}
            keras_ms, ours_ms = (medians[key] / repeats * 1e3 for key in ("keras", "ours"))
            floor_ms = 1e3 * floor_of(title, name, seconds, passed_bytes, repeats)
            ratio = quartiles(seconds["ours"], seconds["keras"])[1]
            print(
                f"| {title} | {name} | {keras_ms:.2f} | {ours_ms:.2f} | {ratio:.2f} "
                f"| {floor_ms:.2f} | {ours_ms / floor_ms:.1f} |",
                flush=True,
            )


def rows(rounds):
    """Lines for `python -m benchmarks`: those that have a goal."""
    addition, passed_bytes = large_addition()
    for (title, name), goal in GOALS.items():
        seconds, repeats = updates(title, name, rounds, addition)
        floor = floor_of(title, name, seconds, passed_bytes, repeats)
        yield row(
            f"{name}, {title}",
            f"its {TWINS[name][0]}, {version('Keras')}",
            seconds["ours"],
            seconds["keras"],
            goal,
            each=repeats,
            floor_ms=1e3 * floor,
        )


def print_epochs(rounds):
    """Prints the table of whole epochs."""
    print("| fit | rule | Keras ms | ours ms | ours / Keras |")
    print("|---|---|---|---|---|")
    for build, shape in ((mlp, (64,)), (cnn, (16, 16, 1))):
        for name in TWINS:
            functions = {
                key: epoch(optimizer, build, shape)
                for key, optimizer in optimizers_of(name).items()
            }
            seconds = take_turns(functions, rounds)
            ratio = quartiles(seconds["ours"], seconds["keras"])[1]
            keras_ms, ours_ms = (1e3 * np.median(seconds[key]) for key in ("keras", "ours"))
            print(f"| {build.__name__} | {name} | {keras_ms:.0f} | {ours_ms:.0f} | {ratio:.2f} |")


def print_memory():
    """Prints the peak memory of one process for each rule and side."""
    print("| variables | rule | Keras MB | ours MB | ours / Keras |")
    print("|---|---|---|---|---|")
    for title in SHAPES:
        for name in TWINS:
            peaks = {}
            for key in ("keras", "ours"):
                command = [sys.executable, __file__, "--peak", title, name, key]
                result = subprocess.run(command, capture_output=True, text=True, check=True)
                peaks[key] = float(result.stdout.split()[-1])
            ratio = peaks["ours"] / peaks["keras"]
            print(
                f"| {title} | {name} | {peaks['keras']:.0f} | {peaks['ours']:.0f} | {ratio:.2f} |",
                flush=True,
            )


def print_peak(title, name, key):
    """Prints this process's peak memory in MB after a few updates by one optimizer."""
    update = repeated_update(optimizers_of(name)[key], SHAPES[title], 3)
    for _ in range(3):
        update()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--fit", action="store_true", help="time epochs of fit")
    parser.add_argument("--memory", action="store_true", help="peak memory, a process for each")
    parser.add_argument("--json", action="store_true", help="rows for python -m benchmarks")
    parser.add_argument("--peak", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peak:
        print_peak(*arguments.peak)
    elif arguments.json:
        write(rows(arguments.rounds))
    elif arguments.memory:
        print_memory()
    elif arguments.fit:
        print_epochs(arguments.rounds)
    else:
        print_updates(arguments.rounds)
