"""Runs of a large network made up from numbers, for the tests of the layers tab."""

import numpy as np

from keras_dlnotes.summaries import EventFileWriter

BLOCKS = 16
NAMES = [
    f"stage{block // 4 + 1}_block{block % 4 + 1}_{part}_{kind}"
    for block in range(BLOCKS)
    for part in (1, 2, 3)
    for kind in ("conv", "bn", "relu")
]
TYPES = ["Conv2D", "BatchNormalization", "Activation"] * (3 * BLOCKS)
DEAD, EXPLODING = "stage2_block2", "stage3_block3"


def parts_of(step, steps, broken):
    """The statistics of one step as `add_layers` takes them."""
    random = np.random.default_rng(step)
    rows = [{"layer": n, "type": t} for n, t in zip(NAMES, TYPES, strict=True)]
    owned = [row | {"variable": "kernel"} for row in rows if row["type"] == "Conv2D"]
    relu = np.array([t == "Activation" for t in TYPES])
    scale = np.exp(random.normal(0, 0.2, len(rows)))
    zeros = np.where(relu, random.uniform(0.4, 0.6, len(rows)), 0.0)
    gradient = 0.1 * np.exp(random.normal(0, 0.2, len(owned)))
    ratio = 1e-3 * np.exp(random.normal(0, 0.2, len(owned)))
    if broken:
        dead = np.array([n.startswith(DEAD) for n in NAMES])
        zeros[dead & relu], scale[dead & relu] = 1.0, 0.0
        gradient[[row["layer"].startswith(DEAD) for row in owned]] = 0.0
        exploding = np.array([n.startswith(EXPLODING) for n in NAMES])
        if step >= steps // 2:
            scale[exploding] *= 1e4
    return [
        ("activations/standard_deviation", rows, scale.astype("f4")),
        ("activations/zero_fraction", rows, zeros.astype("f4")),
        ("activations/non_finite_count", rows, np.zeros(len(rows), "f4")),
        ("gradients/norm", owned, gradient.astype("f4")),
        ("weights/norm", owned, np.full(len(owned), 5, "f4")),
        ("updates/ratio", owned, ratio.astype("f4")),
    ]


def write(folder, steps, every=10, broken=False, writer=None):
    """Writes a run; returns the open writer if one was given, to go on with."""
    out = writer or EventFileWriter(folder)
    for step in steps:
        out.add_layers(step, parts_of(step, max(steps) + every, broken))
    out.flush()
    if writer is None:
        out.close()


def write_histograms(writer, layer, steps):
    """Writes histograms of a layer whose numbers spread from step to step; of the last, one bin."""
    rows = [{"layer": layer, "type": "Conv2D", "tag": layer}]
    for step in steps:
        spread = 1.1 ** (step / 10)
        counts = np.round(1000 * np.exp(-(np.linspace(-3, 3, 30) ** 2)))
        if step == max(steps):
            spread, counts = 0.0, np.array([5.0])
        writer.add_layers(step, [("activations/standard_deviation", rows, np.ones(1, "f4"))])
        writer.add_histogram(step, f"activations/{layer}/histogram", -spread, spread, counts)
