"""What TrainingMonitor costs on networks that people train: time, memory and disk.

    KERAS_BACKEND=jax python benchmarks/real_networks.py
    KERAS_BACKEND=jax python benchmarks/real_networks.py --networks ResNet50 --rounds 5

All networks have random weights and get small pictures or short texts, made up. Each is measured in
a process of its own; within it the plain run, the monitor at its defaults and the monitor at every
step take turns, and what is printed is the median over the rounds of the ratio of their times.

Columns: a plain step; the ratios of step time; the ratio of the time from `fit` until 12 steps are
over, compilation included, each in a fresh process that has trained nothing before; megabytes of
event files for 10,000 steps at the defaults, from the bytes that eight more recorded steps
add; the ratio of the processes' peak memory after 12 steps.
"""

import argparse
import functools
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from paired import quartiles, row, take_turns, version, write
from unet import unet as three_levels

import keras_dlnotes as kd

CLASSES = 10


def resnet50():
    """ResNet50 on 64x64 pictures."""
    return keras.applications.ResNet50(
        weights=None, input_shape=(64, 64, 3), classes=CLASSES
    ), pictures(64)


def efficientnet():
    """EfficientNetB0 on 64x64 pictures."""
    return keras.applications.EfficientNetB0(
        weights=None, input_shape=(64, 64, 3), classes=CLASSES
    ), pictures(64)


def transformer():
    """12 blocks of attention and feed-forward layers, width 128, on texts of 64 tokens."""
    tokens = keras.Input((64,), dtype="int32")
    x = layers.Embedding(1000, 128)(tokens)
    for _ in range(12):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, 32)(y, y)])
        y = layers.LayerNormalization()(x)
        y = layers.Dense(128)(layers.Dense(512, activation="gelu")(y))
        x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(tokens, layers.Dense(CLASSES, activation="softmax")(x)), texts(64)


def recurrent():
    """Two bidirectional LSTM layers of 64 units on texts of 32 tokens."""
    tokens = keras.Input((32,), dtype="int32")
    x = layers.Embedding(1000, 64)(tokens)
    x = layers.Bidirectional(layers.LSTM(64, return_sequences=True))(x)
    x = layers.Bidirectional(layers.LSTM(64))(x)
    return keras.Model(tokens, layers.Dense(CLASSES, activation="softmax")(x)), texts(32)


def unet():
    """A U-Net of three levels on 64x64 pictures; a class for each pixel."""
    return three_levels(64, CLASSES), pictures(64, targets=(64 * 64,))


def pictures(size, targets=()):
    """A function from a number of examples to pictures and classes, one each or for each pixel."""

    def make(random, count):
        x = random.normal(size=(count, size, size, 3)).astype("float32")
        return x, random.integers(0, CLASSES, (count, *targets))

    return make


def texts(length):
    """A function from a number of examples to texts and classes."""

    def make(random, count):
        return random.integers(0, 1000, (count, length)), random.integers(0, CLASSES, count)

    return make


NETWORKS = {
    "ResNet50": resnet50,
    "EfficientNetB0": efficientnet,
    "transformer, 12 blocks": transformer,
    "bidirectional LSTM, 2 layers": recurrent,
    "U-Net": unet,
}
BATCH = 8


def compiled(name):
    """A network with the same weights each time, and what makes its data."""
    keras.utils.set_random_seed(0)
    model, make = NETWORKS[name]()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model, make


def data(make, steps, batch=BATCH):
    """Examples for so many steps."""
    return make(np.random.default_rng(0), steps * batch)


