"""The names that Keras keeps private and this package uses: the only module that names them.

What an entry is, and what happens where its name is missing, is in `private_names.py`.
"""

from functools import partial

from keras_dlnotes.backend import private_names

# The versions in which all of these have been seen.
KNOWN_IN = "3.12 to 3.15"
_attribute = partial(private_names.Attribute, known_in=KNOWN_IN)
_folder = partial(private_names.Folder, known_in=KNOWN_IN)
_imported = partial(private_names.Imported, known_in=KNOWN_IN)
_method = partial(private_names.Method, known_in=KNOWN_IN)
_overridden = partial(private_names.Overridden, known_in=KNOWN_IN)
_prefix = partial(private_names.Prefix, known_in=KNOWN_IN)

# Layers and operations.
flatten_layers = _method(
    "keras:Layer._flatten_layers",
    "all layers inside a layer or model",
    "the monitor, diagnoses, gradient checks, `initialize` and `fold` do not work",
)
inner_layers = _attribute(
    "keras:Layer._layers",
    "copies of models of one's own class, and weights that were loaded",
    "such models cannot be diagnosed with `verify=True`",
)
modules = _attribute(
    "keras:Layer._modules",
    "the layers that a layer holds, when a model of one's own class is copied",
    "its copy shares layers with it",
    backends=("torch",),
)
seed_generators = _attribute(
    "keras:Layer._seed_generators",
    "the same random draws for a picture and its mask",
    "`Pipeline` does not work with Keras's own layers",
)
trained_unless_frozen = _attribute(
    "keras:Layer._trainable_variables",
    "telling frozen weights from moving averages",
    "`check_gradients` does not work",
)
non_trainable_variables = _attribute(
    "keras:Layer._non_trainable_variables",
    "carrying statistics of activations out of a step on JAX",
    "the monitor does not work there",
)
call_takes_training = _attribute(
    "keras:Layer._call_has_training_arg",
    "calling a model as its training step does",
    "`check_gradients` and `GaussNewton` do not work",
)
regularization_losses = _method(
    "keras:Layer._get_regularization_losses",
    "checking penalties apart from the loss",
    "`check_gradients` does not work where there are penalties",
)
policy_of_layer = _attribute(
    "keras:Layer._dtype_policy",
    "computing a layer in float64 whatever its policy",
    "`check_gradients` does not work",
)
dtype_of_input_layer = _attribute(
    "keras:layers.InputLayer._dtype",
    "computing a nested Sequential model in float64",
    "`check_gradients` does not work where there are input layers",
)
remat_mode = _attribute(
    "keras:Operation._remat_mode",
    "leaving the inside of a layer in a `RematScope` alone",
    "the monitor fails where there is such a layer",
)

# The graph of a model.
functional_class = _imported(
    "keras.src.models.functional:Functional",
    "telling a functional model from one of one's own class",
    "the monitor and diagnoses do not work",
)
functional_of_sequential = _attribute(
    "keras:Sequential._functional",
    "the graph that a Sequential model runs",
    "diagnoses do not find the augmentation of Sequential models",
)
nodes_by_depth = _attribute(
    "keras.src.models.functional:Functional._nodes_by_depth",
    "how the layers of a functional model are connected",
    "functional models are treated as models of one's own class",
)
inputs_of_functional = _attribute(
    "keras.src.models.functional:Functional._inputs",
    "inputs of float64",
    "gradient checks of functional models compute in float32",
)
inputs_structure = _attribute(
    "keras.src.models.functional:Functional._inputs_struct",
    "inputs as the dict or list that a model takes",
    "models that take a dict are not diagnosed",
)
inbound_nodes = _attribute(
    "keras:Operation._inbound_nodes",
    "which layer another one reads",
    "diagnoses do not find the last activation of some models",
)
history_of_tensor = _attribute(
    "keras:KerasTensor._keras_history",
    "which layer makes an output",
    "diagnoses do not find the output layer of functional models",
    always=False,
)
dtype_of_tensor = _attribute(
    "keras:KerasTensor._dtype",
    "inputs of float64",
    "`check_gradients` does not work for functional models",
)

