"""What Keras's losses expect of an output, and which numbers its activations deliver."""

from math import inf

REGRESSION_LOSSES = (
    "mean_squared_error",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_logarithmic_error",
    "huber",
    "log_cosh",
    "poisson",
    "cosine_similarity",
)
# Of these, those that leave the size of a prediction open.
SCALE_FREE_LOSSES = ("cosine_similarity",)
# Losses that take probabilities, and the activations that deliver them.
PROBABILITIES = {
    "binary_crossentropy": ("sigmoid", "hard_sigmoid", "sparse_sigmoid", "softmax"),
    "binary_focal_crossentropy": ("sigmoid", "hard_sigmoid", "sparse_sigmoid", "softmax"),
    "categorical_crossentropy": ("softmax",),
    "categorical_focal_crossentropy": ("softmax",),
    "categorical_generalized_cross_entropy": ("softmax",),
    "sparse_categorical_crossentropy": ("softmax",),
    "kl_divergence": ("softmax", "sigmoid"),
}
# Margins between scores, overlaps of sets, and alignments: no rule asks for an activation here.
OTHER_LOSSES = ("categorical_hinge", "circle", "ctc", "dice", "hinge", "squared_hinge", "tversky")

# Smallest and largest output of an activation function; those that have neither are left out.
RANGES = {
    "sigmoid": (0.0, 1.0),
    "hard_sigmoid": (0.0, 1.0),
    "sparse_sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "sparsemax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hard_tanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu6": (0.0, 6.0),
    "relu": (0.0, inf),
    "softplus": (0.0, inf),
    "squareplus": (0.0, inf),
    "sparse_plus": (0.0, inf),
    "exponential": (0.0, inf),
    "gelu": (-0.17, inf),
    "silu": (-0.279, inf),
    "mish": (-0.309, inf),
    "hard_silu": (-0.375, inf),
    "selu": (-1.759, inf),
    "log_sigmoid": (-inf, 0.0),
    "log_softmax": (-inf, 0.0),
}

# Optimizers whose steps do not depend on the gradient's size.
SCALE_FREE = (
    "adadelta",
    "adafactor",
    "adagrad",
    "adam",
    "adamax",
    "adamw",
    "lamb",
    "lion",
    "nadam",
    "rmsprop",
    "schedulefreeadamw",
)
