"""What TrainingMonitor and Diagnosis cost, measured side by side and interleaved in one process.

    KERAS_BACKEND=tensorflow python benchmarks/monitor_overhead.py
    KERAS_BACKEND=tensorflow python benchmarks/monitor_overhead.py --diagnosis

Each case trains the same network three times: plainly, with the monitor at its default settings
and with `every=1`. The three take turns, one short `fit` each, for many rounds; what is printed
is the median over the rounds of the ratio of their times. Compilation is over before the first
round that counts. The "noise" column is a second plain twin against the first: what the machine
itself adds to a ratio. With `--diagnosis` it is Diagnosis instead, without its verdict at the end
of `fit`, whose seconds do not depend on how long training was; they have a column of their own.
"""

import argparse
import functools
import os
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from paired import quartiles, row, take_turns, version, write

import keras_dlnotes as kd

BACKEND = keras.backend.backend()
MODES = {
    "tensorflow": {"graph": False, "jit_compile=True": True},
    "jax": {"jit": True},
    "torch": {"eager": False},
}[BACKEND]
# Of the time of a plain step: at the default settings, and at every step.
GOALS = {
    "tensorflow": {"every=10": 1.03, "every=1": 1.08},
    "jax": {"every=10": 1.03, "every=1": 1.12},
    "torch": {"every=10": 1.03, "every=1": 1.25},
}[BACKEND]


def mlp():
    """10 tanh layers of 256 units."""
    layers = [keras.layers.Dense(256, activation="tanh") for _ in range(10)]
    return keras.Sequential([keras.Input((64,)), *layers, keras.layers.Dense(10)])


def cnn():
    """Three convolution blocks on 32x32 colour images."""
    layers = [keras.Input((32, 32, 3))]
    for filters in (32, 64, 128):
        layers += [
            keras.layers.Conv2D(filters, 3, padding="same", activation="relu"),
            keras.layers.MaxPooling2D(),
        ]
    layers += [keras.layers.Flatten(), keras.layers.Dense(128, activation="relu")]
    return keras.Sequential([*layers, keras.layers.Dense(10)])


def compiled(build, jit_compile):
    """A new model, the same weights each time."""
    keras.utils.set_random_seed(0)
    model = build()
    model.compile(
        optimizer="adam",
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile,
    )
    return model


class TimedDiagnosis(kd.callbacks.Diagnosis):
    """Says how long its verdict took."""

    verdict = 0.0

    def on_train_end(self, logs=None):
        """The verdict."""
        start = time.perf_counter()
        super().on_train_end(logs)
        self.verdict = time.perf_counter() - start


def monitors(log_dir):
    """The monitor at its default settings and at every step."""
    return {
        "every=10": [kd.callbacks.TrainingMonitor(f"{log_dir}/10")],
        "every=1": [kd.callbacks.TrainingMonitor(f"{log_dir}/1", every=1)],
    }


def diagnoses(log_dir):
    """Diagnosis at its default settings."""
    return {"Diagnosis": [TimedDiagnosis(verbose=0)]}


def cases(steps):
    """Network, builder, shape of an input, batch size, and steps: fewer where one takes longer."""
    return [
        ("MLP 10x256", mlp, (64,), 128, steps),
        ("MLP 10x256", mlp, (64,), 512, 3 * steps // 5),
        ("CNN 32x32", cnn, (32, 32, 3), 32, 3 * steps // 5),
    ]


def measure(build, shape, batch_size, jit_compile, steps, rounds, observers):
    """Seconds of each kind of `fit`, a list with one number a round, and verdicts' seconds."""
    random = np.random.default_rng(0)
    x = random.normal(size=(steps * batch_size, *shape)).astype("float32")
    y = random.integers(0, 10, size=len(x))
    callbacks = {"plain": [], "noise": [], **observers}
    models = {name: compiled(build, jit_compile) for name in callbacks}
    verdicts = [0.0]

    def fit(name):
        start = time.perf_counter()
        models[name].fit(x, y, batch_size=batch_size, verbose=0, callbacks=callbacks[name])
        verdicts.append(sum(getattr(callback, "verdict", 0.0) for callback in callbacks[name]))
        return time.perf_counter() - start - verdicts[-1]

    functions = {name: functools.partial(fit, name) for name in callbacks}
    seconds = take_turns(functions, rounds, told=True)
    return seconds, max(verdicts[-rounds * len(functions) :])


def rows(steps, rounds):
    """Lines for `python -m benchmarks`."""
    for mode, jit_compile in MODES.items():
        for network, build, shape, batch_size, number in cases(steps):
            with tempfile.TemporaryDirectory() as log_dir:
                seconds, _ = measure(
                    build, shape, batch_size, jit_compile, number, rounds, monitors(log_dir)
                )
            noise = quartiles(seconds["noise"], seconds["plain"])
            for how, goal in GOALS.items():
                yield row(
                    f"monitor, {how}: {network}, batch {batch_size}, {mode}",
                    f"plain fit, {version('Keras')}",
                    seconds[how],
                    seconds["plain"],
                    goal,
                    each=number,
                    noise=noise,
                )


def main():
    """Prints the table for the backend that runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--diagnosis", action="store_true")
    parser.add_argument("--json", action="store_true", help="rows for python -m benchmarks")
    arguments = parser.parse_args()
    if arguments.json:
        write(rows(arguments.steps, arguments.rounds))
        return
    print(f"{BACKEND}, Keras {keras.__version__}, {os.cpu_count()} CPU cores")
    heads = ["Diagnosis", "verdict"] if arguments.diagnosis else ["every=10 (default)", "every=1"]
    heads = ["backend", "network", "batch", "plain step", "noise", *heads]
    print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
    for mode, jit_compile in MODES.items():
        for network, build, shape, batch_size, number in cases(arguments.steps):
            with tempfile.TemporaryDirectory() as log_dir:
                seconds, verdict = measure(
                    build,
                    shape,
                    batch_size,
                    jit_compile,
                    number,
                    arguments.rounds,
                    (diagnoses if arguments.diagnosis else monitors)(log_dir),
                )
            plain = seconds.pop("plain")
            step = np.median(plain) / number
            cells = [f"{BACKEND}, {mode}", network, str(batch_size), f"{1e3 * step:.2f} ms"]
            cells += [f"{quartiles(times, plain)[1]:.3f}" for times in seconds.values()]
            cells += [f"{verdict:.2f} s"] if arguments.diagnosis else []
            print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
