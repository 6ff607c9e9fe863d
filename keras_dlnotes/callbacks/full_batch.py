"""Full-batch training on more data than memory holds."""

from collections.abc import Callable
from typing import Any

import keras

from keras_dlnotes.backend import active
from keras_dlnotes.callbacks.copyable_callback import CopyableCallback
from keras_dlnotes.callbacks.examples_of_batch import telling_examples
from keras_dlnotes.instrumentation import inner_optimizer
from keras_dlnotes.instrumentation.replaced_methods import ReplacedMethods
from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.optimizers.second_order_optimizer import SecondOrderOptimizer


def second_order_optimizer(model: keras.Model, caller: str) -> Any:
    """The model's optimizer, out of a `LossScaleOptimizer` if need be; an error if not ours."""
    optimizer = inner_optimizer(model)
    if not isinstance(optimizer, SecondOrderOptimizer):
        raise ValueError(
            f"{caller} works with the second-order optimizers of keras_dlnotes (LBFGS, BFGS, "
            f"Newton, NewtonCG, GaussNewton). Received: {type(optimizer).__name__}. Compile the "
            f"model with one of them, or leave {caller} out."
        )
    return optimizer


class FullBatch(CopyableCallback):
    """Makes one epoch one evaluation, or as many as you like, of the whole data set.

    When to use it: with `LBFGS` or `BFGS` when the data set does not fit into one batch; and with
    every second-order optimizer, as `FullBatch(evaluations=20)`, when it does, and is small.

    Several batches an epoch, `evaluations=1`: loss and gradient are summed over all of them.
    Without it every mini-batch would count as an evaluation of its own, at which the line search
    fails. Formula: with batches b of n_b examples, mean losses L_b (penalties included) and
    gradients g_b, all taken at the same weights,

        L = sum_b n_b L_b / sum_b n_b        g = sum_b n_b g_b / sum_b n_b

    which is exactly the loss of the whole set as one batch: a short last batch has the weight of
    its size, and penalties count once. It holds for losses that are means over the batch
    (Keras's default reduction `"sum_over_batch_size"`) and models without batch statistics.

    One batch an epoch, `evaluations=k`: the epoch's one training step evaluates k times, in one
    compiled loop (a plain one on torch) with the data where they are. The weights are those of k
    epochs without it, bit for bit but for what the compiler does with sums. What Keras's loop
    costs an epoch is paid once for k evaluations: mostly more than a small network's evaluation.
    On TensorFlow Keras makes a new iterator over arrays in each epoch, which takes 10 ms and more;
    `fit(tf.data.Dataset.from_tensors((x, y)).repeat(), steps_per_epoch=1, shuffle=False)` keeps
    one. Callbacks are called and validation takes place once in k evaluations. The loss in the logs
    is Keras's mean over the epoch's evaluations; that of the accepted point is
    `optimizer.progress["loss"]`. The monitor records the first of a step's evaluations.

    Works with arrays, `tf.data`, generators and `PyDataset`, with a known length or without. Put
    it before `StopWhenConverged` in the list of callbacks, and after `SecondDerivatives`. It
    replaces the model's `train_step` while `fit` runs, and puts it back when `fit` ends or raises.

    Args:
        evaluations: How many evaluations an epoch of one batch makes, at least 1.

    Raises:
        ValueError: If the model's optimizer does not accumulate evaluations; for several
            evaluations, if an epoch has several batches or the model several replicas.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.LBFGS(), loss="mse")
    model.fit(dataset, epochs=200, callbacks=[kd.callbacks.FullBatch()])
    ```
    """

    of_a_fit = ("_optimizer", "_replaced")

    def __init__(self, evaluations: int = 1) -> None:
        super().__init__()
        self.evaluations = whole_number("evaluations", evaluations)

    def set_model(self, model: keras.Model) -> None:
        """Let the train step tell the optimizer each batch's size."""
        super().set_model(model)
        optimizer = second_order_optimizer(model, type(self).__name__)
        self._optimizer = optimizer
        if self.evaluations > 1:
            if active.replicas.count_of(model) > 1:
                raise ValueError(
                    f"FullBatch(evaluations={self.evaluations}) repeats a step on one device. "
                    "Expected a model on one replica. Received: "
                    f"{active.replicas.count_of(model)} replicas. Leave `evaluations` out."
                )
            if model.steps_per_execution > 1:
                raise ValueError(
                    f"FullBatch(evaluations={self.evaluations}) takes the place of "
                    "`steps_per_execution`. Expected a model compiled with steps_per_execution=1. "
                    f"Received: {model.steps_per_execution}."
                )
            self._replaced = ReplacedMethods(
                model, {"train_step": self._repeating}, settings=(self.evaluations,)
            )
            return
        if not hasattr(optimizer, "weigh_batch"):
            raise ValueError(
                "FullBatch adds up several batches with LBFGS and BFGS. "
                f"Received: {type(optimizer).__name__}, whose curvature belongs to one batch. "
                "With one batch an epoch, FullBatch(evaluations=20) works with it too."
            )
        weighted = telling_examples(optimizer.weigh_batch)
        self._replaced = ReplacedMethods(model, {"train_step": weighted}, self._discard_evaluation)

    def _repeating(self, train_step: Callable[..., Any]) -> Callable[..., Any]:
        count = self.evaluations - 1

        def repeat(result: Any, *arguments: Any) -> Any:
            return active.train_function.repeated(train_step, count, result, *arguments)

        def repeating_train_step(*arguments: Any) -> Any:
            return repeat(train_step(*arguments), *arguments)

        # An observed step measures the first evaluation alone.
        repeating_train_step.first = train_step  # type: ignore[attr-defined]
        repeating_train_step.repeat = repeat  # type: ignore[attr-defined]
        return repeating_train_step

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Put the replacement in, and watch over the train function."""
        self._check_batches((self.params or {}).get("steps") or 1)
        self._replaced.start()

    def _check_batches(self, batches: int) -> None:
        if self.evaluations > 1 and batches > 1:
            self._replaced.remove()
            raise ValueError(
                f"FullBatch(evaluations={self.evaluations}) evaluates one batch "
                f"{self.evaluations} times. Expected one batch an epoch. Received: at least "
                f"{batches}. Call fit(batch_size=len(x)), or leave `evaluations` out: FullBatch() "
                "sums over the batches of an epoch."
            )

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Let the next step through."""
        self._replaced.arm()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Refuse a second batch, which data of unknown length may have."""
        self._check_batches(batch + 1)

    def _discard_evaluation(self) -> None:
        if self._optimizer.built and self.evaluations == 1:
            self._optimizer.discard_evaluation()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Forget a sum that an interrupted epoch may have left behind."""
        self._discard_evaluation()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Hand the epoch's loss and gradient to the optimizer as one evaluation."""
        if self.evaluations == 1:
            self._optimizer.finish_evaluation()

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Give the model its own train step back."""
        self._replaced.remove()
