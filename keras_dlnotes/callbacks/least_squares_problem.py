"""The loss of a training step taken apart for `GaussNewton`: outputs, and the loss in them."""

from collections.abc import Callable
from typing import Any

import keras

from keras_dlnotes.backend import internals
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.optimizers.gauss_newton_factor import LeastSquares

# Keras's losses by the names of their functions. Of the first, the second derivatives are 0 between
# any two numbers of the output.
_ELEMENTWISE = {
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "binary_crossentropy",
    "poisson",
    "log_cosh",
    "huber",
    "squared_hinge",
}
_BY_EXAMPLE = {"categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence"}
# Activations behind which these losses are convex in the numbers before them.
_LINKS = {
    keras.activations.softmax: _BY_EXAMPLE,
    keras.activations.sigmoid: {"binary_crossentropy"},
}


def losses_of_outputs(model: keras.Model) -> list[str | None] | str | None:
    """The names of the outputs' losses, None for one of the user's; a list, or one for all outputs.

    Raises:
        ValueError: If one of Keras's losses has no positive second derivative.
    """
    losses = keras.tree.flatten(model.loss) if getattr(model, "loss", None) is not None else []
    names = [_name_of(loss) for loss in losses]
    if isinstance(model.loss, dict) and len(set(names)) > 1:
        return None  # in which order the outputs come is not known here
    return names if len(names) > 1 else names[0] if names else None


def _name_of(loss: Any) -> str | None:
    if loss is None:
        return None
    found = keras.losses.get(loss)
    name = getattr(getattr(found, "fn", found), "__name__", "")
    own = getattr(getattr(found, "fn", found), "__module__", "").startswith("keras.")
    if not own or (
        isinstance(found, keras.Loss) and not type(found).__module__.startswith("keras.")
    ):
        return None
    if name not in _ELEMENTWISE | _BY_EXAMPLE:
        raise ValueError(
            "GaussNewton needs a loss that is convex in the outputs and twice differentiable. "
            f"Expected one of {sorted(_ELEMENTWISE | _BY_EXAMPLE)}, or a function of your own of "
            f"that kind. Received: {name!r}. Use LBFGS, or one of these losses."
        )
    return name


def _are_elementwise(names: list[str | None] | str | None) -> list[bool] | bool:
    """Whether each output's loss is a sum over single numbers; a list, or one for all outputs."""
    if isinstance(names, list):
        return [name in _ELEMENTWISE for name in names]
    return names in _ELEMENTWISE


