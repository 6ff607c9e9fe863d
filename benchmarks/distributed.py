"""What L-BFGS costs on several devices, over Keras's Adam at the same batch and devices.

    python benchmarks/distributed.py
    python benchmarks/distributed.py --strategies DataParallel MirroredStrategy --devices 2

Strategies: `keras.distribution`'s DataParallel and ModelParallel on JAX (the weights of the hidden
layers divided; "history too": L-BFGS's own vectors as well) and TensorFlow's MirroredStrategy, on
virtual devices of the CPU; processes of torch.distributed with gloo, each with its own part of the
batch. Devices and processes share the machine's cores: what counts is the ratio, not how time falls
with their number. What every device does for itself, as L-BFGS with a history that is not divided,
is done on these cores once for each: on real devices the ratio is smaller. Each case is measured in
processes of its own; an error stands in the case's line.

Columns: one step of `fit` with Adam; the median over the rounds of the ratio of L-BFGS's time to it
(one evaluation is one step; the two take turns); MB that pass through collective operations
(all-reduce, all-gather and their like, by the size of their results on one device) in an evaluation
and in a step of Adam; MB of L-BFGS's history on each device.
"""

import argparse
import functools
import json
import os
import re
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from paired import quartiles, take_turns

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# The backend that each strategy belongs to.
BACKENDS = {
    "DataParallel": "jax",
    "ModelParallel": "jax",
    "ModelParallel, history too": "jax",
    "MirroredStrategy": "tensorflow",
    "torch.distributed": "torch",
}
HEADS = ["strategy", "devices", "Adam, ms", "L-BFGS / Adam", "MB exchanged: L-BFGS", "Adam"]
HEADS += ["MB of history a device"]


def network(width):
    """Two hidden layers; the number of weights can be divided by 4."""
    import keras

    keras.utils.set_random_seed(0)
    return keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(width, "tanh", name="first"),
            keras.layers.Dense(width, "tanh", name="second"),
            keras.layers.Dense(12, name="logits"),
        ]
    )


def compiled(width, optimizer):
    """The network with an optimizer."""
    import keras

    model = network(width)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    jit = keras.backend.backend() == "jax"
    model.compile(optimizer, loss, jit_compile=jit)
    return model


def lbfgs():
    """L-BFGS that never ends."""
    import keras_dlnotes as kd

    return kd.optimizers.LBFGS(gradient_tolerance=0.0)


def same_batch(batch, steps, part=slice(None)):
    """A part of the same examples again and again, `steps` batches."""
    import numpy as np

    random = np.random.default_rng(0)
    x = random.normal(size=(batch, 64)).astype("float32")[part]
    y = random.integers(0, 12, batch)[part]  # at random: L-BFGS has long to learn them
    return np.tile(x, (steps, 1)), np.tile(y, steps)


def ratio(models, x, y, batch, steps, rounds):
    """Seconds of a step of Adam, and the ratio of L-BFGS's to them, interleaved."""
    fits = {
        name: functools.partial(model.fit, x, y, batch_size=batch, shuffle=False, verbose=0)
        for name, model in models.items()
    }
    seconds = take_turns(fits, rounds, unmeasured=1)  # the first compiles
    each = statistics.median(seconds["adam"]) / steps
    return each, quartiles(seconds["lbfgs"], seconds["adam"])[1]


def jax_distribution(strategy, devices, width, batch, steps, rounds):
    """`keras.distribution`: one program, its arrays laid out over the devices."""
    import keras

    names = keras.distribution.list_devices()[:devices]
    if strategy == "DataParallel":
        keras.distribution.set_distribution(keras.distribution.DataParallel(devices=names))
    else:
        mesh = keras.distribution.DeviceMesh((1, devices), ("batch", "model"), names)
        layout = keras.distribution.LayoutMap(mesh)
        layout[".*first/kernel"] = (None, "model")
        layout[".*first/bias"] = ("model",)
        layout[".*second/kernel"] = ("model", None)
        if strategy == "ModelParallel, history too":
            layout[".*lbfgs/history"] = (None, "model")
            vectors = "accepted_point|accepted_gradient|search_direction|trial_point|gradient_sum"
            layout[f".*lbfgs/({vectors})"] = ("model",)
        keras.distribution.set_distribution(
            keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
        )
    models = {"lbfgs": compiled(width, lbfgs()), "adam": compiled(width, "adam")}
    x, y = same_batch(batch, steps)
    reduced = {}
    for name, model in models.items():
        model.fit(x, y, batch_size=batch, shuffle=False, verbose=0)
        reduced[name] = collective_bytes(newest_program())
    step, over = ratio(models, x, y, batch, steps, rounds)
    shards = models["lbfgs"].optimizer._history.value.addressable_shards
    return step, over, reduced, [shard.data.nbytes for shard in shards]


