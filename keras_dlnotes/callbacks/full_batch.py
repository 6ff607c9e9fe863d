"""Full-batch training on more data than memory holds."""

from keras_dlnotes.callbacks.copyable_callback import CopyableCallback
from keras_dlnotes.callbacks.examples_of_batch import telling_examples
from keras_dlnotes.instrumentation import inner_optimizer
from keras_dlnotes.instrumentation.replaced_methods import ReplacedMethods
from keras_dlnotes.optimizers.second_order_optimizer import SecondOrderOptimizer


def second_order_optimizer(model, caller):
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
    """Makes one epoch one evaluation: loss and gradient summed over all of its batches.

    When to use it: with `LBFGS` or `BFGS` when the data set does not fit into one batch. Without
    it every mini-batch would count as an evaluation of its own, at which the line search fails.

    Formula: with batches b of n_b examples, mean losses L_b (penalties included) and gradients
    g_b, all taken at the same weights,

        L = sum_b n_b L_b / sum_b n_b        g = sum_b n_b g_b / sum_b n_b

    which is exactly the loss of the whole set as one batch: a short last batch has the weight of
    its size, and penalties count once. It holds for losses that are means over the batch
    (Keras's default reduction `"sum_over_batch_size"`) and models without batch statistics.

    Works with arrays, `tf.data`, generators and `PyDataset`, with a known length or without. Put
    it before `StopWhenConverged` in the list of callbacks. It replaces the model's `train_step`
    while `fit` runs, and puts it back when `fit` ends or raises.

    Raises:
        ValueError: If the model's optimizer does not accumulate evaluations.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.LBFGS(), loss="mse")
    model.fit(dataset, epochs=200, callbacks=[kd.callbacks.FullBatch()])
    ```
    """

    of_a_fit = ("_optimizer", "_replaced")

    def set_model(self, model):
        """Let the train step tell the optimizer each batch's size."""
        super().set_model(model)
        optimizer = second_order_optimizer(model, type(self).__name__)
        if not hasattr(optimizer, "weigh_batch"):
            raise ValueError(
                "FullBatch works with LBFGS and BFGS. "
                f"Received: {type(optimizer).__name__}, whose curvature belongs to one batch."
            )
        self._optimizer = optimizer
        weighted = telling_examples(optimizer.weigh_batch)
        self._replaced = ReplacedMethods(model, {"train_step": weighted}, self._discard_evaluation)

    def on_train_begin(self, logs=None):
        """Watch over the train function."""
        self._replaced.start()

    def on_train_batch_begin(self, batch, logs=None):
        """Let the next step through."""
        self._replaced.arm()

    def _discard_evaluation(self):
        if self._optimizer.built:
            self._optimizer.discard_evaluation()

    def on_epoch_begin(self, epoch, logs=None):
        """Forget a sum that an interrupted epoch may have left behind."""
        self._discard_evaluation()

    def on_epoch_end(self, epoch, logs=None):
        """Hand the epoch's loss and gradient to the optimizer as one evaluation."""
        self._optimizer.finish_evaluation()

    def on_train_end(self, logs=None):
        """Give the model its own train step back."""
        self._replaced.remove()
