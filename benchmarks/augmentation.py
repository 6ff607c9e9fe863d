"""Pictures augmented in a second, beside Keras's layers, interleaved in one process.

    KERAS_BACKEND=tensorflow python benchmarks/augmentation.py

Flip, rotation and crop of 64 x 64 colour pictures to 56 x 56, in batches of 32, on the CPU. Each
round times every way once; printed are medians of the rates, of the ratios to Keras's fastest, and
of the processor time a picture takes on all cores together, which is what training loses by it.

- keras, layer by layer: `RandomFlip`, `RandomRotation`, `RandomCrop` called on each batch.
- keras, tf.data: the same mapped over a `tf.data` pipeline on all cores, as Keras's guide has it.
- ours: the batches of `expand` from arrays; "NumPy" without OpenCV.
- ours, tf.data: `expand` from a `tf.data.Dataset`.
"""

import argparse
import os
import statistics
import time
from collections import deque

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_dlnotes as kd
from keras_dlnotes.augmentation import opencv

COUNT, SIZE, WINDOW, BATCH = 1024, 64, 56, 32
OPENCV = opencv.cv2


def keras_layers():
    """The three layers with the same arguments as ours."""
    return [
        keras.layers.RandomFlip("horizontal"),
        keras.layers.RandomRotation(0.1),
        keras.layers.RandomCrop(WINDOW, WINDOW),
    ]


def our_transforms():
    """Flip, rotation and crop."""
    augmentation = kd.augmentation
    return [augmentation.flip(), augmentation.rotate(0.1), augmentation.crop(WINDOW, WINDOW)]


def keras_in_turn(images):
    """A function that augments all pictures once by calling the layers."""
    stack = keras_layers()

    def run():
        for start in range(0, COUNT, BATCH):
            batch = images[start : start + BATCH]
            for layer in stack:
                batch = layer(batch, training=True)
            keras.ops.convert_to_numpy(batch)

    return run


def keras_mapped(images):
    """A function that augments all pictures once in a `tf.data` pipeline; None without it."""
    try:
        import tensorflow as tf
    except ImportError:
        return None
    stack = keras_layers()

    def augment(batch):
        for layer in stack:
            batch = layer(batch, training=True)
        return batch

    dataset = tf.data.Dataset.from_tensor_slices(images).batch(BATCH)
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)
    return lambda: deque(dataset, maxlen=0)


def ours(images, with_opencv):
    """A function that makes every batch of an expanded set of as many pictures once."""
    data = kd.augmentation.expand(
        images, our_transforms(), keep_original=False, seed=0, batch_size=BATCH
    )

    def run():
        opencv.cv2 = OPENCV if with_opencv else None
        for index in range(len(data)):
            data[index]
        opencv.cv2 = OPENCV

    return run


def ours_mapped(images):
    """The same from a `tf.data` pipeline; None without TensorFlow."""
    try:
        import tensorflow as tf
    except ImportError:
        return None
    dataset = tf.data.Dataset.from_tensor_slices(images).batch(BATCH)
    data = kd.augmentation.expand(dataset, our_transforms(), keep_original=False, seed=0)
    return lambda: deque(data, maxlen=0)


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    for dtype in ("float32", "uint8"):
        images = np.random.default_rng(0).uniform(0, 255, (COUNT, SIZE, SIZE, 3)).astype(dtype)
        ways = {
            "keras, layer by layer": keras_in_turn(images),
            "keras, tf.data": keras_mapped(images),
            "ours, NumPy": ours(images, False),
        }
        if OPENCV is not None:
            ways["ours, OpenCV"] = ours(images, True)
            ways["ours, OpenCV, tf.data"] = ours_mapped(images)
        ways = {name: run for name, run in ways.items() if run is not None}
        rates: dict[str, list] = {name: [] for name in ways}
        costs: dict[str, list] = {name: [] for name in ways}
        for run in ways.values():
            run()
        for _ in range(rounds):
            for name, run in ways.items():
                start, used = time.perf_counter(), time.process_time()
                run()
                rates[name].append(COUNT / (time.perf_counter() - start))
                costs[name].append(1e6 * (time.process_time() - used) / COUNT)
        print(f"\n{keras.backend.backend()}, {dtype}, {os.cpu_count()} cores, {rounds} rounds")
        print("| way | pictures a second | times Keras's fastest | processor time, µs |")
        print("|---|---|---|---|")
        fastest = [
            max(pair) for pair in zip(*(rates[n] for n in ways if "keras" in n), strict=True)
        ]
        for name, found in rates.items():
            ratio = statistics.median(a / b for a, b in zip(found, fastest, strict=True))
            cost = statistics.median(costs[name])
            print(f"| {name} | {statistics.median(found):,.0f} | {ratio:.1f} | {cost:,.0f} |")


if __name__ == "__main__":
    main()
