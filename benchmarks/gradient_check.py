"""What a gradient check costs, beside torch's `gradcheck` and a plain loop over coordinates.

    KERAS_BACKEND=torch python benchmarks/gradient_check.py
    KERAS_BACKEND=tensorflow python benchmarks/gradient_check.py   # without torch's gradcheck

Two networks, an MLP with about 100,000 parameters and a small CNN, the same weights and the same
32 examples for all contestants, which take turns in one process:

- `check_gradients`: the whole-model verdict of this package (random directions, every variable);
- torch's `gradcheck(fast_mode=True)`: its whole-model verdict on the same network in float64;
- `check_gradients(every_coordinate=True)`, torch's `gradcheck(fast_mode=False)` and the plain loop:
  every single coordinate, of the MLP those of the first layer, which cost the most. The last two
  are timed on a part of the first kernel's coordinates, as printed, and all are compared by their
  time per coordinate.

Printed are medians of the times, their ratios, and the most memory that each took beyond the
process as it was before (its resident set, watched from a thread).
"""

import argparse
import os
import statistics
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers

import keras_dlnotes as kd

BATCH = 32
_LARGE = 10_000


def mlp():
    """64-256-256-64-10 with tanh: 99,530 parameters."""
    inner = [layers.Dense(n, activation="tanh") for n in (256, 256, 64)]
    return keras.Sequential([keras.Input((64,)), *inner, layers.Dense(10)]), (64,)


def cnn():
    """Two convolutions on 12x12 images and a dense layer."""
    inner = [
        layers.Conv2D(8, 3, activation="tanh"),
        layers.AveragePooling2D(2),
        layers.Conv2D(16, 3, activation="tanh"),
        layers.Flatten(),
        layers.Dense(10),
    ]
    return keras.Sequential([keras.Input((12, 12, 1)), *inner]), (12, 12, 1)


class PeakMemory:
    """The most resident memory of this process inside a `with` block, beyond that before it."""

    def __enter__(self):
        self._running = True
        self._before = self._most = self._resident()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *exception):
        self._running = False
        self._thread.join()

    @property
    def mebibytes(self):
        """Megabytes of 2**20 bytes."""
        return (self._most - self._before) / 2**20

    def _watch(self):
        while self._running:
            self._most = max(self._most, self._resident())
            time.sleep(0.002)

    @staticmethod
    def _resident():
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def plain_loop(model, x, y, count):
    """The notes' formula for `count` coordinates of the first kernel, one assignment a loss."""
    variable, epsilon = model.trainable_variables[0], 1e-3
    numbers = variable.numpy()

    def loss_at(values):
        variable.assign(values)
        return float(model.compute_loss(x, y, model(x, training=True)))

    for i in range(count):
        losses = []
        for step in (epsilon, -epsilon):
            moved = numbers.copy()
            moved.reshape(-1)[i] += step
            losses.append(loss_at(moved))
        (losses[0] - losses[1]) / (2.0 * epsilon)
    variable.assign(numbers)


def torch_gradcheck(model, x, y, fast, count=None):
    """Torch's `gradcheck` of the same loss in float64; `count` coordinates of the first kernel."""
    import torch

    from keras_dlnotes.backend.float64 import true_float64
    from keras_dlnotes.gradient_check.shadow import computing_in

    with true_float64(), computing_in("float64", list(model._flatten_layers())):
        data = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y)
        values = [
            torch.tensor(v.numpy(), dtype=torch.float64, requires_grad=True)
            for v in model.trainable_variables
        ]
        if count is not None:
            first = values[0].detach()
            part = first.reshape(-1)[:count].clone().requires_grad_()

            def with_part(part):
                whole = torch.cat([part, first.reshape(-1)[count:]]).reshape(first.shape)
                return loss(whole, *[v.detach() for v in values[1:]])

        def loss(*values):
            pairs = list(zip(model.trainable_variables, values, strict=True))
            scope = keras.StatelessScope(collect_losses=True)
            scope.state_mapping.update({id(v): value for v, value in pairs})
            with scope:
                logits = model(data[0], training=True)
            return torch.nn.functional.cross_entropy(logits, data[1])

        if count is None:
            assert torch.autograd.gradcheck(loss, values, fast_mode=fast)
        else:
            assert torch.autograd.gradcheck(with_part, (part,), fast_mode=fast)


def take_turns(contestants, rounds):
    """Median seconds and largest memory of each contestant."""
    seconds = {name: [] for name in contestants}
    memory = dict.fromkeys(contestants, 0.0)
    for _ in range(rounds):
        for name, function in contestants.items():
            with PeakMemory() as peak:
                start = time.perf_counter()
                function()
                seconds[name].append(time.perf_counter() - start)
            memory[name] = max(memory[name], peak.mebibytes)
    return {name: statistics.median(times) for name, times in seconds.items()}, memory


def benchmark(build, rounds, coordinates):
    """Prints one network's table."""
    keras.utils.set_random_seed(0)
    model, shape = build()
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(BATCH, *shape)).astype("float32")
    y = rng.integers(0, 10, BATCH)
    model.train_on_batch(x, y)
    with_torch = keras.backend.backend() == "torch"
    size = model.count_params()
    count = min(coordinates, int(np.prod(model.trainable_variables[0].shape)))
    print(f"\n{build.__name__}: {size} parameters, {BATCH} examples, {keras.backend.backend()}")

    def every_coordinate():
        """Of a large network the first layer's alone, the others being frozen."""
        for layer in model.layers[1:]:
            layer.trainable = size < _LARGE
        report = kd.check_gradients(model, x, y, every_coordinate=True, verbose=0)
        for layer in model.layers[1:]:
            layer.trainable = True
        assert report.passed
        compared[0] = sum(row.compared_count for row in report.rows)

    compared = [1]
    whole = {
        "check_gradients": lambda: kd.check_gradients(model, x, y, verbose=0).raise_if_failed()
    }
    single = {"check_gradients, every coordinate": every_coordinate}
    counts = {}
    if with_torch:
        whole["torch gradcheck, fast mode"] = lambda: torch_gradcheck(model, x, y, fast=True)
        counts["torch gradcheck, slow mode"] = count
        single["torch gradcheck, slow mode"] = lambda: torch_gradcheck(model, x, y, False, count)
    counts["plain loop"] = count
    single["plain loop"] = lambda: plain_loop(model, x, y, count)

    seconds, memory = take_turns(whole, rounds)
    for name in whole:
        ratio = seconds[name] / seconds["check_gradients"]
        print(f"  {name:36}{seconds[name]:9.3f} s  {ratio:6.2f} times  {memory[name]:6.0f} MiB")
    seconds, memory = take_turns(single, 1)
    counts["check_gradients, every coordinate"] = compared[0]
    ours = seconds["check_gradients, every coordinate"] / compared[0]
    for name in single:
        each = seconds[name] / counts[name]
        print(
            f"  {name:36}{1e6 * each:7.0f} us a coordinate  {each / ours:6.1f} times  "
            f"{memory[name]:6.0f} MiB  ({counts[name]} coordinates)"
        )


def main():
    """Runs both networks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--coordinates", type=int, default=200)
    options = parser.parse_args()
    for build in (mlp, cnn):
        benchmark(build, options.rounds, options.coordinates)


if __name__ == "__main__":
    main()
