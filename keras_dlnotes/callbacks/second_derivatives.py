"""Second derivatives for Newton's method where the loss alone does not carry them."""

from collections.abc import Callable
from typing import Any

import keras

from keras_dlnotes.backend import active, internals
from keras_dlnotes.backend.replacements import patched
from keras_dlnotes.callbacks import least_squares_problem
from keras_dlnotes.callbacks.copyable_callback import CopyableCallback
from keras_dlnotes.callbacks.examples_of_batch import telling_examples
from keras_dlnotes.instrumentation import inner_optimizer
from keras_dlnotes.instrumentation.replaced_methods import ReplacedMethods
from keras_dlnotes.optimizers.trust_region import UNSCALED


class SecondDerivatives(CopyableCallback):
    """Gives Newton's and Gauss-Newton's methods what a loss alone does not tell of its curvature.

    When to use it: with `GaussNewton` and `NewtonCG(curvature="gauss_newton")` on every backend,
    and with `Newton` and `NewtonCG` in `fit` on JAX. Elsewhere, on TensorFlow and torch, the
    loss carries its graph and this callback does nothing, so that a script with it runs everywhere.
    Where several replicas train on parts of unequal size, it tells the optimizer their sizes. On
    TensorFlow a step of `GaussNewton` runs without XLA (`jit_compile`), which cannot decompose
    matrices to the last digit.

    Formula: while `fit` runs, the optimizer is given L(w), the very loss of the batch of the
    training step (penalties included) as a function of the trainable weights, and where it asks
    for them the outputs o(w), from which it forms

        H = d^2 L / dw^2   or   H v = d (g^T v) / dw   or   G v   or   do / dw by examples

    It replaces methods of the model while `fit` runs, and puts them back when `fit` ends or raises.

    Raises:
        ValueError: If the model's optimizer takes no second derivatives, or for `GaussNewton` the
            loss has none that is positive.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.Newton(), loss="mse")
    model.fit(x, y, batch_size=len(x), epochs=20, callbacks=[kd.callbacks.SecondDerivatives()])
    ```
    """

    of_a_fit = ("_replaced",)

    def set_model(self, model: keras.Model) -> None:
        """Hand the optimizer the loss function, or the outputs, in every training step."""
        super().set_model(model)
        self._replaced = None
        self._without_xla = False
        optimizer = model.optimizer
        if not hasattr(optimizer, "differentiate"):
            advice = "Leave SecondDerivatives out."
            if hasattr(inner_optimizer(model), "differentiate"):
                advice = UNSCALED
            raise ValueError(
                "SecondDerivatives works with Newton, NewtonCG and GaussNewton. "
                f"Received: {type(optimizer).__name__}. {advice}"
            )
        replacements: dict[str, Any] = {}
        if getattr(optimizer, "needs_examples", False):
            self._replaced = self._taking_apart(model)
            return
        if active.derivatives.SOURCE == "function":
            replacements["train_step"] = self._with_loss_function
        elif optimizer.needs_outputs:
            replacements["compute_loss"] = self._with_outputs
        if active.replicas.count_of(model) > 1:
            replacements["train_step"] = telling_examples(optimizer.count_examples)
        if replacements:
            self._replaced = ReplacedMethods(model, replacements)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the replacements in, and watch over the train function."""
        if hasattr(self.model.train_step, "repeat"):
            raise ValueError(
                "Expected SecondDerivatives before FullBatch in the list of callbacks: each "
                "evaluation needs its own second derivatives. Received them the other way round."
            )
        if self._replaced is not None:
            self._compiled = self.model.jit_compile
            if self._without_xla:
                self.model.jit_compile = False
            self._replaced.start()

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Let the next step through."""
        if self._replaced is not None:
            self._replaced.arm()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Give the model its own methods back."""
        if self._replaced is not None:
            self._replaced.remove()

    def _taking_apart(self, model: keras.Model) -> ReplacedMethods:
        names = least_squares_problem.losses_of_outputs(model)
        differentiate = model.optimizer.differentiate
        if active.derivatives.SOURCE == "function":

            def replacement(train_step: Any) -> Any:
                def observed_train_step(state: Any, data: Any) -> Any:
                    batch = keras.utils.unpack_x_y_sample_weight(data)
                    problem = least_squares_problem.of_state(model, state, names, *batch)
                    differentiate(*problem)
                    return train_step(state, data)

                return observed_train_step

            return ReplacedMethods(model, {"train_step": replacement})

        def observed(compute_loss: Any) -> Any:
            def observed_compute_loss(
                x: Any = None,
                y: Any = None,
                y_pred: Any = None,
                sample_weight: Any = None,
                **more: Any,
            ) -> Any:
                if more.get("training", True):
                    problem = least_squares_problem.of_variables(
                        model, compute_loss, names, x, y, sample_weight
                    )
                    differentiate(*problem)
                return compute_loss(x, y, y_pred, sample_weight, **more)

            return observed_compute_loss

        def restore() -> None:
            model.jit_compile = self._compiled

        self._without_xla = keras.backend.backend() == "tensorflow"
        return ReplacedMethods(model, {"compute_loss": observed}, restore)

    def _with_outputs(self, compute_loss: Callable[..., Any]) -> Callable[..., Any]:
        optimizer = self.model.optimizer

        def observed_compute_loss(
            x: Any = None,
            y: Any = None,
            y_pred: Any = None,
            *rest: Any,
            training: Any = True,
            **more: Any,
        ) -> Any:
            if training:
                optimizer.observe_outputs(keras.tree.flatten(y_pred))
            return compute_loss(x, y, y_pred, *rest, training=training, **more)

        return observed_compute_loss

    def _with_loss_function(self, train_step: Callable[..., Any]) -> Callable[..., Any]:
        model, optimizer = self.model, self.model.optimizer

        def observed_train_step(state: Any, data: Any) -> Any:
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
            _, non_trainable, optimizer_variables, metrics = state

            def loss_function(weights: Any) -> Any:
                _, (loss, *_) = model.compute_loss_and_updates(
                    weights,
                    non_trainable,
                    metrics,
                    x,
                    y,
                    sample_weight,
                    training=True,
                    optimizer_variables=optimizer_variables,
                )
                return loss

            if optimizer.needs_outputs:
                optimizer.differentiate(*_apart(model, loss_function))
            else:
                optimizer.differentiate(loss_function)
            return train_step(state, data)

        return observed_train_step


def _apart(
    model: keras.Model, loss_function: Callable[..., Any]
) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """The loss as a function of weights and outputs, and the outputs as one of the weights."""
    compute_loss = model.compute_loss

    def loss_of_outputs(weights: Any, outputs: Any) -> Any:
        def with_given(
            x: Any = None, y: Any = None, y_pred: Any = None, *rest: Any, **more: Any
        ) -> Any:
            for output, seen in zip(outputs, keras.tree.flatten(y_pred), strict=True):
                internals.set_mask.value(output, internals.get_mask.value(seen))
            given = keras.tree.pack_sequence_as(y_pred, outputs)
            return compute_loss(x, y, given, *rest, **more)

        with patched([(model, "compute_loss", with_given)]):
            return loss_function(weights)

    def outputs_of(weights: Any) -> Any:
        seen: list[Any] = []

        def keeping(
            x: Any = None, y: Any = None, y_pred: Any = None, *rest: Any, **more: Any
        ) -> Any:
            seen[:] = keras.tree.flatten(y_pred)
            return compute_loss(x, y, y_pred, *rest, **more)

        with patched([(model, "compute_loss", keeping)]):
            loss_function(weights)
        return seen

    return loss_of_outputs, outputs_of
