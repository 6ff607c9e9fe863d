"""Published faulty programs on series and texts, rebuilt, and their repaired twins.

Each repaired program stands below its faulty one and counts as healthy. SO: Stack Overflow.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs import published_data as published
from benchmarks.diagnosis_programs.program import Run, table

layers = keras.layers
SGD, Adam, RMSprop = keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.RMSprop
PUBLISHED_SEQUENCES, program = table(part=5)
CROSS, BINARY = "categorical_crossentropy", "binary_crossentropy"
SPARSE = "sparse_categorical_crossentropy"


def _saw(output, scale):
    steps = np.arange(660)
    columns = np.stack([1 + steps % 10, 1 + (steps + 5) % 10], 1) / scale
    x = np.lib.stride_tricks.sliding_window_view(columns, 10, 0)[:-1].transpose(0, 2, 1)
    model = keras.Sequential(
        [keras.Input((10, 2)), layers.LSTM(32), layers.Dense(2), layers.Activation(output)]
    )
    y = columns[10:].astype("float32")
    fit = {"validation_split": 0.05}
    return Run(x.astype("float32"), y, model, "mse", RMSprop(0.005), 15, 32, None, fit)


@program("output_cannot_reach_targets")
def saw_teeth_through_softmax():  # keras-team/keras issue 321
    return _saw("softmax", 1)


@program()
def saw_teeth_from_zero_to_one():
    return _saw("linear", 10)


def _second_last(steps, units, scale):
    numbers = data.random().integers(0, 101, 900) / scale
    x = np.lib.stride_tricks.sliding_window_view(numbers, steps)[5 - steps :, :, None]
    y = numbers[2 : 2 + len(x)]
    model = keras.Sequential([keras.Input((None, 1)), layers.SimpleRNN(units), layers.Dense(1)])
    return Run(x.astype("float32"), y.astype("float32"), model, "mse", Adam(0.003), 20, 5)


@program("labels_unrelated_to_inputs", "unscaled_inputs", "unscaled_targets", "model_too_small")
def number_two_steps_ago_from_this_one():  # stats.stackexchange 329619
    return _second_last(1, 2, 1)


@program()
def number_two_steps_ago_from_five():
    return _second_last(5, 16, 100)


def _peptides(output, monitor):
    r = data.random()
    x = r.integers(0, 4, (500, 10))
    y = ((x == 2).sum(1) > (x == 1).sum(1)).astype("int32")
    x, y, validation = data.split(np.eye(4, dtype="float32")[x], y, 0.8)
    stack = [keras.Input((10, 4))]
    for filters in (16, 8):
        stack += [
            layers.Conv1D(filters, 4, padding="same"),
            layers.BatchNormalization(),
            layers.LeakyReLU(),
            layers.Dropout(0.2),
        ]
    stack += [layers.Flatten(), layers.Dense(64), layers.BatchNormalization(), layers.LeakyReLU()]
    model = keras.Sequential([*stack, layers.Dense(1), layers.Activation(output)])
    reduce = keras.callbacks.ReduceLROnPlateau(monitor, factor=0.9, patience=5, min_lr=1e-6)
    run = Run(x, y, model, BINARY, "adam", 20, 64, ["accuracy"])
    run.fit, run.callbacks = {"validation_data": validation}, [reduce]
    return run


@program("softmax_with_one_unit")
def letters_of_a_gene_softmax():  # SO 45378493
    return _peptides("softmax", "val_accuracy")


@program()
def letters_of_a_gene_sigmoid():
    return _peptides("sigmoid", "val_loss")


def _long_signals(output):
    x, y = data.signals(length=60)
    keep = y < 2
    x, y, validation = data.split(x[keep], y[keep], 0.8)
    model = keras.Sequential(
        [
            keras.Input((60, 1)),
            layers.Conv1D(20, 4, activation="relu", padding="same"),
            layers.MaxPooling1D(2),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(50, activation="relu"),
            layers.Dense(1, activation=output),
        ]
    )
    fit = {"validation_data": validation}
    return Run(x, y, model, BINARY, "nadam", 12, 8, ["accuracy"], fit)


@program("softmax_with_one_unit")
def signals_of_two_kinds_softmax():  # SO 51749207
    return _long_signals("softmax")


@program()
def signals_of_two_kinds_sigmoid():
    return _long_signals("sigmoid")


def _heartbeats(order, rate, shuffle):
    x, y = published.heartbeats()
    if order == "sorted":
        rows = np.argsort(y, kind="stable")
        x, y = x[rows], y[rows]
    model = keras.Sequential(
        [
            keras.Input((120, 1)),
            layers.Conv1D(16, 15, activation="relu"),
            layers.Conv1D(12, 15),
            layers.Dropout(0.3),
            layers.BatchNormalization(),
            layers.Activation("relu"),
            layers.MaxPooling1D(4),
            layers.Flatten(),
            layers.Dense(3, activation="softmax"),
        ]
    )
    fit = {"validation_split": 0.33, "shuffle": shuffle}
    y = data.one_hot(y)
    return Run(x, y, model, CROSS, Adam(rate), 20, 16, ["accuracy"], fit)


@program("missing_class", "unshuffled_data", "overfitting")
def heartbeats_in_the_order_of_patients():  # SO 55776436
    return _heartbeats("sorted", 0.0001, False)


@program()
def heartbeats_in_any_order():
    return _heartbeats("mixed", 0.001, True)


def _masked(units, epochs, output, optimizer):
    x, y = published.classes_of_sums()
    y = y if units == 3 else np.maximum(y - 1, 0)
    recurrent = layers.LSTM(20, return_sequences=True)
    model = keras.Sequential(
        [
            keras.Input((12, 5)),
            layers.Masking(0.0),
            layers.Bidirectional(recurrent),
            layers.Dropout(0.2),
            layers.TimeDistributed(layers.Dense(units, activation=output)),
        ]
    )
    return Run(x, y, model, SPARSE, optimizer, epochs, 20, ["accuracy"])


@program(
    "loss_does_not_fit_output",
    "missing_output_activation",
    "missing_class",
    "too_few_epochs",
    "learning_rate_too_low",
)
def steps_of_padded_sequences_sigmoid():  # SO 59282996
    return _masked(3, 6, "sigmoid", SGD(0.01, momentum=0.9, nesterov=True))


@program()
def steps_of_padded_sequences_softmax():
    return _masked(2, 20, "softmax", Adam(0.005))


def _sentences(output, optimizer):
    x, y = data.reviews(400, length=50)
    x, y, validation = data.split(x, data.one_hot(y), 0.8)
    model = keras.Sequential(
        [
            keras.Input((50,), dtype="int32"),
            layers.Embedding(200, 32),
            layers.LSTM(48, return_sequences=True),
            layers.LSTM(32),
            layers.Dense(2, activation=output),
        ]
    )
    fit = {"validation_data": validation}
    return Run(x, y, model, CROSS, optimizer, 8, 32, ["accuracy"], fit)


@program("learning_rate_too_high", "loss_does_not_fit_output", "missing_output_activation")
def sentences_with_a_rate_of_a_tenth():  # keras-team/keras issue 2711
    return _sentences("sigmoid", RMSprop(0.1))


@program()
def sentences_with_a_small_rate():
    return _sentences("softmax", RMSprop(0.003))


def _sine_windows(series, size, epochs):
    windows = np.lib.stride_tricks.sliding_window_view(series.astype("float32"), 21)
    model = keras.Sequential(
        [
            keras.Input((20, 1)),
            layers.LSTM(16, return_sequences=True),
            layers.Dropout(0.1),
            layers.LSTM(24),
            layers.Dropout(0.1),
            layers.Dense(1),
        ]
    )
    fit = {"validation_split": 0.05}
    x, y = windows[:, :20, None], windows[:, 20:]
    return Run(x, y, model, "mse", RMSprop(0.003), epochs, size, None, fit)


@program("constant_inputs", "constant_targets")
def sine_read_wrongly_from_a_file():  # jaungiers/LSTM-Neural-Network... issue 4
    return _sine_windows(np.full(800, -2.0), 64, 4)


@program("too_few_epochs", "batch_size_too_large", "learning_rate_too_low")
def sine_for_one_epoch():  # the same with the file read
    return _sine_windows(np.sin(0.2 * np.arange(800)), 512, 1)


@program()
def sine_for_many_epochs():
    return _sine_windows(np.sin(0.2 * np.arange(800)), 32, 15)