def newest_program():
    """The text of the train step that XLA compiled last."""
    dumped = Path(os.environ["DUMP"]).glob("*train_step*after_optimizations.txt")
    return max(dumped, key=lambda path: path.stat().st_mtime_ns).read_text()


def collective_bytes(program):
    """Bytes of the results of all operations of a program in which devices exchange numbers."""
    operations = "all-reduce|all-gather|reduce-scatter|all-to-all|collective-permute"
    total = 0
    for line in program.splitlines():
        found = re.search(rf"= (.*?) (?:{operations})\(", line)
        for bits, shape in re.findall(r"[a-z]+(\d+)\[([\d,]*)\]", found[1] if found else ""):
            size = 1
            for number in filter(None, shape.split(",")):
                size *= int(number)
            total += size * int(bits) // 8
    return total


def mirrored(strategy, devices, width, batch, steps, rounds):
    """`tf.distribute.MirroredStrategy`: a copy of the model on each device."""
    import keras
    import tensorflow as tf

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0],
        [tf.config.LogicalDeviceConfiguration()] * devices,
    )
    names = [f"/cpu:{number}" for number in range(devices)]
    scope = tf.distribute.MirroredStrategy(names)
    counted = count_reductions(scope)
    with scope.scope():
        models = {"lbfgs": compiled(width, lbfgs()), "adam": compiled(width, "adam")}
    x, y = same_batch(batch, steps)
    reduced = {}
    for name, model in models.items():
        counted.clear()
        model.fit(x, y, batch_size=batch, shuffle=False, verbose=0)
        # A graph that is traced again counts once; those of the metrics are small.
        reduced[name] = max(counted.values(), default=0)
    step, over = ratio(models, x, y, batch, steps, rounds)
    history = scope.experimental_local_results(models["lbfgs"].optimizer._history.value)
    return step, over, reduced, [keras.ops.convert_to_numpy(part).nbytes for part in history]


def count_reductions(scope):
    """Counts the bytes that a strategy reduces, for each graph in which it is asked to."""
    import tensorflow as tf

    operations = scope.extended._get_cross_device_ops(tf.zeros(()))
    counted = {}

    def counting(reduce, values_of):
        def counting_reduce(kind, given, *arguments, **more):
            key = id(tf.compat.v1.get_default_graph())
            for value in values_of(given):
                for part in scope.experimental_local_results(value)[:1]:
                    size = part.shape.num_elements() * part.dtype.size
                    counted[key] = counted.get(key, 0) + size
            return reduce(kind, given, *arguments, **more)

        return counting_reduce

    operations.reduce = counting(operations.reduce, lambda value: [value])
    operations.batch_reduce = counting(
        operations.batch_reduce, lambda pairs: [value for value, _ in pairs]
    )
    return counted