# Compiled models and their training.
compile_config = _attribute(
    "keras:Model._compile_config",
    "what a model was compiled with",
    "a copy of a model is compiled without its metrics",
    always=False,
)
compile_loss = _attribute(
    "keras:Model._compile_loss",
    "the loss that a model was compiled with",
    "`check_gradients` checks a compiled model as if it had no loss",
)
user_loss, user_loss_weights = (
    _attribute(
        f"keras.src.trainers.compile_utils:CompileLoss.{name}",
        "the loss as it was given to `compile`",
        "`check_gradients` does not work for compiled models",
    )
    for name in ("_user_loss", "_user_loss_weights")
)
compile_metrics = _attribute(
    "keras:Model._compile_metrics",
    "the metrics that a model was compiled with",
    "diagnoses do not know the metrics",
)
user_metrics, user_weighted_metrics = (
    _attribute(
        f"keras.src.trainers.compile_utils:CompileMetrics.{name}",
        "the metrics as they were given to `compile`",
        "diagnoses do not know the metrics",
    )
    for name in ("_user_metrics", "_user_weighted_metrics")
)
loss_tracker = _attribute(
    "keras:Model._loss_tracker",
    "how many examples a process has trained on",
    "the logs of all processes weigh the same in their mean",
)
compute_loss = _method(
    "keras:Model._compute_loss",
    "the loss of a model with a `compute_loss` of its own",
    "`check_gradients` does not work for such a model",
)
compute_loss_takes_training = _attribute(
    "keras:Model._compute_loss_has_training_arg",
    "calling `compute_loss` as the training step does",
    "`GaussNewton` always passes `training`",
)
jit_compile = _attribute(
    "keras:Model._jit_compile",
    "recorded steps that are not compiled on torch",
    "the monitor does not work there",
)
symbolic_build = _method(
    "keras:Model._symbolic_build",
    "creating variables before the first step is traced on TensorFlow",
    "the first step takes longer, since TensorFlow traces it twice",
)
jax_state_synced = _attribute(
    "keras:Model._jax_state_synced",
    "reading variables inside a training step on JAX",
    "`Diagnosis` and the monitor do not work there",
    backends=("jax",),
)

# What Keras sets on a model while it is compiled and trained; a copy leaves it out.
_OF_TRAINING = {
    "_compile": ("tensorflow", "jax", "torch"),
    "_eval_epoch": ("tensorflow", "jax", "torch"),
    "_jax_state": ("jax",),
    "_loss_tracker": ("tensorflow", "jax", "torch"),
    "_self_": ("tensorflow",),
    "_torch_params": ("torch",),
}
set_by_training = tuple(
    _prefix(
        f"keras:Model.{beginning}",
        "copying a model of one's own class without its training",
        "its copy shares with it what belongs to the training",
        backends=backends,
    )
    for beginning, backends in _OF_TRAINING.items()
)

# Losses and metrics.
loss_arguments = _attribute(
    "keras:losses.MeanSquaredError._fn_kwargs",
    "whether a loss expects logits",
    "diagnoses take every loss for one of probabilities",
)
policy_of_loss, dtype_of_loss = (
    _attribute(
        f"keras:Loss.{name}",
        "computing a loss in float64 whatever its policy",
        "`check_gradients` does not work with losses",
    )
    for name in ("_dtype_policy", "_dtype")
)
logits_of_output = _attribute(
    "tensorflow:Tensor._keras_logits",
    "the logits behind an output, from which a loss is computed on TensorFlow",
    "`NewtonCG` does not see the curvature of such a loss there",
    backends=("tensorflow",),
    always=False,
)
get_mask, set_mask = (
    _imported(
        f"keras.src.backend:{name}",
        "handing on the mask of an output",
        "`SecondDerivatives` does not work where the outputs are needed",
    )
    for name in ("get_keras_mask", "set_keras_mask")
)

# Optimizers.
optimized_variables = _attribute(
    "keras:Optimizer._trainable_variables",
    "the weights that an optimizer updates",
    "this package's optimizers and the monitor's gradients do not work",
)
index_of_variable = _method(
    "keras:Optimizer._get_variable_index",
    "the state that belongs to a weight",
    "this package's optimizers do not work",
)
given_learning_rate = _attribute(
    "keras:Optimizer._learning_rate",
    "the schedule of a learning rate",
    "diagnoses and copies of an optimizer have no schedule",
)
batches_counted = _attribute(
    "keras:Optimizer._iterations",
    "counting batches where gradients are accumulated",
    "the monitor counts updates in place of batches",
)
averages_of_weights = _attribute(
    "keras:Optimizer._model_variables_moving_average",
    "the averages of an optimizer with `use_ema=True`",
    "`EarlyStopping` does not work with such an optimizer",
    always=False,
)
clip_gradients = _overridden(
    "keras:Optimizer._clip_gradients",
    "adding up the parts of a sparse gradient before it is clipped",
    "each part would be clipped by itself",
)
update_all = _overridden(
    "keras:Optimizer._backend_update_step",
    "updating all weights at once",
    "the first-order optimizers do not work",
)
apply_all = _overridden(
    "keras:Optimizer._backend_apply_gradients",
    "handing all gradients to a method of second order",
    "the second-order optimizers do not work",
)

