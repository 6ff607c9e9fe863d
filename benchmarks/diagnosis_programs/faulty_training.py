"""Programs whose training is wrong: rates, optimizers, batches, epochs, regularization."""

import keras
from keras import layers, regularizers

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, convnet, mlp, table

FAULTY_TRAINING, program = table()
SGD, Adam, RMSprop = keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.RMSprop
BINARY, SPARSE, MSE = "binary_crossentropy", "sparse_categorical_crossentropy", "mse"
HIGH = ("learning_rate_too_high",)
LOW = ("learning_rate_too_low", "too_few_epochs")
SHORT = ("too_few_epochs", "learning_rate_too_low", "batch_size_too_large")


@program(*HIGH)
def digits_adam_rate_1(broken):
    x, y = data.bundled("digits")
    model = mlp(64, [32, 32], 10, "softmax")
    return Run(x / 16, y, model, SPARSE, Adam(1.0 if broken else 0.002), 15)


@program(*HIGH, "dead_units")
def digits_sgd_rate_10(broken):
    x, y = data.bundled("digits")
    model = mlp(64, [32], 10, "softmax")
    return Run(x / 16, y, model, SPARSE, SGD(10.0 if broken else 0.2), 20)


@program(*HIGH, "non_finite_loss", "exploding_gradients")
def diabetes_sgd_diverges(broken):
    x, y = data.bundled("diabetes")
    y = (y - y.mean()) / y.std()
    return Run(data.scaled(x), y, mlp(10, [32], 1), MSE, SGD(1.0 if broken else 0.01), 20)


@program(*HIGH)
def pixels_adam_rate_high(broken):
    x, y = data.pixels()
    return Run(x / 255, y, convnet((16, 16, 1), 10), SPARSE, Adam(0.1 if broken else 0.002), 10)


@program(*HIGH)
def wave_rmsprop_rate_1(broken):
    model = keras.Sequential([keras.Input((20, 1)), layers.LSTM(8), layers.Dense(1)])
    return Run(*data.wave(), model, MSE, RMSprop(1.0 if broken else 0.01), 12)


@program(*HIGH)
def circles_momentum_rate_high(broken):
    model = mlp(2, [16, 16], 1, "sigmoid")
    return Run(*data.circles(), model, BINARY, SGD(2.0 if broken else 0.05, momentum=0.9), 30)


@program(*HIGH)
def sine_adam_rate_high(broken):
    model = mlp(1, [32, 32], 1, None, "tanh")
    return Run(*data.sine(), model, MSE, Adam(2.0 if broken else 0.005), 40)


@program(*LOW)
def digits_adam_rate_tiny(broken):
    x, y = data.bundled("digits")
    model = mlp(64, [32], 10, "softmax")
    return Run(x / 16, y, model, SPARSE, Adam(1e-6 if broken else 0.002), 20)


@program(*LOW)
def iris_sgd_rate_tiny(broken):
    x, y = data.bundled("iris")
    model = mlp(4, [16], 3, "softmax")
    return Run(data.scaled(x), y, model, SPARSE, SGD(1e-5 if broken else 0.1), 40)


@program(*LOW)
def moons_rmsprop_rate_tiny(broken):
    model = mlp(2, [16], 1, "sigmoid")
    return Run(*data.moons(), model, BINARY, RMSprop(1e-6 if broken else 0.01), 30)


@program(*LOW)
def digits_adadelta_default(broken):
    x, y = data.bundled("digits")
    optimizer = keras.optimizers.Adadelta(0.001 if broken else 1.0)
    return Run(x / 16, y, mlp(64, [32], 10, "softmax"), SPARSE, optimizer, 20)


@program(*LOW)
def diabetes_adagrad_default(broken):
    x, y = data.bundled("diabetes")
    y = (y - y.mean()) / y.std()
    optimizer = keras.optimizers.Adagrad(0.0003 if broken else 0.1)
    return Run(data.scaled(x), y, mlp(10, [16], 1), MSE, optimizer, 25)


@program(*LOW, "sigmoid_in_hidden_layers", "regression_loss_for_classes")
def xor_sgd_sigmoid_short(broken):
    optimizer = SGD(0.01) if broken else Adam(0.05)
    activation = "sigmoid" if broken else "tanh"
    return Run(*data.xor(), mlp(2, [8], 1, "sigmoid", activation), BINARY, optimizer, 200, 4)


@program(*SHORT, "regression_loss_for_classes", "sigmoid_in_hidden_layers")
def xor_mse_ten_epochs(broken):
    model = mlp(2, [8], 1, "sigmoid", "tanh")
    optimizer = SGD(0.1) if broken else Adam(0.05)
    return Run(*data.xor(), model, MSE if broken else BINARY, optimizer, 10 if broken else 150, 4)


@program(*SHORT)
def digits_one_epoch(broken):
    x, y = data.bundled("digits")
    return Run(x / 16, y, mlp(64, [32], 10, "softmax"), SPARSE, "adam", 1 if broken else 25)


@program(*SHORT)
def sine_two_epochs(broken):
    x, y = data.sine(periods=1.5)
    epochs = 2 if broken else 80
    return Run(x, y, mlp(1, [32, 32], 1, None, "tanh"), MSE, Adam(0.003), epochs)


