"""Programs rebuilt from public questions: output, loss, labels and data.

Architectures and settings are the askers', made smaller; data of their structure are generated. The
causes are those that the answers name. All were written before the diagnosis was run on any.
"""

import keras
import numpy as np
from keras import layers, optimizers

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, table

QUESTIONS_OUTPUT, program = table(part=3)
Dense, Sequential, Conv2D = layers.Dense, keras.Sequential, layers.Conv2D
ACCURACY = ["accuracy"]
BINARY, SPARSE, MSE = "binary_crossentropy", "sparse_categorical_crossentropy", "mse"
CATEGORICAL = "categorical_crossentropy"
SCALE = ("unscaled_inputs", "unscaled_targets")
MISFIT = ("loss_does_not_fit_output", "missing_output_activation", "labels_do_not_fit_loss")
RANGE = ("output_cannot_reach_targets",)


@program(*MISFIT, *RANGE)
def ten_digits_one_sigmoid():  # datascience.stackexchange.com/questions/38604
    x, y = data.bundled("digits", 900)
    model = Sequential([Dense(64, "relu"), Dense(1, "sigmoid")])
    fit = {"validation_split": 0.33}
    return Run(x * 16, y, model, BINARY, "adam", 10, 32, ACCURACY, fit)


@program(*RANGE, "dead_units")
def line_through_seven_points_relu_output():  # community.deeplearning.ai/t/324182
    x = np.arange(-1.0, 6.0)[:, None]
    stack = [Dense(4, "relu"), Dense(2, "relu"), Dense(1, "relu")]
    return Run(x, 2 * x - 1, Sequential(stack), MSE, optimizers.Adam(0.001), 150)


@program(*MISFIT, "unscaled_inputs", "dead_units")
def above_a_threshold_relu_output():  # geeksmental.com/question/why-does-accuracy-remain-the-same
    x = data.random().integers(0, 100_000, (1500, 1)).astype("float32")
    stack = [Dense(3, "relu"), Dense(5, "relu"), Dense(1, "relu")]
    y = (x[:, 0] > 50_000).astype(int)
    return Run(x, y, Sequential(stack), BINARY, "adam", 10, 5, ACCURACY)


@program(*SCALE)
def squares_of_natural_numbers():  # datascience.stackexchange.com/questions/51468
    x = np.arange(1001.0)[:, None]
    stack = [Dense(100, "relu"), Dense(50, "relu"), Dense(1)]
    return Run(x, x[:, 0] ** 2, Sequential(stack), MSE, "adam", 40)


@program(*SCALE, "saturated_units")
def fourth_power():  # stackoverflow.com/questions/52800582
    x = data.random().uniform(-100, 100, (1000, 1))
    stack = [Dense(50, "sigmoid"), Dense(50, "elu"), Dense(1)]
    return Run(x, x[:, 0] ** 4, Sequential(stack), MSE, "adam", 20)


@program("softmax_with_one_unit")
def lstm_of_bits_softmax():  # stackoverflow.com/questions/46620813
    bits = data.random().integers(0, 2, 900)
    x = np.stack([bits[i : i + 3] for i in range(890)])[..., None].astype("float32")
    model = Sequential([layers.LSTM(1), Dense(1, "softmax")])
    return Run(x, x[:, 0, 0] * x[:, 2, 0], model, BINARY, "adagrad", 20, 256, ACCURACY)


@program("softmax_with_one_unit", "labels_do_not_fit_loss")
def lstm_of_features_signs_softmax():  # stackoverflow.com/questions/47241622
    x, y = data.blobs(400, 2, 12)
    model = Sequential([layers.LSTM(16), Dense(1, "softmax")])
    return Run(data.scaled(x)[..., None], 2 * y - 1, model, BINARY, "adam", 2, 50, ACCURACY)


@program("softmax_with_one_unit")
def reviews_lstm_one_unit_softmax():
    model = Sequential([layers.Embedding(200, 4), layers.LSTM(1), Dense(1, "softmax")])
    metrics = ["accuracy", "binary_accuracy"]
    return Run(*data.reviews(), model, BINARY, "adam", 6, 32, metrics, {"validation_split": 0.01})


@program(*MISFIT, "unscaled_targets", "unscaled_inputs")
def price_with_binary_crossentropy():  # a tutorial's classifier used for prices
    x, y = data.houses()
    stack = [Dense(12, "relu"), Dense(8, "relu"), Dense(1, "sigmoid")]
    return Run(data.scaled(x), y / 1000, Sequential(stack), BINARY, "adam", 20, 32, ACCURACY)