def start(name, monitored, batch=BATCH):
    """Seconds until 12 steps are over, and the peak of memory in MB."""
    model, make = compiled(name)
    x, y = data(make, 12, batch)
    with tempfile.TemporaryDirectory() as folder:
        callbacks = [kd.callbacks.TrainingMonitor(folder)] if monitored else []
        begin = time.perf_counter()
        model.fit(x, y, batch_size=batch, verbose=0, callbacks=callbacks)
        seconds = time.perf_counter() - begin
    return seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def steps(name, rounds, count, batch=BATCH):
    """Seconds of a plain step, and the ratios to it at the defaults and at every step."""
    with tempfile.TemporaryDirectory() as folder:
        callbacks = {
            "plain": [],
            "default": [kd.callbacks.TrainingMonitor(f"{folder}/10")],
            "every step": [kd.callbacks.TrainingMonitor(f"{folder}/1", every=1)],
        }
        models = {kind: compiled(name) for kind in callbacks}
        x, y = data(models["plain"][1], count, batch)
        fits = {
            kind: functools.partial(
                models[kind][0].fit, x, y, batch_size=batch, verbose=0, callbacks=callbacks[kind]
            )
            for kind in callbacks
        }
        seconds = take_turns(fits, rounds, unmeasured=1)  # the first compiles
    plain = seconds.pop("plain")
    return float(np.median(plain)) / count, *(quartiles(t, plain)[1] for t in seconds.values())


def megabytes(name):
    """Size of the event file of 10,000 steps at the default settings."""
    model, make = compiled(name)
    sizes = {}
    for count in (4, 12):
        x, y = data(make, count)
        with tempfile.TemporaryDirectory() as folder:
            # As at the default `every=10`, in a tenth of the steps.
            watch = kd.callbacks.TrainingMonitor(folder, every=1)
            model.fit(x, y, batch_size=BATCH, verbose=0, callbacks=[watch])
            sizes[count] = sum(p.stat().st_size for p in Path(folder).rglob("*") if p.is_file())
    a_record = (sizes[12] - sizes[4]) / 8
    return (sizes[12] + (1000 - 12) * a_record) / 1e6


def in_process(*arguments):
    """What this program prints as JSON with other arguments."""
    command = [sys.executable, __file__, *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.strip().splitlines()[-1])


def line(name, rounds, count):
    """A line of the table."""
    starts = [
        [in_process("--part", part, "--networks", name) for part in ("start", "start_monitored")]
        for _ in range(2)
    ]
    first = min(m[0] for _, m in starts) / min(p[0] for p, _ in starts)
    memory = min(m[1] for _, m in starts) / min(p[1] for p, _ in starts)
    step, default, every = in_process(
        "--part", "steps", "--networks", name, "--rounds", rounds, "--steps", count
    )
    size = in_process("--part", "megabytes", "--networks", name)
    cells = [keras.backend.backend(), name, f"{1e3 * step:.0f} ms"]
    cells += [f"{default:.2f}", f"{every:.2f}", f"{first:.2f}", f"{size:.1f}", f"{memory:.2f}"]
    return f"| {' | '.join(cells)} |"


def rows(names, rounds):
    """Lines for `python -m benchmarks`: the time to the end of the first 12 steps."""
    for name in names:
        seconds: dict[str, list[float]] = {"start": [], "start_monitored": []}
        for number in range(rounds):
            for part, times in list(seconds.items())[:: -1 if number % 2 else 1]:
                times.append(in_process("--part", part, "--networks", name)[0])
        yield row(
            f"monitor, first 12 steps with compilation: {name}",
            f"plain fit, {version('Keras')}",
            seconds["start_monitored"],
            seconds["start"],
            goal=1.25,
        )


def main():
    """Prints the table for the backend that runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--part", choices=["start", "start_monitored", "steps", "megabytes"])
    parser.add_argument("--json", action="store_true", help="rows for python -m benchmarks")
    arguments = parser.parse_args()
    if arguments.json:
        write(rows(arguments.networks, arguments.rounds))
        return
    name = arguments.networks[0]
    if arguments.part == "steps":
        print(json.dumps(steps(name, arguments.rounds, arguments.steps)))
    elif arguments.part == "megabytes":
        print(json.dumps(megabytes(name)))
    elif arguments.part:
        print(json.dumps(start(name, arguments.part == "start_monitored")))
    else:
        print(f"{keras.backend.backend()}, Keras {keras.__version__}, {os.cpu_count()} CPU cores")
        heads = ["backend", "network", "plain step", "default (every=10)", "every=1"]
        heads += ["first 12 steps", "MB for 10,000 steps", "peak memory"]
        print(f"| {' | '.join(heads)} |\n{'|---' * len(heads)}|")
        for name in arguments.networks:
            print(line(name, arguments.rounds, arguments.steps), flush=True)


if __name__ == "__main__":
    main()
