"""A U-Net, an autoencoder in mixed precision, and a model of several inputs and outputs."""

import keras
import numpy as np

from benchmarks.real_fault_programs import data
from benchmarks.real_fault_programs.networks import autoencoder, picture_and_table, unet
from benchmarks.real_fault_programs.program import RealRun, table

optimizers = keras.optimizers
OTHERS, program = table()
UNET, AUTOENCODER, SEVERAL = "U-Net", "autoencoder, float16", "two inputs, two outputs"
TRAINED = 600


@program(UNET, "loss_not_averaged", "learning_rate_too_high", "exploding_gradients")
def loss_summed_over_pixels(broken):
    x, y = data.segments(480)
    reduction = "sum" if broken else "sum_over_batch_size"
    loss = keras.losses.SparseCategoricalCrossentropy(reduction=reduction)
    sgd = optimizers.SGD(0.1, momentum=0.9)
    test = x[400:], y[400:]
    return RealRun(x[:400], y[:400], unet(), loss, sgd, 4, 16, ["accuracy"], test=test)


@program(AUTOENCODER, "gradient_underflow", least=0.3)
def float16_without_loss_scaling(broken):
    x, _ = data.digits(range(10), TRAINED + 200, 16)
    compiled = {"auto_scale_loss": not broken, "loss_weights": [1e-3]}
    test = x[TRAINED:], x[TRAINED:]
    x = x[:TRAINED]
    adam = optimizers.Adam(3e-3)
    return RealRun(x, x, autoencoder(), "mse", adam, 20, 32, test=test, compiled=compiled)


@program(SEVERAL, "leaking_inputs")
def target_among_the_inputs(broken):
    pictures, rows, ill, cost = data.patients(TRAINED + 200)
    # What is known of the ill alone once they are treated; it is not there when it is needed.
    known = ill if broken else np.random.default_rng(0).integers(0, 2, len(ill))
    rows = np.concatenate([rows, 3 * known[:, None]], axis=1).astype("float32")
    later = np.array(rows[TRAINED:])
    later[:, -1] = 0.0
    return several([pictures, rows], ill, cost, later)


@program(SEVERAL, "unscaled_targets", layers=("cost",))
def targets_of_one_output_unscaled(broken):
    pictures, rows, ill, cost = data.patients(TRAINED + 200)
    return several([pictures, rows], ill, 30000 * cost + 200000 if broken else cost, rows[TRAINED:])


def several(inputs, ill, cost, rows):
    """A run of the model with two outputs; `rows` is the table of the tested examples."""
    model = picture_and_table(inputs[1].shape[1])
    losses = ["binary_crossentropy", "mse"]
    test = [inputs[0][TRAINED:], rows], [ill[TRAINED:], cost[TRAINED:]]
    x, y = [part[:TRAINED] for part in inputs], [ill[:TRAINED], cost[:TRAINED]]
    return RealRun(x, y, model, losses, optimizers.Adam(2e-3), 12, 32, test=test)
