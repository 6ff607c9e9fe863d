"""What people run with words, series and other sequences and what works, odd as some of it looks.

Written before the diagnosis was run on any of it; each was seen to learn what can be learned.
"""

import keras
import numpy as np

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, table, text_model

layers = keras.layers
WORKS_SEQUENCES, program = table(part=4)
SPARSE = "sparse_categorical_crossentropy"


@program()
def sentiment_with_lstm():
    x, y = data.reviews(800)
    fit = {"validation_split": 0.2}
    return Run(
        x, y, text_model(1, "sigmoid"), "binary_crossentropy", "adam", 10, 32, ["accuracy"], fit
    )


@program()
def padded_sentences_both_ways():
    x, y = data.reviews(800)
    lengths = data.random().integers(8, 20, len(x))
    x = np.where(np.arange(20) < lengths[:, None], x + 1, 0)
    model = keras.Sequential(
        [
            keras.Input((20,), dtype="int32"),
            layers.Embedding(201, 16, mask_zero=True),
            layers.Bidirectional(layers.GRU(8)),
            layers.Dense(16, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    return Run(x, y, model, "binary_crossentropy", "adam", 12, 32, ["accuracy"])


@program()
def text_convolution():
    x, y = data.reviews(800)
    model = keras.Sequential(
        [
            keras.Input((20,), dtype="int32"),
            layers.Embedding(200, 16),
            layers.Conv1D(32, 3, activation="relu"),
            layers.GlobalMaxPooling1D(),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    return Run(
        x,
        y,
        model,
        "binary_crossentropy",
        "rmsprop",
        12,
        32,
        ["accuracy"],
        {"validation_split": 0.2},
    )


@program()
def attention_over_words():
    x, y = data.reviews(800)
    inputs = keras.Input((20,), dtype="int32")
    h = layers.Embedding(200, 16)(inputs)
    h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 8)(h, h))
    h = layers.LayerNormalization()(h + layers.Dense(16)(layers.Dense(32, activation="relu")(h)))
    h = layers.Dropout(0.1)(layers.GlobalAveragePooling1D()(h))
    model = keras.Model(inputs, layers.Dense(2, activation="softmax")(h))
    return Run(x, y, model, SPARSE, "adam", 6, 32, ["accuracy"])


@program()
def univariate_forecast():
    x, y = data.passengers()
    low, high = x.min(), x.max()
    model = keras.Sequential([keras.Input((12, 1)), layers.LSTM(32), layers.Dense(1)])
    return Run((x - low) / (high - low), (y - low) / (high - low), model, "mse", "adam", 40, 16)


@program()
def stacked_recurrence_with_dropout():
    x, y = data.wave(count=600)
    model = keras.Sequential(
        [
            keras.Input((20, 1)),
            layers.LSTM(24, return_sequences=True),
            layers.Dropout(0.2),
            layers.LSTM(24),
            layers.Dropout(0.2),
            layers.Dense(1),
        ]
    )
    return Run(x, y, model, "mse", "adam", 15, 32, None, {"validation_split": 0.1})


@program()
def causal_convolutions_ahead():
    x, _ = data.wave(28, 600)
    model = keras.Sequential(
        [
            keras.Input((20, 1)),
            layers.Conv1D(16, 3, padding="causal", activation="relu"),
            layers.Conv1D(16, 3, padding="causal", dilation_rate=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(8),
        ]
    )
    return Run(x[:, :20], x[:, 20:, 0], model, "mae", "adam", 15, 32)


@program()
def stars_of_films():
    x, y = data.ratings()
    user, item = keras.Input((1,), name="user"), keras.Input((1,), name="item")
    u = layers.Flatten()(layers.Embedding(30, 8)(user))
    i = layers.Flatten()(layers.Embedding(20, 8)(item))
    h = layers.concatenate([u, i, layers.Multiply()([u, i])])
    outputs = layers.Dense(1)(layers.Dense(32, activation="relu")(h))
    model = keras.Model({"user": user, "item": item}, outputs)
    return Run(x, y, model, "mse", keras.optimizers.Adam(0.005), 20, 32, ["mae"])


@program()
def tag_of_every_word():
    words = data.random().integers(0, 30, (400, 10)).astype("int32")
    y = (np.roll(words, 1, 1) % 3 + words % 2) % 3
    y[:, 0] = words[:, 0] % 3
    model = keras.Sequential(
        [
            keras.Input((10,), dtype="int32"),
            layers.Embedding(30, 16),
            layers.Bidirectional(layers.LSTM(24, return_sequences=True)),
            layers.TimeDistributed(layers.Dense(3, activation="softmax")),
        ]
    )
    return Run(words, y, model, SPARSE, keras.optimizers.Adam(0.01), 15, 32, ["accuracy"])


@program()
def next_letter_of_noisy_text():
    x, y = data.letters()
    model = text_model(10, "softmax", 10, layers.GRU(32))
    return Run(x, y, model, SPARSE, keras.optimizers.Adam(0.01), 12, 32, ["accuracy"])


class OwnStep(keras.Model):
    """A model with a training step of its own."""

    def train_step(self, *arguments):
        """One step, as it always is."""
        return super().train_step(*arguments)


@program()
def training_step_of_its_own():
    x, y = data.signals()
    inputs = keras.Input((32, 1))
    h = layers.Conv1D(16, 5, activation="relu")(inputs)
    h = layers.Conv1D(16, 5, activation="relu")(layers.MaxPooling1D()(h))
    h = layers.Dense(32, activation="relu")(layers.Flatten()(h))
    model = OwnStep(inputs, layers.Dense(3, activation="softmax")(h))
    return Run(x, y, model, SPARSE, "adam", 25, 32, ["accuracy"])
