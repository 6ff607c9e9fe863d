"""A transformer of twelve blocks and a bidirectional LSTM, on made-up texts."""

import keras

from benchmarks.real_fault_programs import data
from benchmarks.real_fault_programs.networks import SPARSE, bidirectional, transformer
from benchmarks.real_fault_programs.program import RealRun, table

optimizers = keras.optimizers
SEQUENCES, program = table()
TRANSFORMER, LSTM = "transformer, 12 blocks", "bidirectional LSTM"
TRAINED, TESTED, BATCH = 1280, 300, 32
STEPS = TRAINED // BATCH


def run(model, optimizer, epochs=5, **text):
    """A run on texts with a class each."""
    x, y = data.texts(TRAINED + TESTED, **text)
    test = x[TRAINED:], y[TRAINED:]
    x, y = x[:TRAINED], y[:TRAINED]
    return RealRun(x, y, model, SPARSE, optimizer, epochs, BATCH, ["accuracy"], test=test)


@program(TRANSFORMER, "exploding_block", "initial_weights_too_large", layers=("feed_forward_7",))
def one_exploding_block(broken):
    model = transformer(exploding=7 if broken else None)
    return run(model, optimizers.Adam(1e-3), length=24)


@program(TRANSFORMER, "learning_rate_too_high", "missing_warm_up")
def no_warm_up_and_a_high_rate(broken):
    rate = 1e-2
    if not broken:
        schedules = optimizers.schedules
        rate = schedules.CosineDecay(0.0, 7 * STEPS, warmup_target=1e-3, warmup_steps=STEPS)
    return run(transformer(norm_first=False), optimizers.Adam(rate), 8, length=24)


@program(TRANSFORMER, "regularization_too_strong", "weight_decay_too_strong")
def decay_of_gains_and_biases(broken):
    adamw = optimizers.AdamW(1e-3, weight_decay=20.0 if broken else 0.05)
    if not broken:
        adamw.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return run(transformer(), adamw, length=24)


@program(TRANSFORMER, "learning_rate_too_low", "schedule_ends_too_early")
def schedule_of_one_epoch_for_five(broken):
    steps = STEPS if broken else 5 * STEPS
    rate = optimizers.schedules.CosineDecay(1e-3, steps)
    return run(transformer(), optimizers.Adam(rate), length=24)


@program(LSTM, "padding_not_masked", layers=("words", "reader"))
def padding_that_is_read_as_words(broken):
    model = bidirectional(48, mask_zero=not broken)
    return run(model, optimizers.Adam(3e-3), 3, length=8, padding=40)


@program(LSTM, "untrained_layers", "embedding_not_trained", layers=("words",))
def embedding_that_never_learns(broken):
    model = bidirectional(16, trainable=not broken)
    return run(model, optimizers.Adam(3e-3), length=16)


@program(LSTM, "clipping_always_active", "learning_rate_too_low")
def clipping_that_is_always_active(broken):
    sgd = optimizers.SGD(0.5, momentum=0.9, clipnorm=1e-4 if broken else 1.0)
    return run(bidirectional(16), sgd, length=16)
