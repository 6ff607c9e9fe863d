"""L-BFGS on two devices, and the same on one: how each backend is set up, and how equal they are.

KERAS_BACKEND=tensorflow python examples/several_devices.py     (or jax, or torch)

The devices are two virtual CPU devices (TensorFlow: `MirroredStrategy`, JAX: `DataParallel`) or, on
torch, two processes that this script starts. Each computes loss and gradient of its part of the
whole batch; the optimizer adds them up, so all take the step of one device. A small network learns
scikit-learn's breast cancer data until the gradient is small; the monitor records both runs. See
docs/distributed.md for what works where.
"""

import argparse
import contextlib
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The layers are small, and two processes share the processor.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# JAX makes its devices when something is computed first; on other backends it changes nothing.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
)

import keras
import numpy as np
from sklearn.datasets import load_breast_cancer

import keras_dlnotes as kd

DEVICES = 2
# An epoch is two batches, of which FullBatch makes one evaluation. Keras's `fit` fails on
# TensorFlow where the first batch cannot be shared evenly, as the whole of 569 examples cannot.
BATCH_SIZE = 300
LOG_DIR = Path("logs/several_devices")
BACKEND = keras.backend.backend()


def data():
    """Standardized inputs, [examples, 30], and classes, [examples, 1]."""
    x, y = load_breast_cancer(return_X_y=True)
    x, y = ((x - x.mean(0)) / x.std(0)).astype("float32"), y[:, None].astype("float32")
    # Keras refuses on JAX what the devices cannot share evenly. TensorFlow and torch take all 569.
    count = len(x) // DEVICES * DEVICES if BACKEND == "jax" else len(x)
    return x[:count], y[:count]


def train(x, y, epochs, log_dir=None):
    """Train the network on all the given examples; its weights, and what the optimizer reports."""
    keras.utils.set_random_seed(0)  # the same first weights in all processes
    penalty = keras.regularizers.L2(1e-2)
    model = keras.Sequential(
        [
            keras.Input((30,)),
            keras.layers.Dense(8, "tanh", kernel_regularizer=penalty),
            keras.layers.Dense(1, kernel_regularizer=penalty),
        ],
        name="network",
    )
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(kd.optimizers.LBFGS(gradient_tolerance=1e-4), loss)
    # FullBatch weights batches, and parts of them, by their examples.
    callbacks = [kd.callbacks.FullBatch(), kd.callbacks.StopWhenConverged(verbose=0)]
    if log_dir is not None:
        callbacks.append(kd.callbacks.TrainingMonitor(log_dir, every=5))
    model.fit(
        x, y, batch_size=BATCH_SIZE, epochs=epochs, shuffle=False, verbose=0, callbacks=callbacks
    )
    optimizer = model.optimizer
    weights = np.concatenate([weight.reshape(-1) for weight in model.get_weights()])
    return weights, {**optimizer.progress, "status": optimizer.status}


def on_tensorflow(*arguments):
    """Two virtual devices of this process, each with a copy of the model."""
    import tensorflow as tf

    cpu = tf.config.list_physical_devices("CPU")[0]
    configurations = [tf.config.LogicalDeviceConfiguration()] * DEVICES
    tf.config.set_logical_device_configuration(cpu, configurations)
    strategy = tf.distribute.MirroredStrategy([f"CPU:{i}" for i in range(DEVICES)])
    with strategy.scope():
        return train(*data(), *arguments)


def on_jax(*arguments):
    """Two virtual devices of this process, over which each batch is split."""
    devices = keras.distribution.list_devices()
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=devices))
    try:
        return train(*data(), *arguments)
    finally:
        keras.distribution.set_distribution(None)


def on_torch(*arguments):
    """Two processes, each with a copy of the model and its own part of the data."""
    with contextlib.ExitStack() as stack:
        meeting = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "meeting"
        processes = ProcessPoolExecutor(DEVICES, mp_context=get_context("spawn"))
        started = [
            stack.enter_context(processes).submit(in_process, rank, meeting, *arguments)
            for rank in range(DEVICES)
        ]
        return started[0].result()


def in_process(rank, meeting, *arguments):
    """What each of torch's processes does."""
    import torch.distributed

    torch.distributed.init_process_group(
        "gloo", init_method=meeting.absolute().as_uri(), rank=rank, world_size=DEVICES
    )
    x, y = (np.array_split(array, DEVICES)[rank] for array in data())
    try:
        return train(x, y, *arguments)
    finally:
        torch.distributed.destroy_process_group()


def main(log_dir=LOG_DIR, epochs=400):
    """Train on two devices and on one, and print both."""
    start = time.perf_counter()
    several = {"tensorflow": on_tensorflow, "jax": on_jax, "torch": on_torch}[BACKEND]
    devices = f"{DEVICES} {'processes' if BACKEND == 'torch' else 'devices'}"
    print(f"Training on {devices}, and then on one, some seconds each ...", flush=True)
    runs = {
        devices: several(epochs, log_dir / BACKEND),
        "1 device": train(*data(), epochs),
    }
    print(f"{BACKEND}, {len(data()[0])} examples:")
    for name, (_, report) in runs.items():
        print(
            f"  {name:11s}  loss {report['loss']:.6f}, gradient {report['gradient_norm']:.1e} "
            f"after {report['evaluations']} evaluations, {report['status']}"
        )
    (weights, _), (expected, _) = runs.values()
    print(
        f"Largest difference of the {len(weights)} weights: {np.abs(weights - expected).max():.1e} "
        "(float32: parts are added up in another order than one batch is)."
    )
    print(f"{time.perf_counter() - start:.0f} s in all. See: tensorboard --logdir {log_dir}")
    return runs


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--log-dir", type=Path, default=LOG_DIR, help="where the monitor writes")
    parser.add_argument("--epochs", type=int, default=400, help="evaluations at most")
    options = parser.parse_args()
    main(options.log_dir, options.epochs)