def processes(strategy, devices, width, batch, steps, rounds):
    """Processes of torch.distributed, each with a copy of the model and its part of the batch."""
    import keras
    import torch.distributed

    rank = int(os.environ["RANK"])
    torch.distributed.init_process_group("gloo")
    counted = {"bytes": 0}
    for name in ("all_reduce", "broadcast", "all_gather"):
        count_calls(torch.distributed, name, counted)
    models = {"lbfgs": compiled(width, lbfgs()), "adam": compiled(width, reduced_adam())}
    x, y = same_batch(batch, steps, slice(rank, None, devices))
    reduced = {}
    for name, model in models.items():
        counted["bytes"] = 0
        model.fit(x, y, batch_size=batch // devices, shuffle=False, verbose=0)
        reduced[name] = counted["bytes"] / steps
    step, over = ratio(models, x, y, batch // devices, steps, rounds)
    own = keras.ops.convert_to_numpy(models["lbfgs"].optimizer._history).nbytes
    histories = [None] * devices
    torch.distributed.all_gather_object(histories, own)
    torch.distributed.destroy_process_group()
    return step, over, reduced, histories


def count_calls(module, name, counted):
    """Replaces a collective function by one that counts the bytes that it is given."""
    original = getattr(module, name)

    def counting(first, *others, **more):
        tensor = others[0] if name == "all_gather" else first
        counted["bytes"] += tensor.numel() * tensor.element_size()
        return original(first, *others, **more)

    setattr(module, name, counting)


def reduced_adam():
    """Keras's Adam on the mean of the processes' gradients, reduced in one message."""
    import keras
    import torch
    import torch.distributed

    class ReducedAdam(keras.optimizers.Adam):
        def apply(self, grads, trainable_variables=None):
            vector = torch.cat([gradient.reshape(-1) for gradient in grads])
            torch.distributed.all_reduce(vector)
            vector /= torch.distributed.get_world_size()
            parts = vector.split([gradient.numel() for gradient in grads])
            means = [p.reshape(g.shape) for p, g in zip(parts, grads, strict=True)]
            super().apply(means, trainable_variables)

    return ReducedAdam()


MEASURES = {"jax": jax_distribution, "tensorflow": mirrored, "torch": processes}


def measure(strategy, devices, width, batch, steps, rounds, limit):
    """Runs a case in processes of its own: (step, ratio, reduced bytes, histories), or an error."""
    backend = BACKENDS[strategy]
    arguments = json.dumps([strategy, devices, width, batch, steps, rounds])
    with tempfile.TemporaryDirectory() as dump, socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        environment = {**os.environ, "KERAS_BACKEND": backend, "DUMP": dump}
        if backend == "jax":
            flags = f"--xla_force_host_platform_device_count={devices} --xla_dump_to={dump}"
            environment["XLA_FLAGS"] = f"{flags} --xla_dump_hlo_module_re=.*train_step.*"
        environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1])}
        environment["WORLD_SIZE"] = str(devices)
        free.close()
        started = [
            subprocess.Popen(
                [sys.executable, __file__, "--case", arguments],
                env={**environment, "RANK": str(rank)},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for rank in range(devices if backend == "torch" else 1)
        ]
        try:
            outputs = [process.communicate(timeout=limit) for process in started]
        except subprocess.TimeoutExpired:
            return f"stopped after {limit:.0f} s"
        finally:
            for process in started:
                process.kill()
    if any(process.returncode for process in started):
        errors = next(e for p, (_, e) in zip(started, outputs, strict=True) if p.returncode)
        lines = [line for line in errors.splitlines() if re.match(r"\S*(Error|Exception): ", line)]
        return (lines or errors.strip().splitlines() or ["no output"])[-1]
    return json.loads(outputs[0][0].strip().splitlines()[-1])


def row(strategy, devices, result):
    """A line of the table."""
    cells = [strategy, str(devices)]
    if isinstance(result, str):
        cells += [result[:120], "", "", "", ""]
    else:
        step, over, reduced, histories = result
        cells += [f"{1e3 * step:.1f}", f"{over:.2f}"]
        # One device is asked to reduce, too, and then has nothing to do.
        cells += [f"{(devices > 1) * reduced[name] / 1e6:.2f}" for name in ("lbfgs", "adam")]
        cells.append(", ".join(f"{size / 1e6:.1f}" for size in histories))
    return f"| {' | '.join(cells)} |"


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strategies", nargs="+", default=list(BACKENDS), choices=list(BACKENDS))
    parser.add_argument("--devices", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--batch", type=int, default=4096)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--limit", type=float, default=300, help="seconds of a case")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        strategy, *sizes = json.loads(options.case)
        print(json.dumps(MEASURES[BACKENDS[strategy]](strategy, *sizes)))
        return
    sizes = (options.width, options.batch, options.steps, options.rounds)
    print(f"Width {options.width}, batch {options.batch}, {os.cpu_count()} CPU cores\n")
    print(f"| {' | '.join(HEADS)} |\n{'|---' * len(HEADS)}|", flush=True)
    for strategy in options.strategies:
        for devices in options.devices:
            result = measure(strategy, devices, *sizes, options.limit)
            print(row(strategy, devices, result), flush=True)


if __name__ == "__main__":
    main()
