"""Healthy programs in the manner of Keras's own examples and tutorials; none deserves a finding.

Made with `questions_output`, before the diagnosis was run on any of them.
"""

import keras
import numpy as np
from keras import layers, ops, optimizers, regularizers

from benchmarks.diagnosis_programs import data
from benchmarks.diagnosis_programs.program import Run, mlp, table

TUTORIALS, program = table(part=3)
Dense, Sequential, Conv2D = layers.Dense, keras.Sequential, layers.Conv2D
Adam, SGD, RMSprop = optimizers.Adam, optimizers.SGD, optimizers.RMSprop
ACCURACY = ["accuracy"]
BINARY, SPARSE, MSE = "binary_crossentropy", "sparse_categorical_crossentropy", "mse"
CATEGORICAL = "categorical_crossentropy"


def _digits(limit=1500):
    x, y = data.bundled("digits", limit)
    return x / 16, y


@program()
def mnist_convnet():
    x, y = data.pixels(1200)
    stack = [Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(), Conv2D(32, 3)]
    stack += [layers.Activation("relu"), layers.Flatten(), layers.Dropout(0.5)]
    model = Sequential([keras.Input((16, 16, 1)), *stack, Dense(10, "softmax")])
    fit = {"validation_split": 0.1}
    return Run(x / 255, data.one_hot(y), model, CATEGORICAL, "adam", 8, 32, ACCURACY, fit)


@program()
def first_tutorial_five_epochs():
    x, y = _digits(1797)
    stack = [layers.Flatten(), Dense(128, "relu"), layers.Dropout(0.2), Dense(10)]
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return Run(x.reshape(-1, 8, 8), y, Sequential(stack), loss, "adam", 5, 32, ACCURACY)


@program()
def two_epochs_of_many_batches():
    x, y = data.blobs(4000, 3, 8)
    return Run(data.scaled(x), y, mlp(8, [32], 3, "softmax"), SPARSE, "adam", 2, 32, ACCURACY)


@program()
def one_epoch_of_reviews():
    x, y = data.reviews(4000)
    stack = [layers.Embedding(200, 16), layers.GlobalAveragePooling1D(), Dense(16, "relu")]
    return Run(x, y, Sequential([*stack, Dense(1, "sigmoid")]), BINARY, Adam(0.01), 1, 32)


@program()
def reviews_bidirectional_lstm():
    x, y = data.reviews(800)
    stack = [layers.Embedding(200, 16), layers.Bidirectional(layers.LSTM(16))]
    model = Sequential([*stack, Dense(1, "sigmoid")])
    return Run(x, y, model, BINARY, Adam(0.005), 6, 32, ACCURACY, {"validation_split": 0.2})


@program()
def reviews_masked_padding():
    x, y = data.reviews(800)
    x[:, 15:] = 0
    stack = [layers.Embedding(200, 16, mask_zero=True), layers.LSTM(16)]
    return Run(x, y, Sequential([*stack, Dense(1, "sigmoid")]), BINARY, Adam(0.01), 6, 32)


@program()
def weather_forecast_lstm():
    x, y = data.passengers(24, 600)
    low, high = x.min(), x.max()
    model = Sequential([layers.LSTM(32), Dense(1)])
    x, y = (x - low) / (high - low), (y - low) / (high - low)
    fit = {"validation_split": 0.2, "shuffle": False}
    return Run(x, y, model, MSE, Adam(0.005), 30, 32, ["mae"], fit)


@program()
def several_steps_ahead():
    t = data.random().uniform(0, 100, 500)[:, None] + 0.3 * np.arange(25)
    series = np.sin(t)[..., None]
    model = Sequential([layers.GRU(24), Dense(5), layers.Reshape((5, 1))])
    return Run(series[:, :20], series[:, 20:], model, MSE, Adam(0.01), 15)


@program()
def sequence_to_sequence_tags():
    x, _ = data.reviews(600)
    model = Sequential([layers.Embedding(200, 8), layers.LSTM(16, return_sequences=True)])
    model.add(Dense(2, "softmax"))
    return Run(x, (x < 20).astype(int), model, SPARSE, Adam(0.01), 6, 32, ACCURACY)