# Variables and callbacks.
value_of_variable = _attribute(
    "keras:Variable._value",
    "exchanging a variable's value for another or for a part of a longer one",
    "optimizers on TensorFlow, and the monitor on JAX, do not work",
)
dtype_of_variable = _attribute(
    "keras:Variable._dtype",
    "computing a layer in float64",
    "`check_gradients` does not work",
)
model_of_callback = _attribute(
    "keras:callbacks.Callback._model",
    "copies of a callback without the model",
    "this package's callbacks cannot be copied",
)
find_direction = _method(
    "keras:callbacks.EarlyStopping._set_monitor_op",
    "whether a metric is to rise or to fall",
    "`EarlyStopping` does not work",
)
averages_are_in_model = _attribute(
    "keras:callbacks.SwapEMAWeights._ema_weights_in_model",
    "whether the model holds averaged weights already",
    "`EarlyStopping` does not work beside `SwapEMAWeights`",
)

# How Keras computes.
narrowed_dtypes = _imported(
    "keras.src.backend.common.dtypes:BIT64_TO_BIT32_DTYPE",
    "computing in float64 on JAX and torch",
    "`check_gradients` does not work",
)
cast = _imported(
    "keras.src.backend:core.cast",
    "computing in float64 what a layer casts to half precision",
    "`check_gradients` does not work",
)
get_global, set_global, global_seeds = (
    _imported(
        f"keras.src.{place}",
        "asking what an activation computes without changing what is drawn in training",
        "diagnoses do not work, nor does the monitor",
    )
    for place in (
        "backend.common.global_state:get_global_attribute",
        "backend.common.global_state:set_global_attribute",
        "random.seed_generator:global_seed_generator",
    )
)
# The key under which Keras keeps its global seeds once something was drawn from them.
GLOBAL_SEEDS = "global_seed_generator"
get_device = _imported(
    "keras.src.backend.torch.core:get_device",
    "the device that Keras computes on with torch",
    "most of this package does not work there",
    backends=("torch",),
)
to_torch_dtype = _imported(
    "keras.src.backend.torch.core:to_torch_dtype",
    "torch's dtype for one of Keras's",
    "second-order optimizers do not work on torch",
    backends=("torch",),
)
custom_gradient = _imported(
    "keras.src.backend.torch.core:custom_gradient",
    "evaluating a function with a gradient of its own at many points on torch",
    "`check_gradients` does not work there",
    backends=("torch",),
)

# Where Keras's own classes and functions are defined.
keras_itself = _folder(
    "keras.src.",
    "telling Keras's classes from those of one's own",
    "no class counts as one of Keras's",
    ("keras:Layer", "keras:Optimizer", "keras:losses.mean_squared_error"),
)
layers = _folder(
    "keras.src.layers.",
    "telling Keras's layers from those of one's own",
    "the monitor looks into layers of Keras's",
    ("keras:layers.Dense", "keras:layers.LSTM"),
)
activations = _folder(
    "keras.src.layers.activations.",
    "layers that are an activation",
    "the monitor and diagnoses do not know their saturation",
    ("keras:layers.ReLU", "keras:layers.Softmax"),
)
random_augmentation = _folder(
    "keras.src.layers.preprocessing.image_preprocessing.random_",
    "layers of random augmentation",
    "diagnoses do not find them",
    ("keras:layers.RandomFlip", "keras:layers.RandomRotation"),
)
functions = _folder(
    "keras.src.ops.nn",
    "activations and convolutions as functions of a graph",
    "diagnoses take them for arithmetic without weights",
    ("keras:ops.relu", "keras:ops.conv"),
)
_PASSING_ON = {
    "keras.src.layers.core.identity": ("keras:layers.Identity",),
    "keras.src.layers.core.input_layer": ("keras:layers.InputLayer",),
    "keras.src.layers.core.masking": ("keras:layers.Masking",),
    "keras.src.layers.merging.": ("keras:layers.Add", "keras:layers.Dot"),
    "keras.src.layers.pooling.": ("keras:layers.MaxPooling2D",),
    "keras.src.layers.preprocessing.": ("keras:layers.Rescaling", "keras:layers.RandomFlip"),
    "keras.src.layers.regularization.": ("keras:layers.Dropout", "keras:layers.GaussianNoise"),
    "keras.src.layers.reshaping.": ("keras:layers.Flatten", "keras:layers.ZeroPadding2D"),
}
# All of these layers have neither weights nor an activation, but for `Normalization`.
passing_on = tuple(
    _folder(
        beginning,
        "layers that pass on what they are given",
        "the monitor shows them as if they did something of their own",
        holds,
    )
    for beginning, holds in _PASSING_ON.items()
)
