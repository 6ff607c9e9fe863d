"""Follow a second-order optimizer through `fit`, and stop when it has nothing left to do."""

from typing import Any

import keras

from keras_dlnotes.backend.messages import tell
from keras_dlnotes.callbacks.copyable_callback import CopyableCallback
from keras_dlnotes.callbacks.full_batch import second_order_optimizer
from keras_dlnotes.numerics.phases import NOT_FINITE, Phase

_EXHAUSTED = (
    "the precision of the weights or the loss is exhausted, the loss has a kink there (an L1 "
    "penalty, an absolute error), or the gradient is not that of the loss"
)
_SENTENCES = {
    "converged": "the gradient is within the tolerance",
    "loss too coarse": "the loss was the same at points where it should have differed",
    "line search failed": f"no lower loss was found along the steepest descent: {_EXHAUSTED}",
    "trust region failed": f"no lower loss was found by however short a step: {_EXHAUSTED}",
    "not finite": "the loss or a derivative is no finite number where there is no other point to "
    "go to: look for NaN and infinity in the data, and for weights or inputs so large that the "
    "loss overflows",
    "not deterministic": "the loss changed between two evaluations at the same weights",
    "examples not independent": "the gradient is not the sum of what the examples contribute",
}


class StopWhenConverged(CopyableCallback):
    """Ends `fit` when a second-order optimizer has converged or cannot go on, and says which.

    When to use it: with every `fit` that uses `LBFGS`, `BFGS`, `Newton`, `NewtonCG` or
    `GaussNewton`. Besides stopping, it

    - shows validation, and callbacks that come after it at the end of an epoch (checkpoints), the
      accepted point instead of the trial point of a half-finished line search;
    - adds `gradient_norm`, `step_size`, `evaluations` and `status_code` to the logs, from where
      `History` and Keras's `TensorBoard` take them.

    Formula: converged means max_i |dL/dw_i| <= the optimizer's `gradient_tolerance` (for
    `GaussNewton` in another measure, see there). Without one, in any unit of L and w, with the
    dtype's rounding unit epsilon: the next step promises a decrease of at most 10 epsilon |L|. A
    step that promises at least |L| / 1000 is on its way to the loss 0: then a decrease of at most
    100 epsilon F or epsilon^(4/3) (L_0 - L) by a step of at most epsilon^(1/3) W, with the last
    step's decrease and a quarter of F before it as F, the loss L_0 at the start, and the largest
    length W that the weights have had since. `LBFGS` and `BFGS` do not trust a promise below
    |L| / 1000 where some |w_i dL/dw_i| is above epsilon^(1/4) |L| and the promise less than
    epsilon^(2/3) of it: weights are of very different scales, or the loss is very steep. Then they
    search once more, along steepest descent in the coordinates w_i / |w_i|. `NewtonCG`, which
    guesses what a step promises, asks for a hundredth. For `Newton`, `NewtonCG` and `GaussNewton`
    converged also means that the best step promises no more than the rounding of the loss, and does
    not make the gradient smaller.

    A loss that is not finite at the accepted point, where it was before, is evaluated there once
    more: training stops if it is not finite again.

    The optimizer is looked at when an epoch ends. With one batch an epoch that is every
    evaluation; with a repeated data set and `steps_per_execution` it is every so many.

    Args:
        verbose: 1 prints a sentence when training stops, 0 does not.

    Raises:
        ValueError: If the model's optimizer has no `status`.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.LBFGS(), loss="mse")
    model.fit(x, y, batch_size=len(x), epochs=1000, callbacks=[kd.callbacks.StopWhenConverged()])
    ```
    """

    of_a_fit = ("_optimizer",)

    def __init__(self, verbose: int = 1) -> None:
        super().__init__()
        self.verbose = verbose

    def set_model(self, model: keras.Model) -> None:
        """Find the optimizer."""
        super().set_model(model)
        self._optimizer = second_order_optimizer(model, type(self).__name__)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """No evaluation has been seen that was not finite."""
        self._not_finite = False

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put the trial point back: its evaluation is due."""
        if self._optimizer.built:
            self._optimizer.swap_in_trial_point()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Validate the accepted point."""
        if self._optimizer.built:
            self._optimizer.swap_in_accepted_point()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Report, stop if there is nothing left to do, and leave the accepted point to be saved."""
        optimizer = self._optimizer
        if optimizer.has_unfinished_evaluation:
            raise ValueError(
                "Expected FullBatch before StopWhenConverged in the list of callbacks: the epoch's "
                "gradient has to be complete before the optimizer can be judged. "
                "Received them the other way round."
            )
        optimizer.swap_in_accepted_point()
        progress = optimizer.progress
        if logs is not None:
            for key in ("gradient_norm", "step_size", "evaluations", "status_code"):
                logs[key] = float(progress[key])
        status = optimizer.status
        once = status == NOT_FINITE and not self._not_finite
        once = once and progress["status_code"] == Phase.REPEAT
        self._not_finite = status == NOT_FINITE
        if status in _SENTENCES and not once:
            self.model.stop_training = True
            if self.verbose:
                reason = _SENTENCES[status]
                tolerance = optimizer.gradient_tolerance or 0.0
                if status == "converged" and progress["gradient_norm"] > tolerance:
                    reason = "the gradient is small, or no step promises more than rounding"
                tell(
                    f"\n{optimizer.name}: {status} after {progress['evaluations']} evaluations "
                    f"and {progress['iterations']} steps; {reason}. "
                    f"Loss {progress['loss']:.6g}, gradient {progress['gradient_norm']:.2g}."
                )