@program(*RANGE, "constant_inputs", "constant_targets")
def autoencoder_of_one_two_three():  # stackoverflow.com/questions/44601367
    x = np.tile([[1.0, 2.0, 3.0]], (9, 1))
    model = Sequential([Dense(3, "relu"), Dense(3, "sigmoid")])
    return Run(x, x, model, MSE, "adadelta", 100, 4)


@program(*RANGE, "labels_do_not_fit_loss", "unscaled_inputs")
def autoencoder_of_raw_pixels():  # stackoverflow.com/questions/52441877
    x = data.pixels()[0].reshape(600, -1)
    return Run(x, x, Sequential([Dense(32, "relu"), Dense(256, "sigmoid")]), BINARY, "adam", 15)


@program(*MISFIT, *RANGE)
def three_animals_one_sigmoid():  # stackoverflow: CNN with keras, accuracy not improving
    x, y = data.pixels(900)
    x, y = x[y < 3] / 255, y[y < 3]
    stack = [Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten()]
    model = Sequential([*stack, Dense(64, "relu"), layers.Dropout(0.5), Dense(1, "sigmoid")])
    return Run(x, y, model, BINARY, "rmsprop", 12, 32, ACCURACY)


@program(*RANGE)
def lstm_of_returns_relu_output():  # stackoverflow.com/questions/51432661
    x, y = data.wave(8)
    model = Sequential([layers.LSTM(32), Dense(1, "relu")])
    return Run(x, y, model, MSE, "adam", 20, 10, None, {"shuffle": False})


@program("labels_unrelated_to_inputs")
def sign_of_the_next_return():  # datascience.stackexchange.com/questions/51264
    r = data.random().normal(size=1021)
    x = np.stack([r[i : i + 20] for i in range(0, 1000, 2)])[..., None].astype("float32")
    y = (r[20:1020:2] > 0).astype(int)
    model = Sequential([layers.LSTM(16), Dense(1, "sigmoid")])
    fit = {"validation_split": 0.1, "shuffle": False}
    return Run(x, y, model, BINARY, "adam", 15, 32, ACCURACY, fit)


@program("target_shape_mismatch")
def sequences_returned_for_one_target():
    x, y = data.wave(10)
    model = Sequential([layers.LSTM(16, return_sequences=True), Dense(1)])
    return Run(x, y, model, MSE, optimizers.Adam(0.01), 10)


@program("regression_loss_for_classes", *RANGE)
def iris_classes_one_sigmoid_mse():
    x, y = data.bundled("iris")
    model = Sequential([Dense(8, "relu"), Dense(1, "sigmoid")])
    return Run(data.scaled(x), y, model, MSE, "adam", 50, 5, ACCURACY)


@program("labels_do_not_fit_loss", *RANGE)
def sentiment_minus_one_and_one():
    x, y = data.reviews()
    stack = [layers.Embedding(200, 16), layers.LSTM(16), Dense(1, "sigmoid")]
    return Run(x, 2 * y - 1, Sequential(stack), BINARY, "adam", 8, 32, ACCURACY)


@program("accuracy_on_regression")
def progression_of_diabetes_accuracy():
    x, y = data.bundled("diabetes")
    model = Sequential([Dense(64, "relu"), Dense(64, "relu"), Dense(1)])
    y = (y - y.mean()) / y.std()
    return Run(data.scaled(x), y, model, MSE, "rmsprop", 30, 32, ACCURACY)


@program("loss_does_not_fit_output")
def several_tags_softmax_binary_crossentropy():
    model = Sequential([Dense(64, "relu"), layers.Dropout(0.2), Dense(4, "softmax")])
    return Run(*data.tags(), model, BINARY, "adam", 30, 32, ACCURACY)


def _masks(count=200):
    """Images with a bright rectangle, and masks of it."""
    r = data.random()
    x = r.uniform(0, 0.4, (count, 16, 16, 1))
    y = np.zeros((count, 16, 16, 1))
    for image, mask in zip(x, y, strict=True):
        top, left, height, width = r.integers(0, 8, 2).tolist() + r.integers(4, 8, 2).tolist()
        mask[top : top + height, left : left + width] = 1
        image += 0.5 * mask
    return x.astype("float32"), y.astype("float32")


def _unet():
    inputs = keras.Input((16, 16, 1))
    first = Conv2D(8, 3, padding="same", activation="relu")(inputs)
    inner = layers.MaxPooling2D()(first)
    inner = Conv2D(16, 3, padding="same", activation="relu")(inner)
    joined = layers.Concatenate()([first, layers.UpSampling2D()(inner)])
    last = Conv2D(8, 3, padding="same", activation="relu")(joined)
    return keras.Model(inputs, Conv2D(1, 1, activation="sigmoid")(last))


@program("labels_do_not_fit_loss", *RANGE)
def masks_of_255():
    x, y = _masks()
    return Run(x, 255 * y, _unet(), BINARY, optimizers.Adam(1e-3), 8, 16, ACCURACY)