class _Outputs:
    """A model's outputs, or the numbers before a last softmax or sigmoid, which it remembers."""

    def __init__(
        self, model: keras.Model, state: Any, names: list[str | None] | str | None
    ) -> None:
        self._model = model
        self._state = state
        self._names = names  # of the losses
        self._like: Any = None  # the structure of the outputs
        self._links: Any = None  # what makes outputs of the numbers, or None, for each
        self._masks: Any = None
        self.has_call_losses = False

    def call(self, inputs: Any) -> Any:
        """What the model's own training step takes for its predictions."""
        if internals.call_takes_training.of(self._model):
            return self._model(inputs, training=True)
        return self._model(inputs)

    def __call__(self, weights: Any, inputs: Any) -> list[Any]:
        """The list of outputs for some inputs."""
        seen: list[Any] = []
        layers = internals.flatten_layers(self._model)
        ends = [(la, la.__dict__["activation"]) for la in layers if "activation" in la.__dict__]
        ends = [(layer, link) for layer, link in ends if link in _LINKS]

        def noting(link: Any) -> Any:
            def noted(x: Any) -> Any:
                y = link(x)
                seen.append((y, x, link))
                return y

            return noted

        replaced = [(layer, "activation", noting(link)) for layer, link in ends]
        mapping = [*zip(self._model.trainable_variables, weights, strict=True), *self._state]
        scope = keras.StatelessScope(state_mapping=mapping, collect_losses=True)
        with patched(replaced), scope:
            predictions = self.call(inputs)
        outputs = keras.tree.flatten(predictions)
        before = [self._before_link(seen, o, number) for number, o in enumerate(outputs)]
        if self._like is None:  # the first call is that with all examples
            self._like = keras.tree.map_structure(lambda _: None, predictions)
            self._links = [link for _, link in before]
            self._masks = [internals.get_mask.value(output) for output in outputs]
            self.has_call_losses = bool(scope.losses)
        outputs = [
            x if link is not None else o for o, (x, link) in zip(outputs, before, strict=True)
        ]
        for output in outputs:
            if keras.backend.standardize_dtype(output.dtype) in ("float16", "bfloat16"):
                raise ValueError(
                    "GaussNewton needs the Jacobian in at least float32. Received: an output of "
                    f"dtype {keras.backend.standardize_dtype(output.dtype)}. Leave the policy "
                    "'mixed_float16' or 'mixed_bfloat16' out, or use an optimizer such as Adam."
                )
        return outputs

    def _before_link(self, seen: Any, output: Any, number: Any) -> tuple[Any, Any]:
        name = self._names[number] if isinstance(self._names, list) else self._names
        for y, x, link in seen:
            if y is output and name in _LINKS[link]:
                return x, link
        return output, None

    def predictions(self, outputs: Any) -> Any:
        """The structure that the model returns, of a list of outputs."""
        given = []
        for output, link, mask in zip(outputs, self._links, self._masks, strict=True):
            prediction = output if link is None else link(output)
            if mask is not None:
                internals.set_mask.value(prediction, mask)
            given.append(prediction)
        return keras.tree.pack_sequence_as(self._like, given)

    def has_penalties(self) -> bool:
        """Whether the loss depends on the weights past the outputs."""
        weights = self._model.trainable_variables
        penalized = any(getattr(weight, "regularizer", None) is not None for weight in weights)
        return penalized or self.has_call_losses


def of_variables(
    model: keras.Model,
    compute_loss: Callable[..., Any],
    names: list[str | None] | str | None,
    x: Any,
    y: Any,
    sample_weight: Any,
) -> LeastSquares:
    """The problem where the variables hold their values, as on TensorFlow and torch."""
    outputs_of = _Outputs(model, (), names)
    takes_training = internals.compute_loss_takes_training.of(model, True)
    training = {"training": True} if takes_training else {}

    def loss(weights: Any, outputs: Any) -> Any:
        mapping = list(zip(model.trainable_variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping, collect_losses=True):
            if outputs_of.has_call_losses:
                outputs_of.call(x)
            return compute_loss(
                x, y, outputs_of.predictions(outputs), sample_weight=sample_weight, **training
            )

    return LeastSquares(loss, outputs_of, x, _are_elementwise(names), outputs_of.has_penalties)


def of_state(
    model: keras.Model,
    state: Any,
    names: list[str | None] | str | None,
    x: Any,
    y: Any,
    sample_weight: Any,
) -> LeastSquares:
    """The problem where the values are in the state of the training step, as on JAX."""
    _, non_trainable, optimizer_variables, metrics = state
    values = zip(model.non_trainable_variables, non_trainable, strict=True)
    outputs_of = _Outputs(model, list(values), names)
    compute_loss = model.compute_loss

    def loss(weights: Any, outputs: Any) -> Any:
        def with_given(
            x: Any = None, y: Any = None, y_pred: Any = None, *rest: Any, **more: Any
        ) -> Any:
            return compute_loss(x, y, outputs_of.predictions(outputs), *rest, **more)

        with patched([(model, "compute_loss", with_given)]):
            _, (value, *_) = model.compute_loss_and_updates(
                weights,
                non_trainable,
                metrics,
                x,
                y,
                sample_weight,
                training=True,
                optimizer_variables=optimizer_variables,
            )
        return value

    return LeastSquares(loss, outputs_of, x, _are_elementwise(names), outputs_of.has_penalties)
