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
import functools
import os
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers
from paired import quartiles, row, take_turns, version, write

import keras_dlnotes as kd

BATCH = 32
WITH_TORCH = keras.backend.backend() == "torch"
OURS = "check_gradients"
FAST = "torch gradcheck, fast mode"
SLOW = "torch gradcheck, slow mode"
LOOP = "plain loop"
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
    from keras_dlnotes.gradient_check.precision import computing_in

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


def measured(contestants, rounds):
    """Lists of seconds and largest memory of each contestant, which take turns."""
    memory = dict.fromkeys(contestants, 0.0)

    def watched(name):
        with PeakMemory() as peak:
            start = time.perf_counter()
            contestants[name]()
            spent = time.perf_counter() - start
        memory[name] = max(memory[name], peak.mebibytes)
        return spent

    functions = {name: functools.partial(watched, name) for name in contestants}
    return take_turns(functions, rounds, unmeasured=0, told=True), memory


class Contest:
    """One network, and what there is to time on it.

    Args:
        build: makes the network.
        coordinates: how many of the first kernel's are checked by the slow ones.
    """

    def __init__(self, build, coordinates):
        keras.utils.set_random_seed(0)
        self.model, shape = build()
        self.model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
        rng = np.random.default_rng(0)
        self.x = rng.normal(size=(BATCH, *shape)).astype("float32")
        self.y = rng.integers(0, 10, BATCH)
        self.model.train_on_batch(self.x, self.y)
        self.size = self.model.count_params()
        self.count = min(coordinates, int(np.prod(self.model.trainable_variables[0].shape)))
        self._compared = 1

    def whole(self):
        """Checks of the whole model."""
        model, x, y = self.model, self.x, self.y
        contestants = {
            OURS: lambda: kd.check_gradients(model, x, y, verbose=0).raise_if_failed(),
        }
        if WITH_TORCH:
            contestants[FAST] = lambda: torch_gradcheck(model, x, y, fast=True)
        return contestants

    def single(self):
        """Checks of every coordinate, or of some."""
        model, x, y, count = self.model, self.x, self.y, self.count
        contestants = {OURS: self._every_coordinate}
        if WITH_TORCH:
            contestants[SLOW] = lambda: torch_gradcheck(model, x, y, False, count)
        contestants[LOOP] = lambda: plain_loop(model, x, y, count)
        return contestants

    def counted(self, name):
        """How many coordinates were checked."""
        return self._compared if name == OURS else self.count

    def _every_coordinate(self):
        """Of a large network the first layer's alone, the others being frozen."""
        for layer in self.model.layers[1:]:
            layer.trainable = self.size < _LARGE
        report = kd.check_gradients(self.model, self.x, self.y, every_coordinate=True, verbose=0)
        for layer in self.model.layers[1:]:
            layer.trainable = True
        assert report.passed
        self._compared = sum(line.compared_count for line in report.rows)


def benchmark(build, rounds, coordinates):
    """Prints one network's table."""
    contest = Contest(build, coordinates)
    size = contest.size
    print(f"\n{build.__name__}: {size} parameters, {BATCH} examples, {keras.backend.backend()}")
    seconds, memory = measured(contest.whole(), rounds)
    for name, times in seconds.items():
        ratio = quartiles(times, seconds[OURS])[1]
        print(f"  {name:36}{np.median(times):9.3f} s  {ratio:6.2f} times  {memory[name]:6.0f} MiB")
    seconds, memory = measured(contest.single(), 1)
    each = {name: times[0] / contest.counted(name) for name, times in seconds.items()}
    for name in each:
        print(
            f"  {name + ', coordinates':36}{1e6 * each[name]:7.0f} us each  "
            f"{each[name] / each[OURS]:6.1f} times  {memory[name]:6.0f} MiB  "
            f"({contest.counted(name)} coordinates)"
        )


def rows(rounds, coordinates):
    """Lines for `python -m benchmarks`, of the MLP."""
    contest = Contest(mlp, coordinates)
    if WITH_TORCH:
        seconds, _ = measured(contest.whole(), rounds)
        peer = f"fast gradcheck, {version('torch')}"
        yield row("gradient check of an MLP", peer, seconds[OURS], seconds[FAST], goal=0.5)
    loops = {name: run for name, run in contest.single().items() if name != SLOW}
    seconds, _ = measured(loops, rounds)
    each = {
        name: [spent / contest.counted(name) for spent in times] for name, times in seconds.items()
    }
    yield row("gradient check, a coordinate of it", "plain loop", each[OURS], each[LOOP], goal=0.05)


def main():
    """Runs both networks."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--coordinates", type=int, default=200)
    parser.add_argument("--json", action="store_true", help="rows for python -m benchmarks")
    options = parser.parse_args()
    if options.json:
        write(rows(options.rounds, options.coordinates))
        return
    for build in (mlp, cnn):
        benchmark(build, options.rounds, options.coordinates)


if __name__ == "__main__":
    main()