@program()
def convolutional_denoising_autoencoder():
    x = data.pixels()[0] / 255
    stack = [Conv2D(8, 3, padding="same", activation="relu"), layers.MaxPooling2D()]
    stack += [layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")]
    model = Sequential([*stack, Conv2D(1, 3, padding="same", activation="sigmoid")])
    return Run(x, x, model, BINARY, Adam(0.005), 12)


@program()
def denoising_of_features():
    x = data.scaled(data.bundled("breast_cancer")[0])
    noisy = x + 0.3 * data.random().normal(size=x.shape)
    return Run(noisy, x, mlp(30, [32, 16, 32], 30), MSE, Adam(0.003), 40)


class Variational(keras.Model):
    """A variational autoencoder with its loss inside."""

    def __init__(self):
        super().__init__()
        self.inner = Dense(32, activation="relu")
        self.moments = Dense(8)
        self.outer = Dense(32, activation="relu")
        self.last = Dense(64, activation="sigmoid")
        self.noise = keras.random.SeedGenerator(1)

    def call(self, inputs):
        """Encodes, draws and decodes."""
        mean, log_variance = ops.split(self.moments(self.inner(inputs)), 2, axis=-1)
        noise = keras.random.normal(ops.shape(mean), seed=self.noise)
        excess = ops.square(mean) + ops.exp(log_variance) - log_variance - 1
        self.add_loss(0.001 * ops.mean(ops.sum(excess, axis=-1)))
        return self.last(self.outer(mean + ops.exp(0.5 * log_variance) * noise))


@program()
def variational_autoencoder():
    x, _ = _digits()
    return Run(x, x, Variational(), BINARY, Adam(0.005), 25)


class OwnStep(keras.Model):
    """Adds noise to its inputs in its own `compute_loss`."""

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Keras's own loss, halved."""
        return 0.5 * super().compute_loss(x, y, y_pred, sample_weight, training)


@program()
def own_compute_loss():
    inputs = keras.Input((64,))
    outputs = Dense(10, "softmax")(Dense(32, "relu")(inputs))
    return Run(*_digits(), OwnStep(inputs, outputs), SPARSE, Adam(0.005), 15, 32, ACCURACY)


@program()
def own_loss_function():
    def logcosh_with_weight(true, predicted):
        return 2.0 * ops.mean(ops.log(ops.cosh(predicted - true)), axis=-1)

    return Run(*data.sine(), mlp(1, [32, 32], 1, None, "tanh"), logcosh_with_weight, Adam(0.01), 40)


@program()
def two_inputs_two_outputs():
    r = data.random()
    x = {"a": r.normal(size=(500, 6)), "b": r.normal(size=(500, 3))}
    total = x["a"][:, :2].sum(1) + x["b"][:, 0]
    inputs = {k: keras.Input((v.shape[1],), name=k) for k, v in x.items()}
    hidden = Dense(32, "relu")(layers.Concatenate()([inputs["a"], inputs["b"]]))
    heads = {"sum": Dense(1, name="sum")(hidden), "up": Dense(1, "sigmoid", name="up")(hidden)}
    y = {"sum": total[:, None], "up": (total > 0).astype("float32")[:, None]}
    loss = {"sum": MSE, "up": BINARY}
    return Run(x, y, keras.Model(inputs, heads), loss, Adam(0.005), 20)


@program()
def fine_tuned_at_a_low_rate():
    x, y = _digits()
    model = mlp(64, [64, 32], 10, "softmax")
    model.compile(Adam(0.005), SPARSE)
    model.fit(x, y, epochs=12, verbose=0)
    return Run(x[:300], y[:300], model, SPARSE, Adam(1e-5), 3, 32, ACCURACY)


@program()
def pretrained_base_frozen():
    x, y = data.pixels(1200)
    base = [Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(), Conv2D(32, 3), layers.ReLU()]
    base = Sequential([keras.Input((16, 16, 1)), *base, layers.Flatten()])
    whole = Sequential([base, Dense(10, "softmax")])
    whole.compile("adam", SPARSE)
    whole.fit(x[:600] / 255, y[:600], epochs=6, verbose=0)
    base.trainable = False
    model = Sequential([base, layers.Dropout(0.2), Dense(10, "softmax")])
    return Run(x[600:] / 255, y[600:], model, SPARSE, Adam(0.003), 8, 32, ACCURACY)


@program()
def fraud_with_class_weights():
    x, y = data.unbalanced(1500, 0.95)
    model = mlp(12, [32], 1, "sigmoid", between=lambda: layers.Dropout(0.3))
    metrics = [keras.metrics.Precision(), keras.metrics.Recall()]
    fit = {"class_weight": {0: 0.53, 1: 10.0}}
    return Run(data.scaled(x), y, model, BINARY, Adam(0.005), 25, 64, metrics, fit)


@program()
def fuel_economy_normalized():
    x, y = data.houses()
    scale = layers.Normalization()
    scale.adapt(x)
    model = Sequential([scale, Dense(64, "relu"), Dense(64, "relu"), Dense(1)])
    return Run(x, y / 1e5, model, "mae", Adam(0.005), 40, 32, None, {"validation_split": 0.2})


@program()
def nearly_pure_noise():
    x = data.random().normal(size=(1000, 10)).astype("float32")
    y = 0.35 * x[:, :1] + data.random().normal(size=(1000, 1))
    return Run(x, y, mlp(10, [16], 1), MSE, Adam(0.003), 15, 32, None, {"validation_split": 0.2})


@program()
def clicks_hard_to_predict():
    x = data.random().normal(size=(1500, 12)).astype("float32")
    odds = 1 / (1 + np.exp(-0.8 * x[:, 0] + 0.5 * x[:, 1] + 1.5))
    y = (data.random().random(1500) < odds).astype("float32")
    return Run(x, y, mlp(12, [16], 1, "sigmoid"), BINARY, "adam", 12, 32, ["auc"])


@program()
def stopped_early():
    x, y = data.bundled("diabetes")
    y = (y - y.mean()) / y.std()
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    run = Run(data.scaled(x), y, mlp(10, [32], 1), MSE, Adam(0.005), 200, 32)
    run.fit, run.callbacks = {"validation_split": 0.25}, [stop]
    return run


@program()
def siamese_distance():
    x, y = data.blobs(900, 3, 8)
    x, half = data.scaled(x), 450
    same = (y[:half] == y[half:]).astype("float32")
    tower = mlp(8, [32], 8)
    inputs = [keras.Input((8,)), keras.Input((8,))]
    apart = layers.Subtract()([tower(inputs[0]), tower(inputs[1])])
    outputs = Dense(1, "sigmoid")(layers.Multiply()([apart, apart]))
    return Run((x[:half], x[half:]), same, keras.Model(inputs, outputs), BINARY, Adam(0.01), 25)


@program()
def transformer_block():
    x, y = data.reviews(800)
    inputs = keras.Input((20,))
    hidden = layers.Embedding(200, 16)(inputs)
    hidden = layers.LayerNormalization()(hidden + layers.MultiHeadAttention(2, 8)(hidden, hidden))
    hidden = layers.LayerNormalization()(hidden + Dense(16)(Dense(32, "relu")(hidden)))
    outputs = Dense(2, "softmax")(layers.GlobalAveragePooling1D()(hidden))
    return Run(x, y, keras.Model(inputs, outputs), SPARSE, Adam(0.003), 6, 32, ACCURACY)


@program()
def residual_convolutions_normalized():
    x, y = data.pixels(900)
    inputs = keras.Input((16, 16, 1))
    hidden = Conv2D(8, 3, padding="same")(layers.Rescaling(1 / 255)(inputs))
    for _ in range(2):
        inner = layers.Activation("relu")(layers.BatchNormalization()(hidden))
        hidden = layers.Add()([hidden, Conv2D(8, 3, padding="same")(inner)])
    outputs = Dense(10, "softmax")(layers.Flatten()(hidden))
    return Run(x, y, keras.Model(inputs, outputs), SPARSE, Adam(0.003), 6, 32, ACCURACY)


@program()
def shuffled_dataset():
    import tensorflow as tf

    x, y = _digits()
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(1500).batch(32).prefetch(2)
    return Run(dataset, None, mlp(64, [64], 10, "softmax"), SPARSE, "adam", 10, None, ACCURACY)


@program()
def generator_of_unknown_length():
    x, y = _digits()

    def batches():
        for _ in range(12):
            order = np.random.permutation(len(x))
            for i in range(0, len(x), 32):
                yield x[order[i : i + 32]], y[order[i : i + 32]]

    return Run(batches(), None, mlp(64, [64], 10, "softmax"), SPARSE, Adam(0.005), 1, None)


@program()
def segmentation_of_rectangles():
    from benchmarks.diagnosis_programs.questions_output import _masks, _unet

    return Run(*_masks(300), _unet(), BINARY, Adam(0.005), 10, 16, ACCURACY)


@program()
def steps_per_execution_ten():
    model = mlp(64, [64], 10, "softmax")
    run = Run(*_digits(), model, SPARSE, Adam(0.003), 10, 32, ACCURACY)
    compiled = model.compile
    steps = 1 if keras.backend.backend() == "torch" else 10  # which Keras refuses there
    model.compile = lambda **options: compiled(steps_per_execution=steps, **options)
    return run


@program()
def wide_and_penalized():
    x, y = data.bundled("breast_cancer")
    penalty = regularizers.L1L2(1e-5, 1e-4)
    stack = [Dense(64, "elu", kernel_regularizer=penalty), layers.Dropout(0.5)] * 1
    stack += [Dense(64, "elu", kernel_regularizer=penalty), layers.Dropout(0.5)]
    model = Sequential([*stack, Dense(1)])
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    fit = {"validation_split": 0.2}
    return Run(data.scaled(x), y, model, loss, Adam(0.003), 25, 32, ACCURACY, fit)


@program()
def counts_regressed_with_poisson():
    x = data.random().normal(size=(600, 5)).astype("float32")
    y = data.random().poisson(np.exp(0.6 * x[:, :1] + 0.5))
    return Run(x, y, mlp(5, [32], 1, "exponential"), "poisson", Adam(0.005), 25)