@program(*SHORT)
def circles_few_epochs(broken):
    model = mlp(2, [16], 1, "sigmoid")
    return Run(*data.circles(), model, BINARY, Adam(0.005), 5 if broken else 80)


@program(*SHORT)
def digits_one_large_batch(broken):
    x, y = data.bundled("digits")
    model = mlp(64, [32], 10, "softmax")
    return Run(x / 16, y, model, SPARSE, "adam", 25, 600 if broken else 32)


@program(*SHORT)
def diabetes_large_batch_sgd(broken):
    x, y = data.bundled("diabetes")
    y = (y - y.mean()) / y.std()
    return Run(data.scaled(x), y, mlp(10, [16], 1), MSE, SGD(0.005), 20, 442 if broken else 8)


@program("batch_size_too_small", *HIGH)
def blobs_single_example_batches(broken):
    x, y = data.blobs(250)
    model = mlp(10, [16], 4, "softmax")
    return Run(x / 10, y, model, SPARSE, Adam(0.3 if broken else 0.005), 5, 1 if broken else 16)


@program("regularization_too_strong")
def digits_huge_weight_penalty(broken):
    x, y = data.bundled("digits")
    penalty = regularizers.L2(1.0 if broken else 1e-5)
    hidden = [layers.Dense(32, "relu", kernel_regularizer=penalty) for _ in range(2)]
    model = keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10, "softmax")])
    return Run(x / 16, y, model, SPARSE, epochs=15)


@program("regularization_too_strong")
def cancer_huge_l1_penalty(broken):
    x, y = data.bundled("breast_cancer")
    penalty = regularizers.L1(0.5 if broken else 1e-5)
    hidden = layers.Dense(16, "relu", kernel_regularizer=penalty)
    output = layers.Dense(1, "sigmoid", kernel_regularizer=penalty)
    model = keras.Sequential([keras.Input((30,)), hidden, output])
    return Run(data.scaled(x), y, model, BINARY, Adam(0.005), 20)


@program("regularization_too_strong")
def digits_extreme_dropout(broken):
    x, y = data.bundled("digits")
    rate = 0.95 if broken else 0.2
    model = mlp(64, [32, 32], 10, "softmax", between=lambda: layers.Dropout(rate))
    return Run(x / 16, y, model, SPARSE, epochs=20)


@program("overfitting")
def cancer_noisy_overfitting(broken):
    x, y = data.bundled("breast_cancer")
    flip = data.random().random(len(y)) < 0.25
    y = abs(y - flip) if broken else y
    sizes = [256, 256] if broken else [16]
    model = mlp(30, sizes, 1, "sigmoid")
    epochs = 40 if broken else 12
    return Run(data.scaled(x), y, model, BINARY, epochs=epochs, fit={"validation_split": 0.3})


@program("overfitting")
def reviews_overfitting(broken):
    x, y = data.reviews(300)
    flip = data.random().random(len(y)) < 0.2
    y = abs(y - flip) if broken else y
    stack = [layers.Embedding(200, 32), layers.GlobalAveragePooling1D(), layers.Dense(64, "relu")]
    model = keras.Sequential([keras.Input((20,)), *stack, layers.Dense(1, "sigmoid")])
    epochs = 40 if broken else 12
    return Run(x, y, model, BINARY, Adam(0.01), epochs, fit={"validation_split": 0.3})


@program("overfitting")
def diabetes_overfitting(broken):
    x, y = data.bundled("diabetes", 150 if broken else 442)
    y = (y - y.mean()) / y.std()
    model = mlp(10, [256, 256] if broken else [8], 1)
    epochs = 60 if broken else 25
    return Run(data.scaled(x), y, model, MSE, Adam(0.003), epochs, fit={"validation_split": 0.3})


@program("underfitting", "model_too_small")
def digits_one_hidden_unit(broken):
    x, y = data.bundled("digits")
    return Run(x / 16, y, mlp(64, [1 if broken else 32], 10, "softmax"), SPARSE, Adam(0.005), 25)


@program("underfitting", "model_too_small", "no_hidden_nonlinearity")
def sine_no_hidden_layer(broken):
    x, y = data.sine(periods=1.5)
    return Run(x, y, mlp(1, [] if broken else [32, 32], 1, None, "tanh"), MSE, Adam(0.01), 60)


@program("sigmoid_in_hidden_layers", *LOW)
def iris_sigmoid_sgd(broken):
    x, y = data.bundled("iris")
    model = mlp(4, [8, 8], 3, "softmax", "sigmoid" if broken else "relu")
    return Run(x, y, model, SPARSE, SGD(0.01) if broken else Adam(0.02), 40)


@program(*LOW, "sigmoid_in_hidden_layers")
def sequence_lstm_sgd(broken):
    model = keras.Sequential([keras.Input((10, 1)), layers.LSTM(8), layers.Dense(1, "sigmoid")])
    optimizer = SGD(0.001) if broken else Adam(0.02)
    return Run(*data.sequence_sums(), model, BINARY, optimizer, 10)


@program("learning_rate_too_high", "unscaled_inputs", "unscaled_targets", "non_finite_loss")
def celsius_sgd_diverges(broken):
    x, y = data.celsius()
    if not broken:
        x, y = x / 50, y / 100
    return Run(x, y, mlp(1, [8], 1), MSE, SGD(0.05), 60, 8)