@program("learning_rate_too_low", "too_few_epochs")
def masks_all_background():
    x, y = _masks()
    return Run(x, y, _unet(), BINARY, optimizers.Adam(1e-6), 6, 16, ACCURACY)


@program("from_logits_mismatch", "softmax_in_hidden_layers", "loss_does_not_fit_output")
def softmax_twice():
    x, y = data.bundled("digits")
    stack = [Dense(64, "relu"), Dense(10, "softmax"), layers.Activation("softmax")]
    return Run(x / 16, y, Sequential(stack), SPARSE, "adam", 20, 32, ACCURACY)


@program("from_logits_mismatch")
def softmax_and_from_logits():
    x, y = data.bundled("digits")
    stack = [layers.Flatten(), Dense(128, "relu"), layers.Dropout(0.2), Dense(10, "softmax")]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Run(x.reshape(-1, 8, 8) / 16, y, Sequential(stack), loss, "adam", 5, 32, ACCURACY)


@program("missing_output_activation", "from_logits_mismatch")
def logits_without_from_logits():
    x, y = data.pixels()
    stack = [Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Flatten(), Dense(10)]
    return Run(x / 255, y, Sequential(stack), SPARSE, "adam", 10, 32, ACCURACY)


@program("constant_inputs")
def words_divided_by_the_vocabulary():
    x, y = data.reviews()
    stack = [layers.Embedding(200, 16), layers.LSTM(16), Dense(1, "sigmoid")]
    return Run(x / 200.0, y, Sequential(stack), BINARY, "adam", 10, 32, ACCURACY)


@program("labels_unrelated_to_inputs")
def labels_shuffled_apart():
    x, y = data.bundled("digits", 900)
    model = Sequential([Dense(64, "relu"), Dense(10, "softmax")])
    y = data.random().permutation(y)
    return Run(x / 16, y, model, SPARSE, "adam", 20, 32, ACCURACY, {"validation_split": 0.2})


@program("non_finite_data")
def zero_divided_by_zero_in_a_column():
    x, y = data.houses()
    x[::50, 1] = np.nan
    model = Sequential([layers.BatchNormalization(), Dense(32, "relu"), Dense(1)])
    return Run(x, y / 1e5, model, MSE, "adam", 10)


@program("non_finite_data")
def logarithm_of_no_sales():
    x = data.random().normal(size=(400, 5)).astype("float32")
    sales = np.maximum(np.round(np.exp(x[:, 0] - 0.5)), 0)
    with np.errstate(divide="ignore"):
        y = np.log(sales)
    return Run(x, y, Sequential([Dense(32, "relu"), Dense(1)]), MSE, "adam", 10)


@program(*RANGE, "unscaled_targets")
def degrees_through_tanh():
    x = data.random().normal(size=(400, 6)).astype("float32")
    y = np.stack([90 * np.tanh(x[:, 0] + x[:, 1]), 180 * np.tanh(x[:, 2] - x[:, 3])], 1)
    model = Sequential([Dense(64, "relu"), Dense(2, "tanh")])
    return Run(x, y, model, MSE, "adam", 40, 32, ["mae"])


@program(*RANGE)
def autoencoder_of_standardized_relu_output():
    x = data.scaled(data.bundled("breast_cancer")[0])
    stack = [Dense(14, "tanh"), Dense(7, "relu"), Dense(14, "tanh"), Dense(30, "relu")]
    return Run(x, x, Sequential(stack), MSE, "adam", 60, 32, ACCURACY, {"validation_split": 0.2})


@program("softmax_with_one_unit")
def two_heads_one_of_them_softmax():
    x, y = data.blobs(400, 4)
    inputs = keras.Input((10,))
    hidden = Dense(32, "relu")(inputs)
    heads = [Dense(4, "softmax", name="kind")(hidden), Dense(1, "softmax", name="flag")(hidden)]
    loss = {"kind": SPARSE, "flag": BINARY}
    y = {"kind": y, "flag": (y > 1).astype("float32")}
    return Run(data.scaled(x), y, keras.Model(inputs, heads), loss, "adam", 15)


@program("output_cannot_reach_targets", "unscaled_targets")
def two_heads_one_of_them_sigmoid():
    x, price = data.houses()
    inputs = keras.Input((4,))
    hidden = Dense(32, "relu")(inputs)
    heads = [Dense(1, "sigmoid", name="price")(hidden), Dense(1, "sigmoid", name="old")(hidden)]
    y = {"price": price / 1e5, "old": (x[:, 2] < 1950).astype("float32")}
    model = keras.Model(inputs, heads)
    return Run(data.scaled(x), y, model, {"price": MSE, "old": BINARY}, "adam", 30)
